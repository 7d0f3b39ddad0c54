// The map of captions, clips and the query: drawn once it is opened, and anew after each search while it is open.
(() => {
  const { part, ask, refusal } = window.DiffusionRet;
  const LEAST = 4; // units of the drawing: less is a click
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

    // A region: dragged over the map, its clips are listed below it.
    let corner = null;
    let frame = null;
    const svg = () => element.querySelector(".dr-map svg");

    function place(event) {
      const point = new DOMPoint(event.clientX, event.clientY);
      return point.matrixTransform(svg().getScreenCTM().inverse());
    }

    element.addEventListener("pointerdown", (event) => {
      if (!svg()?.contains(event.target) || event.button !== 0) return;
      corner = place(event);
      svg().setPointerCapture(event.pointerId);
    });
    element.addEventListener("pointermove", (event) => {
      if (!corner || !svg()) return;
      const { x, y } = place(event);
      if (!frame?.isConnected) {
        frame = document.createElementNS("http://www.w3.org/2000/svg", "rect");
        frame.setAttribute("class", "is-region");
        svg().append(frame);
      }
      const box = { x: Math.min(x, corner.x), y: Math.min(y, corner.y) };
      const size = { width: Math.abs(x - corner.x), height: Math.abs(y - corner.y) };
      for (const [key, value] of Object.entries({ ...box, ...size })) frame.setAttribute(key, value);
    });
    const drop = () => {
      corner = null;
      frame?.remove();
      frame = null;
    };
    element.addEventListener("pointercancel", drop);
    element.addEventListener("pointerup", () => {
      const box = frame?.getBBox();
      drop();
      if (!box || box.width < LEAST || box.height < LEAST) return;
      const dots = [...element.querySelectorAll("circle[data-id]")].filter((dot) => {
        const [x, y] = [dot.cx.baseVal.value, dot.cy.baseVal.value];
        return x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height;
      });
      const ids = dots.map((dot) => dot.dataset.id);
      if (ids.length) document.dispatchEvent(new CustomEvent("dr-region", { detail: ids }));
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
