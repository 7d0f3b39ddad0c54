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
    if (event.target.closest(".dr-moment")) return playPreview(card, Number(card.dataset.moment));
    if (event.target.closest(".dr-expand")) return enlarge(card);
    if (!event.target.closest(".dr-open")) return;
    // A finger plays first, for it cannot hover; detail is 0 for the keyboard's click.
    if (pointer !== "touch" || event.detail === 0) enlarge(card);
    else togglePreview(card);
  });
})();
