// What is drawn: every array that the player shows, side by side.
(() => {
  const { registerPanel, drawing, bars, follow, grid, largest, extent, percent } = window.DiffusionRet;

  // The signed arrays, about zero. top: what the highest bar stands for.
  function signedArrays(data) {
    const top = (rows) => Math.max(1, extent(rows));
    const state = "Signed, about zero. Noise at first; at the end it is the last prediction itself.";
    const prediction = data.open
      ? "What is expected of the clean answer, between −1 and +1."
      : "What the network takes the clean answer to be, before the clamp to [−1, 1].";
    return [
      { key: "state", title: "State xₜ", text: state, top: top(data.state), signed: true },
      {
        key: "prediction",
        title: "Prediction x̂₀",
        text: prediction,
        top: top(data.prediction),
        signed: true,
      },
    ];
  }

  function openReadouts({ items, seeds }) {
    const none = items.at(-1).caption;
    const one = `(x̂₀ + 1) / 2 of each candidate; the last bar is “${none}”, and all of them sum to 100 %.`;
    const mean = "Each noise ends with one clip or none; the mean says how often each is drawn.";
    return [
      { key: "drawn", title: "Shares of this noise", text: one, top: 1 },
      { key: "mean", title: `Mean of ${seeds} noises`, text: mean, top: 1 },
    ];
  }

  function publishedReadouts({ published, sharpness, K }) {
    const highest = percent(extent(published.slice(1)));
    const never = `Nearly flat: over ${K} candidates it never rises above ${highest}`;
    const flat = `${never}, and an equal share would be ${percent(1 / K)}.`;
    const taught = "The same prediction at the temperature of training";
    const sharp = `${taught}: the distribution the network was taught to give.`;
    return [
      { key: "published", title: "Published readout softmax(x̂₀)", text: flat, top: extent(published) },
      { key: "sharp", title: `Sharp readout softmax(${sharpness} x̂₀)`, text: sharp, top: 1 },
    ];
  }

  registerPanel(
    "drawn",
    "What is drawn",
    (host, player) => {
      const { data } = player;
      const box = grid(host);
      const arrays = [...signedArrays(data), ...(data.open ? openReadouts(data) : publishedReadouts(data))];
      const drawings = arrays.map((array) => ({ ...array, canvas: drawing(box, array.title, array.text) }));
      follow(player, () => {
        for (const { canvas, key, signed = false, top } of drawings) {
          const row = player.between(data[key]);
          bars(canvas, row, top, { signed, leader: player.at >= 1 ? largest(row) : -1 });
        }
      });
    },
    false,
  );
})();
