// p(query): how usual the query is, beside what the generator says of its candidates.
(() => {
  const { registerPanel, answer, part, grid, percent } = window.DiffusionRet;

  function scale(title, value, text) {
    const node = part("figure", "dr-drawing");
    const bar = part("div", "dr-bar");
    const inner = part("i");
    inner.style.width = `${100 * value}%`;
    bar.append(inner);
    node.append(part("h3", "", title), bar, part("p", "dr-note", `${percent(value)} ${text}`));
    return node;
  }

  registerPanel("familiar", "p(query)", async (host, player) => {
    const panel = await answer(host, player, { panel: "familiar" });
    if (!panel) return;
    const box = grid(host);
    if (panel.percentile !== null)
      box.append(scale("p(query), as a percentile", panel.percentile, panel.percentile_note));
    box.append(scale("p(candidates | query)", panel.share, panel.share_note));
    host.append(part("p", "dr-note", panel.honest));
  });
})();
