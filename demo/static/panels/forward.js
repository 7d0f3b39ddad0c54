// Forward process: how training drowns a known answer in the noise that the player starts from.
(() => {
  const { registerPanel, answer, chart, drawing, bars, follow, grid, floats, rows, largest, extent } =
    window.DiffusionRet;

  registerPanel("forward", "Forward process", async (host, player) => {
    const panel = await answer(host, player, { panel: "forward" });
    if (!panel) return;
    const { K, state } = player.data;
    const states = rows(floats(panel.x), K);
    const box = grid(host);
    const mixed = "The assumed answer and the player’s own noise, mixed at this noise level.";
    const forward = drawing(box, "Forward: √ᾱ x₀ + √(1−ᾱ) ε", mixed);
    const backward = drawing(
      box,
      "Backward: the player’s xₜ",
      "What the denoiser made of the same noise so far.",
    );
    const reach = Math.max(extent(states), extent(state));
    follow(player, () => {
      for (const [canvas, all] of [
        [forward, states],
        [backward, state],
      ]) {
        const row = player.between(all);
        bars(canvas, row, reach, { signed: true, leader: player.at >= 1 ? largest(row) : -1 });
      }
    });
    const title = "The forward process, read from right to left";
    chart(host, panel, "map", title, "Every candidate at every noise level.", player);
  });
})();
