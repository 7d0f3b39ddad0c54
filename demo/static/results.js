// The results of a search: their address, the way to clips like one of them and back, and to another query.
(() => {
  const { linkResults, setClips, searchAgain, forgetExample, describe, remember } = window.DiffusionRet;

  function mountResults(element, watch, trigger) {
    element.addEventListener("click", (event) => {
      const similar = event.target.closest(".dr-similar");
      const words = event.target.closest(".dr-describe");
      if (similar) trigger("select", { similar: similar.dataset.id });
      else if (words) describe({ example: words.dataset.example }, words);
      else if (event.target.closest(".dr-back")) trigger("select", { similar: "" });
      else if (event.target.closest(".dr-everything")) {
        setClips({});
        searchAgain();
      }
      const link = event.target.closest(".dr-follow");
      if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return; // a new tab follows the link itself
      event.preventDefault();
      trigger("select", { query: link.dataset.query, exact: "exact" in link.dataset });
    });
    watch("value", () => {
      if (!element.querySelector(".dr-like")) forgetExample();
      linkResults(element);
      const link = element.querySelector("[data-link]")?.dataset.link;
      if (link !== undefined) remember(link);
    });
    linkResults(element);
  }

  window.DiffusionRet = { ...window.DiffusionRet, mountResults };
})();
