// One trajectory as it arrives (JSON with base64 arrays), and the distributions read from it.
(() => {
  const SHARP = 100; // the temperature of the training loss

  function bytes(text) {
    return Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  }

  const floats = (text) => new Float32Array(bytes(text));
  const small = (text) => Float32Array.from(new Uint16Array(bytes(text)), (v) => v / 65535);
  const rows = (all, width) => Array.from({ length: all.length / width }, (_, i) => all.subarray(i * width, (i + 1) * width));

  function softmax(row, scale) {
    const top = Math.max(...row);
    const e = Array.from(row, (v) => Math.exp(scale * (v - top)));
    const sum = e.reduce((a, b) => a + b, 0);
    return e.map((v) => v / sum);
  }

  const percent = (v) => (v > 0 && v < 0.001 ? "<\u00a00.1\u00a0%" : `${(100 * v).toFixed(v < 0.0995 && v > 0 ? 1 : 0)}\u00a0%`);
  const clamp = (v, low, high) => Math.min(Math.max(v, low), high);
  const sharp = (row) => softmax(row, SHARP);
  const published = (row) => softmax(Array.from(row, (v) => clamp(v, -1, 1)), 1);

  // Open-set: each candidate's probability to match and, behind them, that none does (the product of the rest).
  function match(row) {
    const p = Array.from(row, (v) => (clamp(v, -1, 1) + 1) / 2);
    return [...p, p.reduce((all, v) => all * (1 - v), 1)];
  }

  function largest(row) {
    let best = 0;
    for (let i = 1; i < row.length; i++) if (row[i] > row[best]) best = i;
    return best;
  }

  // What one seed's states say. Frame s of 0..steps: the state after s steps and the prediction that led to it;
  // frame 0 is noise and has no prediction yet.
  function decodeStates(payload, K, open) {
    const x0 = rows(floats(payload.x0_raw), K);
    const nothing = new Array(open ? K + 1 : K).fill(open ? 0 : 1 / K);
    const read = (how) => [nothing, ...x0.map(how)];
    return {
      steps: x0.length,
      state: rows(floats(payload.x), K),
      prediction: [new Float32Array(K), ...x0],
      ...(open ? { match: read(match) } : { sharp: read(sharp), published: read(published) }),
      signal: [...payload.alpha_bar, 1].map(Math.sqrt),
      noise: [...payload.alpha_bar, 1].map((a) => Math.sqrt(1 - a)),
    };
  }

  // Shares of every seed at every frame, as [seed][frame], who leads there, and whether the seed is for the winner:
  // it leads, or, where several may match, is more probable than not.
  function decodeCrowd(text, seeds, columns, open, winner) {
    const all = rows(small(text), columns);
    const nothing = new Float32Array(columns).fill(open ? 0 : 1 / columns);
    const crowd = Array.from({ length: seeds }, (_, s) => [nothing, ...all.filter((_, i) => i % seeds === s)]);
    const leaders = crowd.map((frames) => frames.map((row, i) => (i ? largest(row) : -1)));
    const agreeing = crowd.map((frames, s) => frames.map((row, i) => i > 0 && (open ? row[winner] >= 0.5 : leaders[s][i] === winner)));
    return { crowd, leaders, agreeing };
  }

  // A column is a candidate; with the open-set generator one more stands for "no match".
  function decode(payload) {
    const K = payload.candidates.length;
    const open = payload.form === "open-set";
    const columns = open ? K + 1 : K;
    const states = decodeStates(payload, K, open);
    const nothing = new Float32Array(columns).fill(open ? 0 : 1 / K);
    return {
      ...payload,
      ...states,
      ...decodeCrowd(payload.crowd, payload.seeds, columns, open, payload.winner),
      K,
      open,
      columns,
      items: open ? [...payload.candidates, { none: true, caption: "no match", poster: "" }] : payload.candidates,
      mean: [nothing, ...rows(floats(payload.mean), columns)],
    };
  }

  window.DiffusionRet = {
    ...window.DiffusionRet, clamp, decode, decodeCrowd, floats, largest, percent, rows,
  };
})();
