// The readouts of a prediction: how each is computed, what it is called, and what it means.
(() => {
  const { clamp } = window.DiffusionRet;

  function softmax(row, scale) {
    const top = Math.max(...row);
    const e = Array.from(row, (v) => Math.exp(scale * (v - top)));
    const sum = e.reduce((a, b) => a + b, 0);
    return e.map((v) => v / sum);
  }

  const sharp = (row, sharpness) => softmax(row, sharpness);
  const published = (row) =>
    softmax(
      Array.from(row, (v) => clamp(v, -1, 1)),
      1,
    );

  // Open-set: each candidate's share and, behind them, what is left for none: together they are 1.
  function drawn(row) {
    const p = Array.from(row, (v) => (clamp(v, -1, 1) + 1) / 2);
    return [...p, Math.max(0, 1 - p.reduce((all, v) => all + v, 0))];
  }

  // {key: [name, explanation]}, the first being the usual one.
  function readouts({ open, seeds, sharpness }) {
    const named = `mean of ${seeds} noises`;
    if (open)
      return {
        mean: [`${seeds} noises`, `(x̂₀ + 1) / 2, averaged over ${seeds} noises: how often each is drawn`],
        drawn: ["this noise", "(x̂₀ + 1) / 2 of this one noise, which ends with one clip or none"],
      };
    const both = {
      sharp: ["sharp", `softmax(${sharpness} x̂₀), at the temperature of training`],
      published: [
        "as published",
        "softmax(x̂₀) of the clamped prediction: nearly flat over so many candidates",
      ],
    };
    return seeds > 1 ? { ...both, mean: [named, `the sharp readout, averaged over ${seeds} noises`] } : both;
  }

  // The signed values, which are drawn about zero.
  function signedValues({ open }) {
    const end = open
      ? "+1 at the end for the clip that is drawn, −1 elsewhere"
      : "the generated distribution at the end";
    const prediction = open
      ? "what is expected of the clean answer, between −1 and +1"
      : "what the network takes the clean distribution to be, before the clamp to [−1, 1]";
    return {
      state: ["state xₜ", `what is denoised: noise at first, ${end}`],
      prediction: ["prediction x̂₀", prediction],
    };
  }

  window.DiffusionRet = { ...window.DiffusionRet, sharp, published, drawn, readouts, signedValues };
})();
