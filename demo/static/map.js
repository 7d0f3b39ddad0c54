// The map of captions, clips and the query: drawn once it is opened, and anew after each search while it is open.
(() => {
  const { part, ask, refusal } = window.DiffusionRet;
  const AGAIN = 2000; // milliseconds until a map that is still being drawn is asked for again

  function mountMap(element) {
    const stand = () => element.querySelector(".dr-map-stand");
    const query = () => document.querySelector("#query textarea")?.value ?? "";
    let drawn = null; // the query of the map

    async function draw() {
      const now = query();
      drawn = now;
      const map = await ask("map", now).catch(refusal);
      if (now !== drawn) return;
      stand().innerHTML = map;
      if (!stand().querySelector(".is-drawing")) return;
      setTimeout(() => {
        if (!stand().hidden) draw();
      }, AGAIN);
    }

    element.addEventListener("click", (event) => {
      const button = event.target.closest(".dr-open-map");
      if (!button) return;
      const open = button.getAttribute("aria-expanded") !== "true";
      button.setAttribute("aria-expanded", String(open));
      stand().hidden = !open;
      if (open) draw();
    });

    const results = new MutationObserver(() => {
      if (!stand().hidden && drawn !== query()) draw();
    });
    results.observe(document.querySelector("#found"), { childList: true, subtree: true });

    const describe = (event) => {
      const point = event.target.closest("circle[data-name]");
      const place = element.querySelector(".dr-hover");
      if (!place || !point) return;
      const { poster, name } = point.dataset;
      place.replaceChildren();
      if (poster) place.append(Object.assign(part("img"), { src: poster, alt: "" }));
      place.append(part("span", "", name));
    };
    element.addEventListener("pointerover", describe);
    element.addEventListener("focusin", describe);
  }

  window.DiffusionRet = { ...window.DiffusionRet, mountMap };
})();
