// Bars on a canvas: shares from one edge, signed values about the middle, one of them marked; faint for what is not yet.
(() => {
  const { part, clamp, colour } = window.DiffusionRet;

  function bars(canvas, values, top, { signed = false, leader = -1, down = false, faint = false } = {}) {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
    if (canvas.width !== Math.round(width)) canvas.width = Math.round(width);
    if (canvas.height !== Math.round(height)) canvas.height = Math.round(height);
    const paper = canvas.getContext("2d");
    paper.clearRect(0, 0, canvas.width, canvas.height);
    const step = canvas.width / values.length;
    const base = signed ? height / 2 : down ? 0 : height;
    const plain = colour(faint ? "--dr-line" : "--dr-mute");
    const marked = colour(faint ? "--dr-mute" : "--dr-signal");
    for (let i = 0; i < values.length; i++) {
      const size = (values[i] / top) * (signed ? height / 2 : height);
      paper.fillStyle = i === leader ? marked : plain;
      paper.fillRect(i * step, down ? base : base - size, Math.max(step - 1, 1), size);
    }
    paper.fillStyle = colour("--dr-line");
    paper.fillRect(0, clamp(base, 0, height - 1), canvas.width, 1);
  }

  // A canvas for bars with its title and what it shows.
  function drawing(host, title, text, tall = "") {
    const box = part("figure", "dr-drawing");
    const canvas = part("canvas", tall);
    canvas.setAttribute("aria-hidden", "true");
    box.append(part("h3", "", title), canvas, part("p", "dr-note", text));
    host.append(box);
    return canvas;
  }

  window.DiffusionRet = { ...window.DiffusionRet, bars, drawing };
})();
