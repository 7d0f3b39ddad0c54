// The results of a search: their address, and the way to clips like one of them and back.
(() => {
  const { linkResults, setClips, searchAgain } = window.DiffusionRet;

  function mountResults(element, watch, trigger) {
    element.addEventListener("click", (event) => {
      const similar = event.target.closest(".dr-similar");
      if (similar) trigger("select", { similar: similar.dataset.id });
      else if (event.target.closest(".dr-back")) trigger("select", { similar: "" });
      else if (event.target.closest(".dr-everything")) {
        setClips({});
        searchAgain();
      }
    });
    watch("value", () => linkResults(element));
    linkResults(element);
  }

  window.DiffusionRet = { ...window.DiffusionRet, mountResults };
})();
