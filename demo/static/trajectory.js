// One trajectory as it arrives (demo/watch.py), and the distributions read from it.
(() => {
  const { floats, parts, rows, largest, sharp, published, drawn } = window.DiffusionRet;

  // Before any prediction all columns are alike.
  const unknown = (columns) => new Float32Array(columns).fill(1 / columns);

  // What one seed's states say. Frame s of 0..steps: the state after s steps and the prediction that led to it;
  // frame 0 is noise and has no prediction yet.
  function decodeStates(payload, K, open) {
    const x0 = rows(floats(payload.x0_raw), K);
    const nothing = unknown(open ? K + 1 : K);
    const read = (how) => [nothing, ...x0.map((row) => how(row, payload.sharpness))];
    return {
      steps: x0.length,
      state: rows(floats(payload.x), K),
      prediction: [new Float32Array(K), ...x0],
      ...(open ? { drawn: read(drawn) } : { sharp: read(sharp), published: read(published) }),
      signal: [...payload.alpha_bar, 1].map(Math.sqrt),
      noise: [...payload.alpha_bar, 1].map((a) => Math.sqrt(1 - a)),
    };
  }

  // Shares of every seed at every frame, as [seed][frame], who leads there, and whether that is the winner.
  function decodeEnsemble(text, seeds, { columns, winner }) {
    const all = rows(parts(text), columns);
    const nothing = unknown(columns);
    const ensemble = Array.from({ length: seeds }, (_, s) => [
      nothing,
      ...all.filter((_, i) => i % seeds === s),
    ]);
    const leaders = ensemble.map((frames) => frames.map((row, i) => (i ? largest(row) : -1)));
    const agreeing = leaders.map((frames) => frames.map((leader) => leader === winner));
    return { ensemble, leaders, agreeing };
  }

  // A column is a candidate; with the open-set generator one more stands for none, which the payload names.
  function decode(payload) {
    const K = payload.candidates.length;
    const open = Boolean(payload.none);
    const columns = open ? K + 1 : K;
    const none = { none: true, caption: payload.none, poster: "" };
    return {
      ...payload,
      ...decodeStates(payload, K, open),
      ...decodeEnsemble(payload.ensemble, payload.seeds, { columns, winner: payload.winner }),
      K,
      open,
      columns,
      items: open ? [...payload.candidates, none] : payload.candidates,
      mean: [unknown(columns), ...rows(floats(payload.mean), columns)],
    };
  }

  window.DiffusionRet = { ...window.DiffusionRet, decode, decodeEnsemble };
})();
