// Clip cards: what a click on each of their parts does. One listener on the document serves the cards of every tab.
(() => {
  const { cardOf, playPreview, togglePreview, enlarge } = window.DiffusionRet;
  let pointer = "mouse";
  document.addEventListener(
    "pointerdown",
    (event) => {
      pointer = event.pointerType;
    },
    true,
  );

  document.addEventListener("click", (event) => {
    const card = cardOf(event.target);
    if (!card) return;
    const mark = event.target.closest(".dr-mark");
    if (mark) return playPreview(card, Number(mark.dataset.start), Number(mark.dataset.end));
    if (event.target.closest(".dr-save")) return;
    if (event.target.closest(".dr-moment")) {
      const { start, end, moment } = card.dataset;
      return start === undefined
        ? playPreview(card, Number(moment))
        : playPreview(card, Number(start), Number(end));
    }
    if (event.target.closest(".dr-expand")) return enlarge(card);
    if (!event.target.closest(".dr-open")) return;
    // A finger plays first, for it cannot hover; detail is 0 for the keyboard's click.
    if (pointer !== "touch" || event.detail === 0) enlarge(card);
    else togglePreview(card);
  });
})();
