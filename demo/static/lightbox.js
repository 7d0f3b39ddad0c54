// The larger view of a clip, with its neighbours of the same list one key away.
(() => {
  const { part, button, stopPreview, listLinks, describe } = window.DiffusionRet;
  const AGAIN = 3000; // milliseconds between two tries to play what has no copy yet
  const TRIES = 40;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let dialog = null;
  let clips = [];
  let at = 0;

  function build() {
    dialog = part("dialog", "dr-lightbox");
    dialog.setAttribute("aria-label", "A clip, larger");
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => {
      dialog.querySelector("video")?.remove();
      clips[at]?.querySelector(".dr-open")?.focus({ preventScroll: true });
    });
    dialog.addEventListener("keydown", (event) => {
      if (event.target.tagName === "VIDEO") return; // its own keys seek
      if (event.key === "ArrowRight") go(1);
      if (event.key === "ArrowLeft") go(-1);
    });
    document.querySelector(".gradio-container").append(dialog); // within reach of the styles
  }

  function go(step) {
    if (clips.length < 2) return;
    at = (at + step + clips.length) % clips.length;
    fill();
  }

  function navigation() {
    const nav = part("div", "dr-lightbox-nav");
    const before = button("dr-plain", "←", () => go(-1));
    const after = button("dr-plain", "→", () => go(1));
    before.setAttribute("aria-label", "Previous clip");
    after.setAttribute("aria-label", "Next clip");
    nav.append(before, after, part("span", "", `${at + 1} of ${clips.length}`));
    return nav;
  }

  function jump(video, second) {
    video.currentTime = second;
    video.play().catch(() => {});
  }

  // A file that the browser cannot play gets a copy after its folder was read: until then it is asked for again.
  function awaitCopy(video) {
    const note = part(
      "p",
      "dr-note",
      "The clip cannot be played yet. Where a copy is being made, it plays soon.",
    );
    note.setAttribute("role", "status");
    note.hidden = true;
    let tries = 0;
    video.addEventListener("loadeddata", () => {
      note.hidden = true;
    });
    video.addEventListener("error", () => {
      if (video.error?.code !== MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED) return;
      note.hidden = false;
      tries += 1;
      if (tries < TRIES) setTimeout(() => video.isConnected && video.load(), AGAIN);
    });
    return note;
  }

  // The clip's player with its timeline, where it has one; it begins where the part that was found begins.
  function player(clip, video) {
    const box = part("div", "dr-lightbox-player");
    box.append(video, awaitCopy(video));
    const { start } = clip.dataset;
    const begin = () => {
      video.currentTime = Number(start);
    };
    if (start !== undefined) video.addEventListener("loadedmetadata", begin);
    const timeline = clip.querySelector(".dr-timeline")?.cloneNode(true);
    if (timeline) {
      const head = part("i", "dr-timeline-head");
      const move = () => {
        if (video.duration) head.style.left = `${(100 * video.currentTime) / video.duration}%`;
      };
      video.addEventListener("timeupdate", move);
      timeline.append(head);
      timeline.addEventListener("click", (event) => {
        const mark = event.target.closest(".dr-mark");
        if (mark) jump(video, Number(mark.dataset.start));
      });
      box.append(timeline);
    }
    return box;
  }

  // What can be done with the clip: the jump to its best moment, and clips like it.
  function actions(clip, video) {
    const row = part("div", "dr-lightbox-row");
    const { moment, start } = clip.dataset;
    const clock = clip.dataset.clock ?? clip.querySelector(".dr-moment")?.textContent;
    if (moment && clock) {
      const label = start === undefined ? `Best moment ${clock}` : `Best part ${clock}`;
      row.append(button("dr-plain", label, () => jump(video, Number(start ?? moment))));
    }
    const save = clip.querySelector(".dr-save");
    if (save) {
      const link = part("a", "dr-plain dr-save", "Save clip");
      link.href = save.href;
      row.append(link);
    }
    const similar = clip.querySelector(".dr-similar");
    if (similar) {
      const leave = () => {
        dialog.close();
        similar.click();
      };
      row.append(button("dr-plain", "Similar clips", leave));
    }
    const { name } = clip.dataset;
    if (name) {
      const words = button("dr-plain dr-describe", "Describe", () => describe({ id: name }, words));
      row.append(words);
    }
    return row;
  }

  function fill() {
    const clip = clips[at];
    const { video: source, poster, caption = "", name = "" } = clip.dataset;
    const video = document.createElement("video");
    Object.assign(video, { src: source, poster, controls: true, loop: true, muted: true, playsInline: true });
    video.autoplay = !still.matches;
    const side = part("div", "dr-lightbox-side");
    if (clips.length > 1) side.append(navigation());
    side.append(part("p", "dr-lightbox-caption", caption), part("p", "dr-lightbox-name", name));
    const numbers = clip.querySelectorAll(".dr-share, .dr-numbers");
    side.append(...[...numbers].map((node) => node.cloneNode(true)), actions(clip, video), listLinks(clip));
    const close = button("dr-close", "×", () => dialog.close());
    close.setAttribute("aria-label", "Close");
    dialog.replaceChildren(player(clip, video), side, close);
  }

  // clip: a card, or any element with a card's data.
  function enlarge(clip) {
    stopPreview();
    if (!dialog) build();
    clips = clip.parentElement?.classList.contains("dr-cards") ? [...clip.parentElement.children] : [clip];
    at = Math.max(clips.indexOf(clip), 0);
    fill();
    dialog.showModal();
    dialog.querySelector(".dr-close").focus();
  }

  window.DiffusionRet = { ...window.DiffusionRet, enlarge };
})();
