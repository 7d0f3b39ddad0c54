// The preview of a clip card: plays on hover or keyboard focus, one at a time, for a page of playing videos would
// freeze. Listeners on the document serve every card of every tab, however often they are redrawn.
(() => {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let playing = null; // the one card that plays
  let part = { from: 0, to: 0 }; // of it
  let waiting = 0;

  const cardOf = (node) => (node instanceof Element ? node.closest(".dr-card") : null);

  // from, to: seconds of the part that plays again and again; without them the card's own, and without that the whole.
  function playPreview(item, from = Number(item.dataset.start ?? 0), to = Number(item.dataset.end ?? 0)) {
    part = { from, to };
    if (playing === item) {
      const video = item.querySelector("video");
      video.currentTime = from;
      video.play().catch(() => {});
      return;
    }
    stopPreview();
    const video = document.createElement("video");
    video.muted = video.loop = video.playsInline = true;
    video.preload = "none";
    video.setAttribute("aria-hidden", "true");
    video.src = item.dataset.video;
    video.addEventListener("loadedmetadata", () => {
      if (part.from) video.currentTime = Math.min(part.from, Math.max(video.duration - 0.2, 0));
      const mark = item.querySelector(".dr-line b");
      if (mark && video.duration)
        mark.style.left = `${(100 * Number(item.dataset.moment)) / video.duration}%`;
    });
    video.addEventListener("timeupdate", () => {
      if (playing === item && part.to && video.currentTime >= part.to) video.currentTime = part.from;
    });
    video.addEventListener("playing", () => item.classList.add("is-playing"));
    video.addEventListener("error", () => item.classList.add("is-broken"));
    item.querySelector(".dr-open").append(video);
    playing = item;
    video.play().catch(() => {});
    requestAnimationFrame(tick);
  }

  function stopPreview() {
    clearTimeout(waiting);
    const item = playing;
    playing = null; // first: removing what has the focus comes back here
    item?.classList.remove("is-playing");
    item?.querySelector("video")?.remove();
  }

  function togglePreview(item) {
    if (item === playing) stopPreview();
    else playPreview(item);
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
    const item = media && cardOf(media);
    if (!item || item === playing) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => playPreview(item), 120); // crossing a card is not yet looking at it
  });

  document.addEventListener("pointerout", (event) => {
    if (event.pointerType === "touch") return;
    const media = event.target.closest?.(".dr-media");
    if (!media || media.contains(event.relatedTarget)) return;
    clearTimeout(waiting);
    if (cardOf(media) === playing && !media.contains(document.activeElement)) stopPreview();
  });

  document.addEventListener("focusin", (event) => {
    const item = event.target.matches?.(".dr-open") ? cardOf(event.target) : null;
    if (item && event.target.matches(":focus-visible") && !still.matches) playPreview(item);
  });

  document.addEventListener("focusout", (event) => {
    const item = cardOf(event.target);
    if (item && item === playing && !item.contains(event.relatedTarget)) stopPreview();
  });

  window.DiffusionRet = { ...window.DiffusionRet, cardOf, playPreview, stopPreview, togglePreview };
})();
