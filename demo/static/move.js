// How generation moved a candidate against its rank by similarity.
(() => {
  const { part } = window.DiffusionRet;

  function rankChange(item) {
    if (item.none) return "none of the candidates fits";
    if (item.rank === item.base_rank) return `rank ${item.rank}, unchanged`;
    return `rank ${item.base_rank} → ${item.rank}`;
  }

  // ▲ 3 from 4, coloured; nothing where generation left a clip.
  function arrow(item, far = false) {
    const up = item.none ? 0 : item.base_rank - item.rank;
    const node = part("span", `dr-move ${up > 0 ? "is-up" : up < 0 ? "is-down" : "is-same"}`);
    node.textContent = up ? `${up > 0 ? "▲" : "▼"}\u2009${Math.abs(up)}` : "";
    if (far && !item.none)
      node.append(
        part("span", "", up ? ` from ${item.base_rank} to ${item.rank}` : `rank ${item.rank}, unchanged`),
      );
    return node;
  }

  window.DiffusionRet = { ...window.DiffusionRet, arrow, rankChange };
})();
