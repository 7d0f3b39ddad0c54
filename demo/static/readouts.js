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

  // Open-set: each candidate's probability to match and, behind them, that none does (the product of the rest).
  function match(row) {
    const p = Array.from(row, (v) => (clamp(v, -1, 1) + 1) / 2);
    return [...p, p.reduce((all, v) => all * (1 - v), 1)];
  }

  // {key: [name, explanation]}, the first being the usual one.
  function readouts({ open, seeds, sharpness }) {
    const named = `mean of ${seeds} noises`;
    if (open)
      return {
        mean: [named, `(x̂₀ + 1) / 2 over ${seeds} noises: the probability of a match`],
        match: ["this noise", "(x̂₀ + 1) / 2, in this one sample, which ends with yes or no"],
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
      ? "+1 at the end where a clip matches, −1 elsewhere"
      : "the generated distribution at the end";
    const prediction = open
      ? "what the network expects of each clean bit, between −1 and +1"
      : "what the network takes the clean distribution to be, before the clamp to [−1, 1]";
    return {
      state: ["state xₜ", `what is denoised: noise at first, ${end}`],
      prediction: ["prediction x̂₀", prediction],
    };
  }

  window.DiffusionRet = { ...window.DiffusionRet, sharp, published, match, readouts, signedValues };
})();
