// The verdict on a query: "Why?" asks the server once for the inspection, whose slider goes through the shares of queries without a match.
(() => {
  const { ask, refusal, clipChoice } = window.DiffusionRet;

  async function toggleInspection(why, element) {
    const panel = element.querySelector(".dr-inspection");
    const open = why.getAttribute("aria-expanded") !== "true";
    why.setAttribute("aria-expanded", String(open));
    panel.hidden = !open;
    if (!open || panel.dataset.filled) return;
    panel.dataset.filled = "yes";
    panel.textContent = "Looking closer …";
    const fill = (markup) => {
      panel.innerHTML = markup;
    };
    const asked = { query: why.dataset.query, within: clipChoice() };
    fill(await ask("inspection", asked, fill).catch(refusal));
  }

  // The sentences of all shares come with the slider.
  function showLevel(slider) {
    const { absent, sentence } = JSON.parse(slider.dataset.levels)[
      Number(slider.querySelector("input").value)
    ];
    slider.querySelector("output").textContent = absent;
    slider.querySelector("p").textContent = sentence;
  }

  function mountVerdict(element) {
    element.addEventListener("click", (event) => {
      const why = event.target.closest(".dr-why");
      if (why) toggleInspection(why, element);
    });
    element.addEventListener("input", (event) => {
      const slider = event.target.closest(".dr-prior");
      if (slider) showLevel(slider);
    });
  }

  window.DiffusionRet = { ...window.DiffusionRet, mountVerdict };
})();
