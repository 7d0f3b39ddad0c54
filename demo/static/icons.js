// Icons of the player, and buttons that show one.
(() => {
  const { button } = window.DiffusionRet;
  const ICONS = {
    first: "M5 4h2v12H5zM16 4v12l-8-6z",
    back: "M14 4v12l-8-6z",
    play: "M6 3.5v13l10.5-6.5z",
    pause: "M5 4h3.5v12H5zM11.5 4H15v12h-3.5z",
    on: "M6 4v12l8-6z",
    dice: "M4 3h12a1 1 0 0 1 1 1v12a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1zM6.5 5a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3zm7 0a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3zM10 8.5a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3zM6.5 12a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3zm7 0a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3z",
  };

  function icon(name) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 20 20");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", ICONS[name]);
    path.setAttribute("fill-rule", "evenodd");
    svg.append(path);
    return svg;
  }

  function iconButton(name, label, act) {
    const node = button("dr-icon", "", act);
    node.setAttribute("aria-label", label);
    node.title = label;
    node.append(icon(name));
    return node;
  }

  window.DiffusionRet = { ...window.DiffusionRet, icon, iconButton };
})();
