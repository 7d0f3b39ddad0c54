// One trajectory as it arrives (demo/watch.py), and the distributions read from it.
(() => {
  const { floats, parts, rows, largest, sharp, published, match } = window.DiffusionRet;

  // What one seed's states say. Frame s of 0..steps: the state after s steps and the prediction that led to it;
  // frame 0 is noise and has no prediction yet.
  function decodeStates(payload, K, open) {
    const x0 = rows(floats(payload.x0_raw), K);
    const nothing = new Array(open ? K + 1 : K).fill(open ? 0 : 1 / K);
    const read = (how) => [nothing, ...x0.map((row) => how(row, payload.sharpness))];
    return {
      steps: x0.length,
      state: rows(floats(payload.x), K),
      prediction: [new Float32Array(K), ...x0],
      ...(open ? { match: read(match) } : { sharp: read(sharp), published: read(published) }),
      signal: [...payload.alpha_bar, 1].map(Math.sqrt),
      noise: [...payload.alpha_bar, 1].map((a) => Math.sqrt(1 - a)),
    };
  }

  // Shares of every seed at every frame, as [seed][frame], who leads there, and whether the seed is for the winner:
  // it leads, or, where several may match, is more probable than not.
  function decodeEnsemble(text, seeds, { columns, open, winner }) {
    const all = rows(parts(text), columns);
    const nothing = new Float32Array(columns).fill(open ? 0 : 1 / columns);
    const ensemble = Array.from({ length: seeds }, (_, s) => [
      nothing,
      ...all.filter((_, i) => i % seeds === s),
    ]);
    const leaders = ensemble.map((frames) => frames.map((row, i) => (i ? largest(row) : -1)));
    const agreeing = ensemble.map((frames, s) =>
      frames.map((row, i) => i > 0 && (open ? row[winner] >= 0.5 : leaders[s][i] === winner)),
    );
    return { ensemble, leaders, agreeing };
  }

  // A column is a candidate; with the open-set generator one more stands for "no match", which the payload names.
  function decode(payload) {
    const K = payload.candidates.length;
    const open = Boolean(payload.no_match);
    const columns = open ? K + 1 : K;
    const nothing = new Float32Array(columns).fill(open ? 0 : 1 / K);
    const none = { none: true, caption: payload.no_match, poster: "" };
    return {
      ...payload,
      ...decodeStates(payload, K, open),
      ...decodeEnsemble(payload.ensemble, payload.seeds, { columns, open, winner: payload.winner }),
      K,
      open,
      columns,
      items: open ? [...payload.candidates, none] : payload.candidates,
      mean: [nothing, ...rows(floats(payload.mean), columns)],
    };
  }

  window.DiffusionRet = { ...window.DiffusionRet, decode, decodeEnsemble };
})();
