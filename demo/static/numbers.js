// Numbers: within bounds, the largest of a row, and for reading.
(() => {
  const clamp = (v, low, high) => Math.min(Math.max(v, low), high);

  function largest(row) {
    let best = 0;
    for (let i = 1; i < row.length; i++) if (row[i] > row[best]) best = i;
    return best;
  }

  // The largest magnitude of many rows, above zero, so that it can be divided by.
  const extent = (rows) => Math.max(1e-6, ...rows.map((row) => Math.max(...row.map(Math.abs))));

  // As `percent` of demo/search.py writes a share, which a browser test holds together.
  function percent(share) {
    if (share < 0.001) return "<\u00a00.1\u00a0%";
    return `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}\u00a0%`;
  }

  window.DiffusionRet = { ...window.DiffusionRet, clamp, largest, extent, percent };
})();
