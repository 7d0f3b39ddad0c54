// What is drawn: every array that the player shows, side by side.
(() => {
  const { registerPanel, drawing, bars, follow, grid, largest, extent, percent } = window.DiffusionRet;

  // [key of the data, title, text, whether it is signed, what the highest bar stands for]
  function kinds(data) {
    const reach = (rows) => Math.max(1, extent(rows));
    const expected = data.open
      ? "What the network expects of each clean bit, between −1 and +1."
      : "What the network takes the clean answer to be, before the clamp to [−1, 1].";
    const both = [
      [
        "state",
        "State xₜ",
        "Signed, about zero. Noise at first; at the end it is the last prediction itself.",
        true,
        reach(data.state),
      ],
      ["prediction", "Prediction x̂₀", expected, true, reach(data.prediction)],
    ];
    if (data.open) {
      const { caption } = data.items.at(-1);
      return [
        ...both,
        [
          "match",
          "Probability of a match",
          `(x̂₀ + 1) / 2 for each candidate on its own; the last bar is “${caption}”.`,
          false,
          1,
        ],
        [
          "mean",
          `Mean of ${data.seeds} noises`,
          "Settled samples are yes or no; their mean is the probability that is reported.",
          false,
          1,
        ],
      ];
    }
    const highest = percent(extent(data.published.slice(1)));
    const equal = percent(1 / data.K);
    const flat = `Nearly flat: over ${data.K} candidates it never rises above ${highest}, and an equal share would be ${equal}.`;
    const taught =
      "The same prediction at the temperature of training: the distribution the network was taught to give.";
    return [
      ...both,
      ["published", "Published readout softmax(x̂₀)", flat, false, extent(data.published)],
      ["sharp", `Sharp readout softmax(${data.sharpness} x̂₀)`, taught, false, 1],
    ];
  }

  registerPanel(
    "drawn",
    "What is drawn",
    (host, player) => {
      const box = grid(host);
      const drawings = kinds(player.data).map(([key, title, text, signed, top]) => ({
        canvas: drawing(box, title, text),
        key,
        signed,
        top,
      }));
      follow(player, () => {
        for (const { canvas, key, signed, top } of drawings) {
          const row = player.between(player.data[key]);
          bars(canvas, row, top, { signed, leader: player.at >= 1 ? largest(row) : -1 });
        }
      });
    },
    false,
  );
})();
