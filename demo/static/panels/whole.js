// Whole trajectory: all candidates at all steps.
(() => {
  const { registerPanel, answer, chart } = window.DiffusionRet;

  registerPanel("whole", "Whole trajectory", async (host, player) => {
    const panel = await answer(host, player, { panel: "whole" });
    if (!panel) return;
    const { items } = player.data;
    chart(host, panel, "heat", "Share of every candidate at every step", "Click a step to go there.", player);
    chart(
      host,
      panel,
      "ranks",
      "Ranks by prediction",
      "The candidates that end in front; on the left, their rank by similarity.",
      player,
      items,
    );
    chart(
      host,
      panel,
      "uncertainty",
      "Uncertainty",
      "The leader’s share (solid) and the entropy as a part of the most possible (dotted).",
      player,
    );
  });
})();
