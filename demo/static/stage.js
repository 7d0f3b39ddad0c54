// What the player moves: a column a candidate (share, poster, signed state), and beside them who leads.
(() => {
  const { part, button, choice, clamp, percent, largest } = window.DiffusionRet;

  const READOUTS = {
    sharp: ["sharp", "softmax(100 x̂₀), at the temperature of training"],
    published: ["as published", "softmax(x̂₀) of the clamped prediction: nearly flat over so many candidates"],
    match: ["this noise", "(x̂₀ + 1) / 2, in this one sample, which ends with yes or no"],
  };
  const meanOf = (data) => [
    `mean of ${data.seeds} noises`,
    data.open ? `(x̂₀ + 1) / 2 over ${data.seeds} noises: the probability of a match` : `the sharp readout, averaged over ${data.seeds} noises`,
  ];
  const signedOf = (data) => ({
    state: ["state xₜ", `what is denoised: noise at first, ${data.open ? "+1 at the end where a clip matches, −1 elsewhere" : "the generated distribution at the end"}`],
    prediction: ["prediction x̂₀", data.open ? "what the network expects of each clean bit, between −1 and +1" : "what the network takes the clean distribution to be, before the clamp to [−1, 1]"],
  });

  function rankChange(item) {
    if (item.none) return "none of the candidates fits";
    if (item.rank === item.base_rank) return `rank ${item.rank}, unchanged`;
    return `rank ${item.base_rank} → ${item.rank}`;
  }

  // ▲ 3 from 4, coloured; nothing where generation left a clip.
  function arrow(item, far = false) {
    const up = item.none ? 0 : item.base_rank - item.rank;
    const node = part("span", `dr-move ${up > 0 ? "is-up" : up < 0 ? "is-down" : "is-same"}`);
    node.textContent = up ? `${up > 0 ? "▲" : "▼"}\u2009${Math.abs(up)}` : "";
    if (far && !item.none) node.append(part("span", "", up ? ` from ${item.base_rank} to ${item.rank}` : `rank ${item.rank}, unchanged`));
    return node;
  }

  class Stage {
    constructor(data, view, changed, open) {
      Object.assign(this, { data, view, changed, open, pinned: null });
      this.readouts = data.open
        ? { mean: meanOf(data), match: READOUTS.match }
        : { sharp: READOUTS.sharp, published: READOUTS.published, ...(data.seeds > 1 ? { mean: meanOf(data) } : {}) };
      if (!this.readouts[view.readout]) view.readout = Object.keys(this.readouts)[0];
      const top = (rows) => Math.max(...rows.map((row) => Math.max(...row)));
      this.highest = { sharp: 1, mean: 1, match: 1, published: data.published ? top(data.published) : 1 };
      const reach = (rows) => Math.max(1, ...rows.map((row) => Math.max(...row.map(Math.abs))));
      this.reach = { state: reach(data.state), prediction: reach(data.prediction) };
      this.element = part("div", "dr-stage");
      this.element.append(this.buildPlot(), this.buildLead());
    }

    head(title, name, label, options) {
      const head = part("div", "dr-plot-head");
      const note = part("p", "dr-note", options[this.view[name]][1]);
      const names = Object.fromEntries(Object.entries(options).map(([key, [text]]) => [key, text]));
      head.append(part("h2", "", title));
      head.append(
        choice(label, names, this.view[name], (key) => {
          this.view[name] = key;
          note.textContent = options[key][1];
          this.changed();
        }),
        note,
      );
      return head;
    }

    buildPlot() {
      const { data } = this;
      const plot = part("div", "dr-plot");
      plot.style.setProperty("--k", data.columns);
      plot.classList.toggle("is-dense", data.columns > 48);
      const columns = (name) => {
        const row = part("div", `dr-bars ${name}`);
        row.setAttribute("aria-hidden", "true");
        row.append(...data.items.map(() => part("i")));
        return row;
      };
      this.upper = columns("is-share");
      this.lower = columns("is-signed");
      this.moves = part("div", "dr-moves");
      this.moves.setAttribute("aria-hidden", "true");
      this.moves.append(...data.items.map((item) => arrow(item)));
      this.posters = part("div", "dr-posters");
      this.images = data.items.map((item, i) => this.poster(item, i));
      this.top = part("p", "dr-top"); // what the upper line stands for
      this.preview = part("div", "dr-preview");
      this.preview.append(Object.assign(part("img"), { alt: "" }), part("p", "dr-preview-caption"), part("p", "dr-note"));
      this.preview.hidden = true;
      const field = part("div", "dr-field");
      const lower = this.head("State of the denoising", "signed", "What is drawn below", signedOf(data));
      field.append(this.top, this.upper, this.posters, this.moves, lower, this.lower, this.preview);
      const columnAt = (event) => {
        const box = this.upper.getBoundingClientRect();
        return clamp(Math.floor(((event.clientX - box.left) / box.width) * data.columns), 0, data.columns - 1);
      };
      field.addEventListener("pointermove", (event) => this.pin(event.target.closest(".dr-plot-head") ? null : columnAt(event)));
      field.addEventListener("pointerleave", () => this.pin(null));
      for (const bars of [this.upper, this.lower]) {
        bars.addEventListener("click", (event) => (event.detail ? this.open(columnAt(event)) : null));
      }
      this.posters.addEventListener("keydown", (event) => this.walk(event));
      this.posters.addEventListener("focusout", () => this.pin(null));
      plot.append(this.head(data.open ? "Probability of each candidate" : "Share of each candidate", "readout", "Readout", this.readouts), field);
      return plot;
    }

    poster(item, i) {
      const node = button("", "", () => this.open(i));
      node.setAttribute("aria-label", `${item.caption}. ${rankChange(item)}`);
      node.tabIndex = i ? -1 : 0; // one stop of the tab key; arrows move within
      node.addEventListener("focus", () => node.matches(":focus-visible") && this.pin(i));
      this.posters.append(node);
      if (item.none) {
        node.className = "is-none";
        node.append(part("span", "", "∅"));
        return null;
      }
      const image = part("img");
      Object.assign(image, { src: item.poster, alt: "", decoding: "async" });
      image.addEventListener("load", () => this.blend());
      node.append(image);
      return image;
    }

    buildLead() {
      const lead = part("aside", "dr-lead");
      this.canvas = part("canvas");
      this.canvas.width = this.canvas.height = 256;
      this.canvas.setAttribute("role", "img");
      this.canvas.setAttribute("aria-label", "All posters laid over each other, each as strong as its share");
      this.list = part("ol", "dr-leaders");
      this.leaders = Array.from({ length: Math.min(4, this.data.columns) }, () => {
        const row = part("li");
        const words = part("div");
        words.append(part("p", "dr-leader-caption"), part("p", "dr-leader-move"));
        row.append(part("span", "dr-thumb"), words, part("b"));
        row.addEventListener("click", () => this.open(Number(row.dataset.index)));
        return row;
      });
      this.list.append(...this.leaders);
      this.leading = part("h2");
      const mixture = part("div", "dr-mixture");
      mixture.append(this.canvas, part("p", "dr-note", "All posters over each other, each as strong as its share."));
      lead.append(mixture, this.leading, this.list);
      this.lead = lead;
      return lead;
    }

    walk(event) {
      const move = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
      if (!move) return;
      event.preventDefault();
      event.stopPropagation();
      const nodes = [...this.posters.children];
      const now = nodes.indexOf(event.target.closest("button"));
      const next = clamp(now + move, 0, nodes.length - 1);
      nodes[now].tabIndex = -1;
      nodes[next].tabIndex = 0;
      nodes[next].focus();
      this.pin(next);
    }

    // share, value: one number a column; value is null where a column has no state ("no match").
    draw(step, share, value) {
      const { data } = this;
      Object.assign(this, { step, share, value });
      this.leader = step ? largest(share) : -1;
      const top = this.highest[this.view.readout];
      const reach = this.reach[this.view.signed];
      this.top.textContent = percent(top);
      const [uppers, lowers, posters] = [this.upper.children, this.lower.children, this.posters.children];
      for (let i = 0; i < data.columns; i++) {
        uppers[i].style.transform = `scaleY(${share[i] / top})`;
        lowers[i].style.transform = `scaleY(${(value[i] ?? 0) / reach})`;
        for (const node of [uppers[i], lowers[i], posters[i]]) node.classList.toggle("is-leader", i === this.leader);
      }
      this.leading.textContent = step ? "Leading now" : "Nothing leads yet";
      this.rank();
      this.blend();
      if (this.pinned !== null) this.say();
    }

    rank() {
      const order = Array.from(this.share, (v, i) => [v, i]).sort((a, b) => b[0] - a[0] || a[1] - b[1]);
      this.leaders.forEach((row, place) => {
        const [share, i] = order[place];
        const item = this.data.items[i];
        row.lastChild.textContent = percent(share);
        row.style.setProperty("--share", share);
        row.classList.toggle("is-first", !place && this.leader >= 0);
        if (row.dataset.index === String(i)) return;
        row.dataset.index = i;
        row.querySelector(".dr-thumb").replaceChildren(...this.thumb(item));
        row.querySelector(".dr-leader-caption").textContent = item.caption;
        row.querySelector(".dr-leader-move").replaceChildren(arrow(item, true));
      });
    }

    thumb(item) {
      if (item.none) return ["∅"];
      const image = part("img");
      Object.assign(image, { src: item.poster, alt: "" });
      return [image];
    }

    // The posters' mean, weighted by share: the n-th layer covers with w_n / (w_1 + ... + w_n).
    blend() {
      if (!this.canvas || !this.share) return;
      const paper = this.canvas.getContext("2d");
      const { width, height } = this.canvas;
      let sum = 0;
      paper.clearRect(0, 0, width, height);
      this.images.forEach((image, i) => {
        const share = this.share[i] || (this.step ? 0 : 1e-2); // before any prediction all are alike
        if (share < 0.002 || !image?.complete || !image.naturalWidth) return;
        sum += share;
        paper.globalAlpha = share / sum;
        const side = Math.min(image.naturalWidth, image.naturalHeight);
        const left = (image.naturalWidth - side) / 2;
        const top = (image.naturalHeight - side) / 2;
        paper.drawImage(image, left, top, side, side, 0, 0, width, height);
      });
    }

    pin(i) {
      if (this.pinned === i) return;
      this.pinned = i;
      for (const row of [this.upper, this.lower, this.posters]) {
        [...row.children].forEach((node, j) => node.classList.toggle("is-pinned", j === i));
      }
      this.preview.hidden = i === null;
      if (i === null) return;
      const item = this.data.items[i];
      const [image, caption] = this.preview.children;
      image.hidden = !item.poster;
      if (item.poster) image.src = item.poster;
      caption.textContent = item.caption;
      const box = this.posters.children[i];
      const half = this.preview.offsetWidth / 2;
      const middle = box.offsetLeft + box.offsetWidth / 2;
      this.preview.style.left = `${clamp(middle - half, 0, Math.max(this.posters.offsetWidth - 2 * half, 0))}px`;
      this.preview.style.top = `${this.posters.offsetTop + box.offsetHeight + 10}px`;
      this.say();
    }

    say() {
      const item = this.data.items[this.pinned];
      const share = this.step ? percent(this.share[this.pinned]) : "no prediction yet";
      const value = this.value[this.pinned];
      const signed = value === undefined ? "" : ` · ${this.view.signed} ${value.toFixed(3)}`;
      this.preview.lastChild.textContent = `${share} · ${rankChange(item)}${signed}`;
    }
  }

  window.DiffusionRet = { ...window.DiffusionRet, Stage, arrow, rankChange };
})();
