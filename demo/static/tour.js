// A tour of five stops through the method, told with the query and the trajectory that are shown.
(() => {
  const { part, button, largest, percent, setAddress, formula } = window.DiffusionRet;
  const { row, sub, hat, root, level } = formula;
  const previous = row("t", "−", "1");

  function stops({ data }) {
    const first = data.candidates[0];
    const end = data.items[data.winner];
    const half = Math.round(data.steps / 2);
    const now = data.open ? data.drawn : data.sharp;
    const ahead = data.items[largest(now[half])];
    const agree = data.agreeing.filter((frames) => frames.at(-1)).length;
    const network = data.open
      ? [
          "One pass of the network, before any step, gave each candidate a share p, and one to none. The noisy state adds its own word on each; the softmax of both is the prediction. No network runs in a step.",
          formula(hat("p"), "=", "softmax", "(", "log", "p", "+", "g", sub("x", "t"), ")"),
          formula("g", "=", ["mfrac", row("2", root(level("t"))), row("1", "−", level("t"))]),
        ]
      : [
          "The query attends to the candidates; the noisy state xₜ competes with it inside one softmax. From what was attended to, and each candidate, comes a guess of the clean answer. The paper writes k where this page says t.",
          formula("E", "=", "softmax", "(", "Q", ["msup", "K", "⊤"], "+", sub("x", "t"), ")", "V"),
          formula(sub(hat("x"), "0"), "=", "MLP", "(", "[", "E", ",", "C", "]", ")", "+", "w"),
        ];
    const reading = data.open
      ? [
          `Each noise draws one clip or none. ${agree} of ${data.seeds} drew ${end.none ? end.caption : `“${end.caption}”`}. Over many noises the draws equal the softmax of the first step, up to chance; the ranking takes p(match) from the same pass, and nothing from the draws.`,
          formula("p", "=", ["mfrac", "1", "S"], "∑", ["mfrac", row(sub("x", "0"), "+", "1"), "2"]),
        ]
      : [
          `“${end.caption}” ends in front, in ${agree} of ${data.seeds} noises. The sample is added to the similarity, which ${end.rank === end.base_rank ? `leaves it at rank ${end.rank}` : `takes it from rank ${end.base_rank} to ${end.rank}`}.`,
          formula("score", "=", "s", "+", "α", "softmax", "(", "β", sub("x", "0"), ")"),
        ];
    return [
      [
        "Candidates",
        0,
        [
          `Similarity alone puts “${first.caption}” first, at ${first.similarity.toFixed(3)}: each token of the query looks for its best frame, each frame for its best token; the end token, which has read all words, is one of them. “Inside a step” has the weights, and what changes without each word. The ${data.K} best clips go on, from left to right.`,
          formula(
            "s",
            "=",
            ["mfrac", "1", "2"],
            "(",
            "∑",
            sub("w", "i"),
            "max",
            sub("c", row("i", "j")),
            "+",
            "∑",
            sub("w", "j"),
            "max",
            sub("c", row("i", "j")),
            ")",
          ),
        ],
      ],
      [
        "Noise",
        0,
        [
          `The answer starts as pure noise, one number a candidate (noise ${data.seed}). It knows nothing of the query yet.`,
          formula(sub("x", "T"), "∼", "N", "(", "0", ",", "I", ")"),
        ],
      ],
      ["One prediction", 1, network],
      [
        "Step by step",
        half,
        [
          `Each step keeps a little less noise and a little more of the guess. Half way, at step ${half}, ${ahead.none ? ahead.caption : `“${ahead.caption}”`} leads with ${percent(Math.max(...now[half]))}.`,
          formula(
            sub("x", previous),
            "=",
            root(level(previous)),
            sub(hat("x"), "0"),
            "+",
            root("1", "−", level(previous)),
            hat("ε"),
          ),
        ],
      ],
      ["The answer", data.steps, reading],
    ];
  }

  function tour(player) {
    const all = stops(player);
    const card = part("aside", "dr-tour");
    card.setAttribute("aria-label", "Tour of the method");
    let at = 0;

    function show(to) {
      at = to;
      const [title, step, [text, ...formulas]] = all[at];
      const row = part("div", "dr-tour-row");
      if (at) row.append(button("dr-plain", "Back", () => show(at - 1)));
      row.append(
        at < all.length - 1
          ? button("dr-plain is-next", "Next", () => show(at + 1))
          : button("dr-plain is-next", "Done", leave),
      );
      const close = button("dr-close", "×", leave);
      close.setAttribute("aria-label", "Leave the tour");
      const words = part("p", "", text);
      words.setAttribute("role", "status");
      card.replaceChildren(
        close,
        part("p", "dr-note", `${at + 1} of ${all.length}`),
        part("h2", "", title),
        words,
        ...formulas,
        row,
      );
      player.pause();
      player.go(step);
      setAddress({ tour: at + 1 });
      row.lastChild.focus({ preventScroll: true });
    }

    function leave() {
      card.replaceWith(player.stage.leaders.element);
      player.stage.element.classList.remove("is-tour");
      setAddress({ tour: null });
      player.root.focus({ preventScroll: true });
    }

    return {
      start(stop = 0) {
        player.stage.leaders.element.replaceWith(card);
        player.stage.element.classList.add("is-tour");
        show(Math.min(Math.max(stop, 0), all.length - 1));
      },
    };
  }

  window.DiffusionRet = { ...window.DiffusionRet, tour };
})();
