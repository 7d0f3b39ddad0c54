// The example queries: a click types one and sends it, so that there is one way to ask and what is asked last is
// answered last.
(() => {
  function mountChips(element) {
    element.addEventListener("click", (event) => {
      const chip = event.target.closest(".dr-chip");
      if (!chip) return;
      const box = document.querySelector("#query textarea");
      box.value = chip.textContent;
      box.dispatchEvent(new Event("input", { bubbles: true }));
      setTimeout(() => document.querySelector("#query button").click());
    });
  }

  window.DiffusionRet = { ...window.DiffusionRet, mountChips };
})();
