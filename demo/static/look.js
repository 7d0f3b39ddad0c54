// Look closer: folded panels under the player, one open at a time, all linked to its step.
(() => {
  const { part, button, clamp, decodeCrowd, floats, largest, look, opened, percent, rows } = window.DiffusionRet;
  const LIGHT = {
    "#fdfdfc": "--dr-paper", "#f3f3f1": "--dr-wash", "#15171c": "--dr-ink", "#5d626d": "--dr-soft", "#e1e2e4": "--dr-line",
    "#b3b7bf": "--dr-mute", "#3a36d4": "--dr-signal", "#a2452f": "--dr-down", "#0a7352": "--dr-up",
  };
  // Between the empty and the full cell of a map, as figures.py mixes them.
  const RAMP = { "#e2e1f4": 0.1, "#a6a4e6": 0.42 };
  const colour = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();
  const mixed = (part_of) => {
    const ends = ["--dr-wash", "--dr-signal"].map((name) => [1, 3, 5].map((i) => parseInt(colour(name).slice(i, i + 2), 16)));
    return `rgb(${ends[0].map((v, i) => Math.round(v + part_of * (ends[1][i] - v)))})`;
  };
  const ours = (hex) => (RAMP[hex] ? mixed(RAMP[hex]) : LIGHT[hex] ? colour(LIGHT[hex]) : hex);
  let library = null; // Plotly, once a figure asked for it

  function plotly(source) {
    library ??= new Promise((done, fail) => {
      const script = document.createElement("script");
      script.src = source;
      script.onload = () => done(window.Plotly);
      script.onerror = () => fail(new Error("The drawing library did not load."));
      document.head.append(script);
    });
    return library;
  }

  // A figure of analysis/figures.py in the page's colours. With `player`, a line marks its step and a click goes there.
  // Lines that stand for a candidate (`meta`) are named below, by its poster and caption of `items`.
  async function chart(host, found, key, title, text, player = null, items = []) {
    const box = part("figure", "dr-chart");
    const stand = part("div", "dr-chart-stand");
    box.append(part("h3", "", title), part("p", "dr-note", text), stand);
    host.append(box);
    const { data, layout } = JSON.parse(found[key].replace(/#[0-9a-f]{6}/g, ours));
    stand.style.minHeight = `${layout.height}px`; // what follows does not jump once it is drawn
    const Plotly = await plotly(found.plotly);
    if (!stand.isConnected) return;
    const named = data.filter((trace) => items[trace.meta]);
    if (named.length) box.append(legend(named, items));
    await Plotly.newPlot(stand, data, { ...layout, autosize: true }, { displayModeBar: false, responsive: true });
    if (!player) return;
    const mark = part("i", "dr-chart-mark");
    stand.append(mark);
    const place = () => {
      const { xaxis, _size } = stand._fullLayout;
      const at = _size.l + xaxis.l2p(Math.max(player.at, xaxis.range[0]));
      mark.style.cssText = `height:${_size.h}px;top:${_size.t}px;transform:translateX(${at}px)`;
    };
    player.listeners.add(place);
    stand.on("plotly_afterplot", place);
    stand.addEventListener("click", (event) => {
      const { xaxis, _size } = stand._fullLayout;
      const step = xaxis.p2l(event.clientX - stand.getBoundingClientRect().left - _size.l);
      player.pause();
      player.go(Math.round(step));
    });
    place();
  }

  function legend(traces, items) {
    const list = part("ul", "dr-legend");
    const front = traces[0].type === "bar" ? traces : [...traces].sort((a, b) => a.legendrank - b.legendrank);
    list.append(...front.map((trace) => {
      const item = items[trace.meta];
      const row = part("li");
      row.style.setProperty("--colour", (trace.line ?? trace.marker).color);
      row.title = item.caption;
      row.append(thumb(item), part("span", "", item.caption));
      return row;
    }));
    return list;
  }

  // Bars on a canvas: shares from below, signed values about the middle, one of them marked.
  function bars(canvas, values, top, { signed = false, leader = -1, down = false } = {}) {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
    if (canvas.width !== Math.round(width)) canvas.width = Math.round(width);
    if (canvas.height !== Math.round(height)) canvas.height = Math.round(height);
    const paper = canvas.getContext("2d");
    paper.clearRect(0, 0, canvas.width, canvas.height);
    const step = canvas.width / values.length;
    const base = signed ? height / 2 : down ? 0 : height;
    const [plain, marked] = [colour("--dr-mute"), colour("--dr-signal")];
    for (let i = 0; i < values.length; i++) {
      const size = (values[i] / top) * (signed ? height / 2 : height);
      paper.fillStyle = i === leader ? marked : plain;
      paper.fillRect(i * step, down ? base : base - size, Math.max(step - 1, 1), size);
    }
    paper.fillStyle = colour("--dr-line");
    paper.fillRect(0, clamp(base, 0, height - 1), canvas.width, 1);
  }

  function drawing(host, title, text, tall = "") {
    const box = part("figure", "dr-drawing");
    const canvas = part("canvas", tall);
    canvas.setAttribute("aria-hidden", "true");
    box.append(part("h3", "", title), canvas, part("p", "dr-note", text));
    host.append(box);
    return canvas;
  }

  const top = (all) => Math.max(1e-6, ...all.map((row) => Math.max(...row.map(Math.abs))));
  const grid = (host) => {
    const node = part("div", "dr-grid");
    host.append(node);
    return node;
  };
  const follow = (player, draw) => {
    player.listeners.add(draw);
    draw();
  };
  const thumb = (item) => {
    const node = part("span", "dr-thumb");
    if (item.poster) node.append(Object.assign(part("img"), { src: item.poster, alt: "" }));
    else node.textContent = "∅";
    return node;
  };

  // --- the panels ---------------------------------------------------------------------------------------

  function drawn(host, player) {
    const { data } = player;
    const kinds = [
      ["state", "State xₜ", "Signed, about zero. Noise at first; at the end it is the last prediction itself.", true],
      ["prediction", "Prediction x̂₀", data.open ? "What the network expects of each clean bit, between −1 and +1." : "What the network takes the clean answer to be, before the clamp to [−1, 1].", true],
    ];
    if (data.open) {
      kinds.push(["match", "Probability of a match", "(x̂₀ + 1) / 2 for each candidate on its own; the last bar is “no match”.", false]);
      kinds.push(["mean", `Mean of ${data.seeds} noises`, "Settled samples are yes or no; their mean is the probability that is reported.", false]);
    } else {
      const highest = percent(top(data.published.slice(1)));
      kinds.push(["published", "Published readout softmax(x̂₀)", `Nearly flat: over ${data.K} candidates it never rises above ${highest}, and an equal share would be ${percent(1 / data.K)}.`, false]);
      kinds.push(["sharp", "Sharp readout softmax(100 x̂₀)", "The same prediction at the temperature of training: the distribution the network was taught to give.", false]);
    }
    const box = grid(host);
    const made = kinds.map(([key, title, text, signed]) => [drawing(box, title, text), key, signed, key === "published" ? top(data.published) : signed ? Math.max(1, top(data[key])) : 1]);
    follow(player, () => {
      for (const [canvas, key, signed, reach] of made) {
        const row = player.between(data[key]);
        bars(canvas, row, reach, { signed, leader: player.at >= 1 ? largest(row) : -1 });
      }
    });
  }

  const shareOf = (player) => (player.data.open ? "Probability" : "Share");

  async function whole(host, player) {
    const found = await told(host, player, { panel: "whole" });
    if (!found) return;
    chart(host, found, "heat", `${shareOf(player)} of every candidate at every step`, "Click a step to go there.", player);
    chart(host, found, "ranks", "Ranks by prediction", "The eight candidates that end in front; on the left, their rank by similarity.", player, player.data.items);
    chart(host, found, "uncertainty", "Uncertainty", `The leader’s ${shareOf(player).toLowerCase()} (solid) and the entropy as a part of the most possible (dotted).`, player);
  }

  function noise(host, player) {
    const { data } = player;
    const place = part("div");
    const show = async (seeds) => {
      look({ seeds: seeds === data.seeds ? null : seeds });
      place.replaceChildren();
      const found = await told(place, player, { panel: "noise", seeds });
      if (!found) return;
      const { crowd, leaders } = decodeCrowd(found.crowd, found.seeds, data.columns, data.open, data.winner);
      const many = part("div", "dr-crowd");
      many.append(...crowd.map((_, s) => {
        const one = player.choose ? button("dr-one", "", () => player.choose({ seed: data.seed + s })) : part("div", "dr-one");
        one.setAttribute("aria-label", `Play noise ${data.seed + s}`);
        one.append(part("span", "dr-thumb"), part("canvas"));
        return one;
      }));
      place.append(part("h3", "", "Every noise, at the player’s step"), many);
      const list = part("ol", "dr-settled");
      list.append(...found.settled.map((end) => {
        const row = part("li");
        row.append(part("b", "", percent(end.share)), part("span", "", end.caption));
        return row;
      }));
      place.append(part("h3", "", data.open ? "Probability of a match, over all noises" : "Mean share over all noises"), list);
      follow(player, () => {
        const step = Math.round(player.at);
        [...many.children].forEach((one, s) => {
          const leader = leaders[s][step];
          const [picture, canvas] = one.children;
          if (picture.dataset.of !== String(leader)) {
            picture.dataset.of = leader;
            picture.replaceChildren(...(leader < 0 ? [] : thumb(data.items[leader]).childNodes));
          }
          bars(canvas, crowd[s][step], 1, { leader });
        });
      });
      if (found.seeds > 1) {
        chart(place, found, "bands", "Bands over the noises", `Mean ${shareOf(player).toLowerCase()}, and the range that holds 80 % of the noises.`, player, data.items);
        chart(place, found, "agreement", "Agreement", "How many noises are for what wins in the end.", player);
      }
    };
    const now = clamp(Number(opened.get("seeds")) || data.seeds, 1, 64);
    const pick = player.select("Noises", [...new Set([1, 4, 8, 16, 32, 64, now])].sort((a, b) => a - b), now, (v) => (v === 1 ? "1 noise" : `${v} noises`), show);
    host.append(pick, place);
    show(now);
  }

  const FIELDS = [
    ["query", "Query", "text"], ["steps", "Steps", "number"], ["candidates", "Candidates", "number"],
    ["seed", "Noise", "number"], ["schedule", "Schedule", ["", "cosine", "linear"]], ["eta", "η", ["0", "0.5", "1"]],
  ];

  function compare(host, player) {
    const { data } = player;
    const form = part("form", "dr-form");
    const inputs = {};
    const known = { query: data.query, steps: data.settings.steps, candidates: data.settings.candidates, seed: data.seed };
    const others = (data.forms ?? []).filter((form) => form !== data.form);
    for (const [name, label, kind] of others.length ? [...FIELDS, ["form", "Generator", ["", ...others]]] : FIELDS) {
      const field = part("label", name === "query" ? "is-wide" : "", label);
      const input = part(Array.isArray(kind) ? "select" : "input");
      if (Array.isArray(kind)) input.append(...kind.map((v) => Object.assign(part("option", "", v || (name === "form" ? data.form : "as trained")), { value: v })));
      else input.type = kind;
      input.name = name;
      input.value = opened.get(`vs_${name}`) ?? known[name] ?? (Array.isArray(kind) ? kind[0] : "");
      field.append(input);
      form.append(field);
      inputs[name] = input;
    }
    const go = part("button", "dr-plain", "Compare");
    form.append(go);
    const place = part("div");
    const show = async () => {
      const other = Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value]));
      look(Object.fromEntries(Object.entries(other).map(([name, v]) => [`vs_${name}`, v === String(known[name] ?? (name === "eta" ? "0" : "")) ? null : v])));
      place.replaceChildren();
      const found = await told(place, player, { panel: "compare", other });
      if (!found) return;
      if (found.warning) place.append(part("p", "dr-problem is-mild", found.warning));
      const columns = found.candidates.length;
      const sides = found.sides.map((side) => rows(floats(side), columns));
      const upper = drawing(place, found.labels[0], "", "is-share");
      const posters = part("div", "dr-strip");
      posters.append(...found.candidates.map((item) => Object.assign(thumb(item), { title: item.caption })));
      const lower = drawing(place, found.labels[1], "", "is-share");
      upper.parentElement.after(posters);
      follow(player, () => {
        const part_of = player.at / player.data.steps;
        sides.forEach((side, i) => {
          const frame = Math.round(part_of * side.length);
          const row = frame ? side[frame - 1] : new Float32Array(columns);
          const canvas = [upper, lower][i];
          bars(canvas, row, 1, { leader: frame ? largest(row) : -1, down: i === 1 });
          canvas.nextSibling.textContent = frame ? `Step ${frame} of ${side.length}: ${found.candidates[largest(row)].caption}, ${percent(Math.max(...row))}` : "Pure noise";
        });
      });
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      show();
    });
    host.append(form, place);
    if ([...opened.keys()].some((key) => key.startsWith("vs_"))) show();
    else place.append(part("p", "dr-note", "Change the query or a setting, then compare: both are drawn over the same candidates and follow the player."));
  }

  // Thumbnails of the frames, from the clip itself: one hidden video seeks from one to the next.
  async function frames(pictures, clip) {
    if (!clip.video) return;
    const video = Object.assign(document.createElement("video"), { muted: true, preload: "auto", src: clip.video });
    const once = (name) => new Promise((done, fail) => {
      video.addEventListener(name, done, { once: true });
      video.addEventListener("error", fail, { once: true });
    });
    try {
      await once("loadeddata");
      for (const [i, canvas] of pictures.entries()) {
        const sought = once("seeked");
        video.currentTime = clip.times[i] + 0.001;
        await sought;
        canvas.width = video.videoWidth;
        canvas.height = video.videoHeight;
        canvas.getContext("2d").drawImage(video, 0, 0);
      }
    } catch {
      // A browser that cannot play the clip shows the numbers alone.
    }
  }

  async function inside(host, player) {
    const { data } = player;
    const winner = data.winner < data.K ? data.winner : 0;
    const place = part("div");
    const show = async (candidate) => {
      look({ explain: candidate === winner ? null : candidate + 1 });
      place.replaceChildren();
      const found = await told(place, player, { panel: "inside", candidate });
      if (!found) return;
      if (found.attention) {
        const weights = rows(floats(found.attention), data.K);
        const canvas = drawing(place, "Attention of the query to the candidates, w", found.attention_sentence, "is-share");
        follow(player, () => {
          const row = weights[clamp(Math.round(player.at) - 1, 0, weights.length - 1)];
          bars(canvas, row, Math.max(0.2, ...row), { leader: largest(row) });
        });
      }
      const box = grid(place);
      // A word's colour starts at the frame that it fits least, in either clip: words differ in their level.
      const least = found.tokens.map((_, row) => Math.min(...found.clips.flatMap((clip) => clip.cosine[row])));
      const most = Math.max(1e-6, ...found.tokens.map((token, row) => (token.own ? Math.max(...found.clips.flatMap((clip) => clip.cosine[row])) - least[row] : 0)));
      for (const clip of found.clips) {
        const table = part("table", "dr-words");
        const head = part("tr");
        const pictures = clip.times.map(() => part("canvas"));
        head.append(part("th"), ...pictures.map((canvas, f) => {
          const cell = part("th");
          cell.append(canvas, part("span", "", `${clip.times[f].toFixed(1)} s`), part("span", "", percent(clip.attention[f])));
          return cell;
        }));
        table.append(head);
        found.tokens.forEach((token, row) => {
          if (!token.own) return;
          const line = part("tr");
          line.append(part("th", "", token.text), ...clip.cosine[row].map((v) => {
            const cell = part("td", "", (Math.round(100 * v) / 100 || 0).toFixed(2).replace("-", "−"));
            cell.style.setProperty("--fit", (v - least[row]) / most);
            return cell;
          }));
          table.append(line);
        });
        const figure = part("figure", "dr-drawing");
        figure.append(Object.assign(part("h3", "", clip.caption), { title: clip.caption }), part("p", "dr-note", "Words against frames (cosine); under each frame, its share of the query’s attention."), table);
        box.append(figure);
        frames(pictures, clip);
      }
    };
    const asked = Math.round(Number(opened.get("explain"))) - 1;
    const now = player.loads === 1 && data.candidates[asked] ? asked : winner;
    const pick = player.select("Candidate to explain", data.candidates.map((_, i) => i), now, (i) => data.candidates[i].caption, show);
    host.append(pick, place);
    show(Number(pick.value));
  }

  async function words(host, player) {
    const found = await told(host, player, { panel: "words" });
    if (!found) return;
    const strip = part("ol", "dr-spoken");
    strip.append(...found.words.map((word) => {
      const row = part("li");
      row.append(thumb(player.data.items[word.leader]), part("b", "", word.word), part("span", "", percent(word.share)));
      row.title = player.data.items[word.leader].caption;
      return row;
    }));
    host.append(strip);
    chart(host, found, "chart", "The final distribution after each word", player.data.open ? "Each colour is a candidate. Several may match, so a column may rise above 100 %." : "Each colour is a candidate, on the same noise.", null, player.data.items);
  }

  async function forward(host, player) {
    const found = await told(host, player, { panel: "forward" });
    if (!found) return;
    const states = rows(floats(found.x), player.data.K);
    const box = grid(host);
    const there = drawing(box, "Forward: √ᾱ x₀ + √(1−ᾱ) ε", "The assumed answer and the player’s own noise, mixed at this noise level.");
    const back = drawing(box, "Backward: the player’s xₜ", "What the denoiser made of the same noise so far.");
    const reach = Math.max(top(states), top(player.data.state));
    follow(player, () => {
      for (const [canvas, all] of [[there, states], [back, player.data.state]]) {
        const row = player.between(all);
        bars(canvas, row, reach, { signed: true, leader: player.at >= 1 ? largest(row) : -1 });
      }
    });
    chart(host, found, "map", "The forward process, read from right to left", "Every candidate at every noise level.", player);
  }

  async function familiar(host, player) {
    const found = await told(host, player, { panel: "familiar" });
    if (!found) return;
    const box = grid(host);
    const scale = (title, value, text) => {
      const node = part("figure", "dr-drawing");
      const bar = part("div", "dr-bar");
      const inner = part("i");
      inner.style.width = `${100 * value}%`;
      bar.append(inner);
      node.append(part("h3", "", title), bar, part("p", "dr-note", `${percent(value)} ${text}`));
      box.append(node);
    };
    if (found.percentile !== null) scale("p(query), as a percentile", found.percentile, "of held-out captions are as unusual or more so");
    scale("p(candidates | query)", found.share, found.what ?? "for the leading candidate");
    host.append(part("p", "dr-note", found.honest));
  }

  function save(name, text, type) {
    const link = Object.assign(document.createElement("a"), { download: name, href: URL.createObjectURL(new Blob([text], { type })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  const plain = (row) => Array.from(row, (v) => Number(v));

  function asJson(data) {
    const { query, form, seed, settings, alpha_bar, candidates, sentence } = data;
    const clips = candidates.map(({ poster, video, ...known }) => known);
    const readout = data.open ? "match" : "sharp";
    return JSON.stringify({
      query, form, seed, settings, alpha_bar, sentence, candidates: clips, readout,
      x: data.state.map(plain), x0_raw: data.prediction.slice(1).map(plain),
      share: data[readout].slice(1).map(plain), mean_over_seeds: data.mean.slice(1).map(plain),
    }, null, 1);
  }

  function asCsv(data) {
    const quote = (text) => `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`; // no formulas in spreadsheets
    const lines = ["step,candidate,name,caption,x,x0_raw,share"];
    const read = data.open ? data.match : data.sharp;
    for (let s = 0; s <= data.steps; s++) {
      data.candidates.forEach((item, i) => {
        lines.push([s, i + 1, quote(item.name), quote(item.caption), data.state[s][i], s ? data.prediction[s][i] : "", s ? read[s][i] : ""].join(","));
      });
    }
    return `${lines.join("\n")}\n`;
  }

  function exported(host, player) {
    const { data } = player;
    const row = part("div", "dr-export");
    const note = part("p", "dr-note", "All states of the noise that is played; the page works offline, from a file.");
    row.append(
      button("dr-plain", "Data as JSON", () => save("trajectory.json", asJson(data), "application/json")),
      button("dr-plain", "Data as CSV", () => save("trajectory.csv", asCsv(data), "text/csv")),
    );
    if (player.ask) {
      row.append(
        button("dr-plain", "Animation as HTML", async () => {
          const found = await player.ask({ panel: "export" });
          if (found.problem) note.textContent = found.problem;
          else save("denoising.html", found.page, "text/html");
        }),
        button("dr-plain", "Copy the link", async () => {
          await navigator.clipboard.writeText(location.href);
          note.textContent = "The link restores the query, the noise, the settings, the step and this panel.";
        }),
      );
    }
    host.append(row, note);
  }

  const PANELS = {
    drawn: ["What is drawn", drawn, false], whole: ["Whole trajectory", whole, true], noise: ["Noise", noise, true],
    compare: ["Compare", compare, true], inside: ["Inside a step", inside, true], words: ["Word by word", words, true],
    forward: ["Forward process", forward, true], familiar: ["p(query)", familiar, true], export: ["Export", exported, false],
  };

  // Asks, says that it asks, and shows the sentence of the answer; null when there is nothing to draw.
  async function told(host, player, request) {
    const line = part("p", "dr-told", "One moment …");
    line.setAttribute("role", "status");
    host.append(line);
    let found;
    try {
      found = await player.ask(request);
    } catch (error) {
      found = { problem: error.message };
    }
    if (!host.isConnected) return null;
    line.textContent = found.problem ?? found.sentence;
    line.classList.toggle("dr-problem", Boolean(found.problem));
    return found.problem ? null : found;
  }

  function folds(player) {
    const box = part("section", "dr-look");
    const body = part("div", "dr-panel");
    const names = Object.entries(PANELS).filter(([, [, , asks]]) => player.ask || !asks);
    const buttons = new Map();
    const show = (name) => {
      player.panel = name;
      player.listeners.clear();
      for (const [key, node] of buttons) node.setAttribute("aria-expanded", String(key === name));
      body.replaceChildren();
      body.hidden = !name;
      look({ panel: name });
      if (!name) return;
      const host = part("div");
      body.append(host);
      PANELS[name][1](host, player);
    };
    const row = part("div", "dr-folds");
    row.append(part("h2", "", "Look closer"));
    for (const [name, [title]] of names) {
      const node = button("dr-plain", title, () => show(player.panel === name ? null : name));
      buttons.set(name, node);
      row.append(node);
    }
    box.append(row, body);
    const wanted = player.panel === undefined ? opened.get("panel") : player.panel;
    queueMicrotask(() => show(buttons.has(wanted) ? wanted : null));
    return box;
  }

  window.DiffusionRet = { ...window.DiffusionRet, folds };
})();
