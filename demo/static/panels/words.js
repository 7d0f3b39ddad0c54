// Word by word: who leads as the query is spoken.
(() => {
  const { registerPanel, answer, part, chart, thumb, percent } = window.DiffusionRet;

  registerPanel("words", "Word by word", async (host, player) => {
    const panel = await answer(host, player, { panel: "words" });
    if (!panel) return;
    const { items, open } = player.data;
    const strip = part("ol", "dr-spoken");
    strip.append(
      ...panel.words.map(({ word, leader, share }) => {
        const row = part("li");
        row.append(thumb(items[leader]), part("b", "", word), part("span", "", percent(share)));
        row.title = items[leader].caption;
        return row;
      }),
    );
    host.append(strip);
    const note = open
      ? "Each colour is a candidate. Several may match, so a column may rise above 100 %."
      : "Each colour is a candidate, on the same noise.";
    chart(host, panel, "chart", "The final distribution after each word", note, null, items);
  });
})();
