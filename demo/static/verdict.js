// The verdict on a query: "Why?" asks the server once for the inspection, whose slider goes through the levels alpha.
(() => {
  async function toggleInspection(why, element, server) {
    const panel = element.querySelector(".dr-inspection");
    const open = why.getAttribute("aria-expanded") !== "true";
    why.setAttribute("aria-expanded", String(open));
    panel.hidden = !open;
    if (!open || panel.dataset.filled) return;
    panel.dataset.filled = "yes";
    panel.textContent = "Looking closer …";
    panel.innerHTML = await server.inspection(why.dataset.query);
  }

  // The sentences of all levels come with the slider.
  function showLevel(slider) {
    const { alpha, sentence } = JSON.parse(slider.dataset.levels)[
      Number(slider.querySelector("input").value)
    ];
    slider.querySelector("output").textContent = alpha;
    slider.querySelector("p").textContent = sentence;
  }

  function mountVerdict(element, server) {
    element.addEventListener("click", (event) => {
      const why = event.target.closest(".dr-why");
      if (why) toggleInspection(why, element, server);
    });
    element.addEventListener("input", (event) => {
      const slider = event.target.closest(".dr-alpha");
      if (slider) showLevel(slider);
    });
  }

  window.DiffusionRet = { ...window.DiffusionRet, mountVerdict };
})();
