// The last queries of this browser, kept by it alone: offered below the query box, and forgotten at a click.
(() => {
  const { button, askFor } = window.DiffusionRet;
  const PLACE = "diffusionret-queries";
  const MOST = 10;
  const LONGEST = 300; // letters of one that is kept
  let draw = () => {};
  let opening = true; // the page asks by itself first

  function kept() {
    try {
      const queries = JSON.parse(localStorage.getItem(PLACE));
      return Array.isArray(queries)
        ? queries.filter((query) => typeof query === "string").slice(0, MOST)
        : [];
    } catch {
      return []; // no storage, or something else in it
    }
  }

  function keep(queries) {
    try {
      if (queries.length) localStorage.setItem(PLACE, JSON.stringify(queries));
      else localStorage.removeItem(PLACE);
    } catch {}
    draw();
  }

  // link: the address of results, as they say it.
  function remember(link) {
    const query = new URLSearchParams(link).get("q")?.trim() ?? "";
    const first = opening;
    opening = false;
    if (first || !query || query.length > LONGEST) return;
    keep([query, ...kept().filter((other) => other !== query)].slice(0, MOST));
  }

  function mountRecent(details) {
    const list = details.querySelector("div");
    draw = () => {
      const queries = kept();
      details.hidden = !queries.length;
      const choose = (query) => () => {
        details.open = false;
        askFor(query);
      };
      list.replaceChildren(
        ...queries.map((query) => button("dr-chip", query, choose(query))),
        button("dr-chip dr-forget", "Forget these", () => keep([])),
      );
    };
    draw();
  }

  window.DiffusionRet = { ...window.DiffusionRet, remember, mountRecent };
})();
