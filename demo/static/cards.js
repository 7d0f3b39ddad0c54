// Clip cards: preview on hover, focus or tap, the jump to the best moment, and the larger view.
// One set of listeners on the document serves every card of every tab, however often they are redrawn.
(() => {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let playing = null; // the one card that plays: a page of playing videos would freeze
  let waiting = 0;

  const card = (node) => (node instanceof Element ? node.closest(".dr-card") : null);

  function play(item, from = 0) {
    if (playing === item) {
      const video = item.querySelector("video");
      if (from) video.currentTime = from;
      return void video.play().catch(() => {});
    }
    stop();
    const video = document.createElement("video");
    video.muted = video.loop = video.playsInline = true;
    video.preload = "none";
    video.setAttribute("aria-hidden", "true");
    video.src = item.dataset.video;
    video.addEventListener("loadedmetadata", () => {
      if (from) video.currentTime = Math.min(from, Math.max(video.duration - 0.2, 0));
      const mark = item.querySelector(".dr-line b");
      if (mark && video.duration) mark.style.left = `${(100 * Number(item.dataset.moment)) / video.duration}%`;
    });
    video.addEventListener("playing", () => item.classList.add("is-playing"));
    video.addEventListener("error", () => item.classList.add("is-broken"));
    item.querySelector(".dr-open").append(video);
    playing = item;
    video.play().catch(() => {});
    requestAnimationFrame(tick);
  }

  function stop() {
    clearTimeout(waiting);
    const item = playing;
    playing = null; // first: removing what has the focus comes back here
    item?.classList.remove("is-playing");
    item?.querySelector("video")?.remove();
  }

  function tick() {
    const video = playing?.querySelector("video");
    if (!video) return;
    const line = playing.querySelector(".dr-line i");
    if (line && video.duration) line.style.transform = `scaleX(${video.currentTime / video.duration})`;
    requestAnimationFrame(tick);
  }

  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch" || still.matches) return;
    const media = event.target.closest?.(".dr-media");
    const item = media && card(media);
    if (!item || item === playing) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => play(item), 120); // crossing a card is not yet looking at it
  });

  document.addEventListener("pointerout", (event) => {
    if (event.pointerType === "touch") return;
    const media = event.target.closest?.(".dr-media");
    if (!media || media.contains(event.relatedTarget)) return;
    clearTimeout(waiting);
    if (card(media) === playing && !media.contains(document.activeElement)) stop();
  });

  document.addEventListener("focusin", (event) => {
    const item = event.target.matches?.(".dr-open") ? card(event.target) : null;
    if (item && event.target.matches(":focus-visible") && !still.matches) play(item);
  });

  document.addEventListener("focusout", (event) => {
    const item = card(event.target);
    if (item && item === playing && !item.contains(event.relatedTarget)) stop();
  });

  let pointer = "mouse";
  document.addEventListener("pointerdown", (event) => (pointer = event.pointerType), true);

  document.addEventListener("click", (event) => {
    const item = card(event.target);
    if (!item) return;
    if (event.target.closest(".dr-moment")) return play(item, Number(item.dataset.moment));
    if (event.target.closest(".dr-expand")) return enlarge(item);
    if (!event.target.closest(".dr-open")) return;
    if (pointer !== "touch" || event.detail === 0) return enlarge(item); // detail 0: the keyboard's click
    if (item === playing) stop();
    else play(item);
  });

  // --- the larger view -----------------------------------------------------------------------------------

  let dialog = null;
  let shown = [];
  let at = 0;

  function part(tag, name, text = "") {
    const node = document.createElement(tag);
    if (name) node.className = name;
    node.textContent = text; // never markup: captions and file names come from anywhere
    return node;
  }

  function button(name, text, act) {
    const node = part("button", name, text);
    node.type = "button";
    node.addEventListener("click", act);
    return node;
  }

  function build() {
    dialog = part("dialog", "dr-lightbox");
    dialog.setAttribute("aria-label", "A clip, larger");
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => {
      dialog.querySelector("video")?.remove();
      shown[at]?.querySelector(".dr-open")?.focus({ preventScroll: true });
    });
    dialog.addEventListener("keydown", (event) => {
      if (event.target.tagName === "VIDEO") return; // its own keys seek
      if (event.key === "ArrowRight") go(1);
      if (event.key === "ArrowLeft") go(-1);
    });
    document.querySelector(".gradio-container").append(dialog); // within reach of the styles
  }

  function go(step) {
    if (shown.length < 2) return;
    at = (at + step + shown.length) % shown.length;
    fill();
  }

  function seconds(value) {
    return `${Math.floor(value / 60)}:${String(Math.floor(value % 60)).padStart(2, "0")}`;
  }

  function fill() {
    const { video: source, poster, caption = "", moment, name = "" } = shown[at].dataset;
    const video = document.createElement("video");
    Object.assign(video, { src: source, poster, controls: true, loop: true, muted: true, playsInline: true });
    video.autoplay = !still.matches;
    const side = part("div", "dr-lightbox-side");
    if (shown.length > 1) {
      const nav = part("div", "dr-lightbox-nav");
      const before = button("dr-plain", "←", () => go(-1));
      const after = button("dr-plain", "→", () => go(1));
      before.setAttribute("aria-label", "Previous clip");
      after.setAttribute("aria-label", "Next clip");
      nav.append(before, after, part("span", "", `${at + 1} of ${shown.length}`));
      side.append(nav);
    }
    side.append(part("p", "dr-lightbox-caption", caption), part("p", "dr-lightbox-name", name));
    const known = shown[at].querySelectorAll(".dr-share, .dr-numbers");
    side.append(...[...known].map((node) => node.cloneNode(true)));
    const row = part("div", "dr-lightbox-row");
    if (moment !== undefined && moment !== "") {
      row.append(
        button("dr-plain", `Best moment ${seconds(Number(moment))}`, () => {
          video.currentTime = Number(moment);
          video.play().catch(() => {});
        }),
      );
    }
    const similar = shown[at].querySelector(".dr-similar");
    if (similar) {
      row.append(
        button("dr-plain", "Similar clips", () => {
          dialog.close();
          similar.click();
        }),
      );
    }
    side.append(row);
    const close = button("dr-close", "×", () => dialog.close());
    close.setAttribute("aria-label", "Close");
    dialog.replaceChildren(video, side, close);
  }

  function enlarge(item) {
    stop();
    if (!dialog) build();
    shown = item.parentElement?.classList.contains("dr-cards") ? [...item.parentElement.children] : [item];
    at = Math.max(shown.indexOf(item), 0);
    fill();
    dialog.showModal();
    dialog.querySelector(".dr-close").focus();
  }

  window.DiffusionRet = { ...window.DiffusionRet, enlarge, part, button };
})();
