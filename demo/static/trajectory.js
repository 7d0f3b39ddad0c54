// One trajectory as it arrives (JSON with base64 float32 arrays), and the distributions read from it.
(() => {
  const SHARP = 100; // the temperature of the training loss

  function floats(text) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return new Float32Array(bytes.buffer);
  }

  function softmax(row, scale) {
    const top = Math.max(...row);
    const e = Array.from(row, (v) => Math.exp(scale * (v - top)));
    const sum = e.reduce((a, b) => a + b, 0);
    return e.map((v) => v / sum);
  }

  const percent = (v) => `${(100 * v).toFixed(v < 0.0995 && v > 0 ? 1 : 0)}\u00a0%`;
  const clamp = (v, low, high) => Math.min(Math.max(v, low), high);

  // Frame s of 0..steps: the state after s steps and the prediction that led to it; frame 0 has none yet.
  function decode(payload) {
    const K = payload.candidates.length;
    const steps = payload.alpha_bar.length;
    const x = floats(payload.x);
    const x0 = floats(payload.x0_raw);
    const rows = (all, count) => Array.from({ length: count }, (_, i) => all.subarray(i * K, (i + 1) * K));
    const predicted = rows(x0, steps);
    const nothing = new Array(K).fill(1 / K);
    return {
      ...payload,
      K,
      steps,
      state: rows(x, steps + 1),
      prediction: [new Float32Array(K), ...predicted],
      sharp: [nothing, ...predicted.map((row) => softmax(row, SHARP))],
      published: [nothing, ...predicted.map((row) => softmax(row.map((v) => clamp(v, -1, 1)), 1))],
      signal: [...payload.alpha_bar, 1].map(Math.sqrt),
      noise: [...payload.alpha_bar, 1].map((a) => Math.sqrt(1 - a)),
    };
  }

  window.DiffusionRet = { ...window.DiffusionRet, clamp, decode, percent };
})();
