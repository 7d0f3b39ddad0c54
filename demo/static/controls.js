// Small controls of the player that choose one of several.
(() => {
  const { part, button } = window.DiffusionRet;

  // A row of buttons of which one is on. names: {key: text}.
  function choice(label, names, now, act) {
    const group = part("div", "dr-choice");
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", label);
    const nodes = Object.entries(names).map(([key, text]) => {
      const node = button("", text, () => {
        for (const other of nodes) other.setAttribute("aria-pressed", String(other === node));
        act(key);
      });
      node.setAttribute("aria-pressed", String(key === now));
      node.dataset.key = key;
      return node;
    });
    group.append(...nodes);
    return group;
  }

  // A list of numbers to choose from; say(value): its text.
  function select(label, values, now, say, act) {
    const node = part("select", "dr-select");
    node.setAttribute("aria-label", label);
    for (const value of values) {
      const option = part("option", "", say(value));
      option.value = value;
      option.selected = value === now;
      node.append(option);
    }
    node.addEventListener("change", () => act(Number(node.value)));
    return node;
  }

  window.DiffusionRet = { ...window.DiffusionRet, choice, select };
})();
