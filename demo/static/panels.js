// Look closer: folded panels under the player, one open at a time, all following its step. Each file of panels/
// registers one.
(() => {
  const { part, button, address, setAddress } = window.DiffusionRet;
  const panels = new Map(); // in the order in which they are offered

  // open(host, player): fills the host. asks: whether it needs the server, which an exported page has not.
  function registerPanel(name, title, open, asks = true) {
    panels.set(name, { title, open, asks });
  }

  function panelFolds(player) {
    const box = part("section", "dr-look");
    const body = part("div", "dr-panel");
    const buttons = new Map();
    const show = (name) => {
      player.panel = name;
      player.listeners.clear();
      for (const [key, node] of buttons) node.setAttribute("aria-expanded", String(key === name));
      body.replaceChildren();
      body.hidden = !name;
      setAddress({ panel: name });
      if (!name) return;
      const host = part("div");
      body.append(host);
      panels.get(name).open(host, player);
    };
    const row = part("div", "dr-folds");
    row.append(part("h2", "", "Look closer"));
    for (const [name, { title, asks }] of panels) {
      if (asks && !player.ask) continue;
      const node = button("dr-plain", title, () => show(player.panel === name ? null : name));
      buttons.set(name, node);
      row.append(node);
    }
    box.append(row, body);
    const wanted = player.panel === undefined ? address.get("panel") : player.panel;
    queueMicrotask(() => show(buttons.has(wanted) ? wanted : null));
    return box;
  }

  // What the server says: asks, says that it asks, and shows the sentence; null when there is nothing to draw.
  async function answer(host, player, request) {
    const line = part("p", "dr-told", "One moment …");
    line.setAttribute("role", "status");
    host.append(line);
    let panel;
    try {
      panel = await player.ask(request);
    } catch (error) {
      panel = { problem: error.message };
    }
    if (!host.isConnected) return null;
    line.textContent = panel.problem ?? panel.sentence;
    line.classList.toggle("dr-problem", Boolean(panel.problem));
    return panel.problem ? null : panel;
  }

  // Draws now and whenever the player has drawn.
  function follow(player, draw) {
    player.listeners.add(draw);
    draw();
  }

  function grid(host) {
    const node = part("div", "dr-grid");
    host.append(node);
    return node;
  }

  window.DiffusionRet = { ...window.DiffusionRet, registerPanel, panelFolds, answer, follow, grid };
})();
