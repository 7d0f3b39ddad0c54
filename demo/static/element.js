// Elements made by hand. Text is always text, never markup: captions and file names come from anywhere.
(() => {
  function part(tag, name, text = "") {
    const node = document.createElement(tag);
    if (name) node.className = name;
    node.textContent = text;
    return node;
  }

  function button(name, text, act) {
    const node = part("button", name, text);
    node.type = "button";
    node.addEventListener("click", act);
    return node;
  }

  // A candidate's poster, small; the sign of "no match" for what is no clip and has no name.
  function thumb(item) {
    const node = part("span", "dr-thumb");
    if (item.poster) node.append(Object.assign(part("img"), { src: item.poster, alt: "" }));
    else if (!item.name) node.textContent = "∅";
    return node;
  }

  window.DiffusionRet = { ...window.DiffusionRet, part, button, thumb };
})();
