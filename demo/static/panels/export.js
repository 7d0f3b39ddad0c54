// Export: the states of the noise that is played as JSON and CSV, the animation as a page, the link.
(() => {
  const { registerPanel, part, button } = window.DiffusionRet;

  function save(name, text, type) {
    const href = URL.createObjectURL(new Blob([text], { type }));
    Object.assign(document.createElement("a"), { download: name, href }).click();
    setTimeout(() => URL.revokeObjectURL(href), 1000);
  }

  const plain = (row) => Array.from(row, Number);

  function asJson(data) {
    const { query, form, seed, settings, alpha_bar, candidates, sentence } = data;
    const readout = data.open ? "drawn" : "sharp";
    const known = {
      query,
      form,
      seed,
      settings,
      alpha_bar,
      sentence,
      candidates: candidates.map(({ poster, video, clock, ...clip }) => clip),
      readout,
      x: data.state.map(plain),
      x0_raw: data.prediction.slice(1).map(plain),
      share: data[readout].slice(1).map(plain),
      mean_over_seeds: data.mean.slice(1).map(plain),
    };
    return JSON.stringify(known, null, 1);
  }

  // A text as a cell that no spreadsheet takes for a formula.
  const quoted = (text) => `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;

  function asCsv(data) {
    const lines = ["step,candidate,name,caption,x,x0_raw,share"];
    const shares = data.open ? data.drawn : data.sharp;
    for (let s = 0; s <= data.steps; s++) {
      data.candidates.forEach((item, i) => {
        const [prediction, share] = s ? [data.prediction[s][i], shares[s][i]] : ["", ""]; // noise has none yet
        lines.push(
          [s, i + 1, quoted(item.name), quoted(item.caption), data.state[s][i], prediction, share].join(","),
        );
      });
    }
    return `${lines.join("\n")}\n`;
  }

  registerPanel(
    "export",
    "Export",
    (host, player) => {
      const { data } = player;
      const row = part("div", "dr-export");
      const says = "All states of the noise that is played; the page works offline, from a file.";
      const note = part("p", "dr-note", says);
      const asPage = async () => {
        const panel = await player.ask({ panel: "export" });
        if (panel.problem) note.textContent = panel.problem;
        else save("denoising.html", panel.page, "text/html");
      };
      const copyLink = async () => {
        await navigator.clipboard.writeText(location.href);
        note.textContent = "The link restores the query, the noise, the settings, the step and this panel.";
      };
      row.append(
        button("dr-plain", "Data as JSON", () => save("trajectory.json", asJson(data), "application/json")),
        button("dr-plain", "Data as CSV", () => save("trajectory.csv", asCsv(data), "text/csv")),
      );
      if (player.ask)
        row.append(
          button("dr-plain", "Animation as HTML", asPage),
          button("dr-plain", "Copy the link", copyLink),
        );
      host.append(row, note);
    },
    false,
  );
})();
