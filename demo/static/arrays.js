// Arrays as they travel: base64 of little-endian numbers, packed by demo/watch.py.
(() => {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  const floats = (text) => new Float32Array(bytes(text));
  // Shares in [0, 1], as parts of the largest uint16.
  const parts = (text) => Float32Array.from(new Uint16Array(bytes(text)), (v) => v / 65535);
  const rows = (all, width) =>
    Array.from({ length: all.length / width }, (_, i) => all.subarray(i * width, (i + 1) * width));

  window.DiffusionRet = { ...window.DiffusionRet, floats, parts, rows };
})();
