// The example queries: a click types one and sends it, so that there is one way to ask and what is asked last is
// answered last.
(() => {
  // What stands in the box, or the first example where nothing does.
  function searchAgain() {
    const box = document.querySelector("#query textarea");
    if (box.value.trim()) document.querySelector("#query button").click();
    else document.querySelector(".dr-chip").click();
  }

  function askFor(query) {
    const box = document.querySelector("#query textarea");
    box.value = query;
    box.dispatchEvent(new Event("input", { bubbles: true }));
    setTimeout(() => document.querySelector("#query button").click());
  }

  function mountChips(element) {
    element.addEventListener("click", (event) => {
      const chip = event.target.closest(".dr-chip");
      if (chip) askFor(chip.dataset.query);
    });
  }

  window.DiffusionRet = { ...window.DiffusionRet, searchAgain, askFor, mountChips };
})();
