// Noise: many noises at once, each a small player of its own.
(() => {
  const { registerPanel, answer, part, button, select, bars, chart, follow, thumb } = window.DiffusionRet;
  const { clamp, percent, decodeEnsemble, address, setAddress } = window.DiffusionRet;
  const COUNTS = [1, 4, 8, 16, 32, 64];

  // One small player a noise; a click plays its noise.
  function ensembleOf(player, { ensemble, leaders }) {
    const { data } = player;
    const many = part("div", "dr-ensemble");
    const ones = ensemble.map((_, s) => {
      const one = button("dr-one", "", () => player.choose({ seed: data.seed + s }));
      one.setAttribute("aria-label", `Play noise ${data.seed + s}`);
      one.append(part("span", "dr-thumb"), part("canvas"));
      return one;
    });
    many.append(...ones);
    const draw = () => {
      const step = Math.round(player.at);
      ones.forEach((one, s) => {
        const leader = leaders[s][step];
        const [picture, canvas] = one.children;
        if (picture.dataset.of !== String(leader)) {
          picture.dataset.of = leader;
          picture.replaceChildren(...(leader < 0 ? [] : thumb(data.items[leader]).childNodes));
        }
        bars(canvas, ensemble[s][step], 1, { leader });
      });
    };
    return { many, draw };
  }

  // The columns in front, over all noises; of the open-set generator also how many drew it, and what the first step
  // says, which the draws equal up to chance.
  function front(settled, seeds, open) {
    const list = part("ol", "dr-settled");
    list.append(
      ...settled.map((end) => {
        const row = part("li");
        const draws = `${end.draws} of ${seeds}`;
        const first = open ? part("i", "", `${percent(end.first)} in the first step`) : "";
        row.append(part("b", "", open ? draws : percent(end.share)), part("span", "", end.caption), first);
        return row;
      }),
    );
    return list;
  }

  registerPanel("noise", "Noise", (host, player) => {
    const { data } = player;
    const place = part("div");
    const show = async (seeds) => {
      setAddress({ seeds: seeds === data.seeds ? null : seeds });
      place.replaceChildren();
      const panel = await answer(place, player, { panel: "noise", seeds });
      if (!panel) return;
      const { many, draw } = ensembleOf(player, decodeEnsemble(panel.ensemble, panel.seeds, data));
      const mean = data.open ? "What the noises drew" : "Mean share over all noises";
      place.append(
        part("h3", "", "Every noise, at the player’s step"),
        many,
        part("h3", "", mean),
        front(panel.settled, panel.seeds, data.open),
      );
      follow(player, draw);
      if (panel.seeds === 1) return;
      const bands = "Mean share, and the range that holds 80 % of the noises.";
      if (panel.bands) chart(place, panel, "bands", "Bands over the noises", bands, player, data.items);
      chart(place, panel, "agreement", "Agreement", "How many noises are for what wins in the end.", player);
    };
    const most = data.limits.seeds;
    const now = clamp(Number(address.get("seeds")) || data.seeds, 1, most);
    const counts = [...new Set([...COUNTS.filter((v) => v <= most), now])].sort((a, b) => a - b);
    host.append(
      select("Noises", counts, now, (v) => (v === 1 ? "1 noise" : `${v} noises`), show),
      place,
    );
    show(now);
  });
})();
