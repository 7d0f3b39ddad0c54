// The page's address: what was searched, then how it is looked at, so that a link restores both.
(() => {
  const address = new URLSearchParams(location.search); // what the page was opened with
  const CHOICE = ["words", "folder", "shortest", "longest", "since", "until", "ids"]; // which clips are searched
  const view = new Map(); // what differs from a fresh look: tab, step, readout, panel, ...
  let search = "";
  let waiting = 0;

  function write() {
    const parts = [search.slice(1), new URLSearchParams([...view]).toString()].filter(Boolean);
    history.replaceState(null, "", parts.length ? `?${parts.join("&")}` : location.pathname);
  }

  // The results on the page say what their address is.
  function linkResults(element) {
    const state = element.querySelector("[data-link]")?.dataset.link;
    if (state === undefined) return;
    search = state;
    write();
    // Opened in a new tab a link stays with this gallery, and within the same clips.
    const chosen = new URLSearchParams(
      [...view].filter(([key]) => key === "gallery" || CHOICE.includes(key)),
    );
    for (const link of element.querySelectorAll(".dr-follow")) {
      const parts = new URLSearchParams(link.getAttribute("href").slice(1));
      for (const [key, value] of chosen) parts.set(key, value);
      link.setAttribute("href", `?${parts}`);
    }
  }

  // Browsers count changes of the address: a slider that is dragged changes it once, when it rests.
  function setAddress(changes) {
    for (const [key, value] of Object.entries(changes)) {
      if (value === null || value === undefined || value === "") view.delete(key);
      else view.set(key, String(value));
    }
    clearTimeout(waiting);
    waiting = setTimeout(write, 150);
  }

  // Which clips are searched, as demo/gallery_choice.py reads it; {} for all.
  function clipChoice() {
    return Object.fromEntries(CHOICE.filter((key) => view.has(key)).map((key) => [key, view.get(key)]));
  }

  // At once: the search that follows is told by the address.
  function setClips(wanted) {
    setAddress({ ...Object.fromEntries(CHOICE.map((key) => [key, null])), ...wanted });
    clearTimeout(waiting);
    write();
  }

  document.addEventListener("click", (event) => {
    const tab = event.target.closest?.('#tabs [role="tab"]');
    if (!tab) return;
    const name = tab.textContent.trim().toLowerCase();
    setAddress({ tab: name === "search" ? null : name });
  });
  if (address.get("tab") && address.get("tab") !== "search") view.set("tab", address.get("tab"));

  for (const key of ["gallery", ...CHOICE]) if (address.get(key)) view.set(key, address.get(key));

  window.DiffusionRet = { ...window.DiffusionRet, address, setAddress, linkResults, clipChoice, setClips };
})();
