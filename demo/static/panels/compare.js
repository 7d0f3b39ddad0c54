// Compare: another query or other settings, over the same candidates, following the same player.
(() => {
  const { registerPanel, answer, part, bars, drawing, follow, thumb, address, setAddress } =
    window.DiffusionRet;
  const { floats, rows, largest, percent } = window.DiffusionRet;

  // [name, label, kind of input or [value, text] to choose from, what the player has]
  function fields({ query, seed, settings, limits, form, forms = [] }) {
    const others = forms.filter((name) => name !== form);
    const all = [
      ["query", "Query", "text", query],
      ["steps", "Steps", "number", settings.steps],
      ["candidates", "Candidates", "number", settings.candidates],
      ["seed", "Noise", "number", seed],
      ["schedule", "Schedule", [["", "as trained"], ...same(limits.schedules)], ""],
      ["eta", "η", same(["0", "0.5", "1"]), "0"],
    ];
    return others.length ? [...all, ["form", "Generator", [["", form], ...same(others)], ""]] : all;
  }

  const same = (names) => names.map((name) => [name, name]);

  function inputOf(name, kind, value) {
    const choice = Array.isArray(kind);
    const input = part(choice ? "select" : "input");
    if (choice)
      input.append(...kind.map(([key, text]) => Object.assign(part("option", "", text), { value: key })));
    else input.type = kind;
    input.name = name;
    input.value = address.get(`vs_${name}`) ?? value;
    return input;
  }

  // Both distributions, one from below and one from above, and the posters of their columns between them.
  function draw(place, player, panel) {
    const columns = panel.candidates.length;
    const sides = panel.sides.map((side) => rows(floats(side), columns));
    const top = Math.max(0.1, ...sides.flat().map((row) => row[largest(row)])); // both on one scale
    const upper = drawing(place, panel.labels[0], "", "is-share");
    const posters = part("div", "dr-strip");
    posters.append(...panel.candidates.map((item) => Object.assign(thumb(item), { title: item.caption })));
    const lower = drawing(place, panel.labels[1], "", "is-share");
    upper.parentElement.after(posters);
    follow(player, () => {
      const elapsed = player.at / player.data.steps;
      sides.forEach((side, i) => {
        const frame = Math.round(elapsed * side.length);
        const row = side.at(frame - 1); // before the first step, faintly, where it will end
        const leader = largest(row);
        const canvas = [upper, lower][i];
        bars(canvas, row, top, { leader, down: i === 1, faint: !frame });
        const who = `${panel.candidates[leader].caption}, ${percent(row[leader])}`;
        canvas.nextSibling.textContent = frame
          ? `Step ${frame} of ${side.length}: ${who}`
          : `Pure noise: nothing is decided. It will end with ${who}`;
      });
    });
  }

  registerPanel("compare", "Compare", (host, player) => {
    const form = part("form", "dr-form");
    const place = part("div");
    const inputs = fields(player.data).map(([name, label, kind, value]) => {
      const field = part("label", name === "query" ? "is-wide" : "", label);
      const input = inputOf(name, kind, value);
      field.append(input);
      form.append(field);
      return { name, input, value };
    });
    form.append(part("button", "dr-plain", "Compare"));
    const show = async () => {
      const other = Object.fromEntries(inputs.map(({ name, input }) => [name, input.value]));
      setAddress(
        Object.fromEntries(
          inputs.map(({ name, input, value }) => [
            `vs_${name}`,
            input.value === String(value) ? null : input.value,
          ]),
        ),
      );
      place.replaceChildren();
      const panel = await answer(place, player, { panel: "compare", other });
      if (!panel) return;
      if (panel.warning) place.append(part("p", "dr-problem is-mild", panel.warning));
      draw(place, player, panel);
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      show();
    });
    host.append(form, place);
    const invitation =
      "Change the query or a setting, then compare: both are drawn over the same candidates and follow the player.";
    if ([...address.keys()].some((key) => key.startsWith("vs_"))) show();
    else place.append(part("p", "dr-note", invitation));
  });
})();
