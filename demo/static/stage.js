// What the player moves: a column a candidate, with its share, its poster and its signed state.
(() => {
  const { part, button, choice, clamp, percent, largest } = window.DiffusionRet;
  const { arrow, rankChange, readouts, signedValues, Leaders, Tip } = window.DiffusionRet;
  const DENSE = 48; // columns, beyond which there is no room for arrows

  const HEIGHTS = [0.25, 0.5, 1]; // what the upper line may stand for, where shares are spread

  class Stage {
    // view: {readout, signed}, what is drawn. changed(): the view is another. open(i): shows a candidate larger.
    constructor(data, view, changed, open) {
      Object.assign(this, { data, view, changed, open, pinned: null });
      this.readouts = readouts(data);
      if (!this.readouts[view.readout]) view.readout = Object.keys(this.readouts)[0];
      const top = (rows) => Math.max(...rows.map((row) => Math.max(...row)));
      const mean = HEIGHTS.find((height) => height >= top(data.mean)) ?? 1;
      this.highest = { sharp: 1, mean, drawn: 1, published: data.published ? top(data.published) : 1 };
      const reach = (rows) => Math.max(1, ...rows.map((row) => Math.max(...row.map(Math.abs))));
      this.reach = { state: reach(data.state), prediction: reach(data.prediction) };
      this.element = part("div", "dr-stage");
      this.element.append(this.buildPlot());
      this.leaders = new Leaders(data, this.images, open);
      this.element.append(this.leaders.element);
    }

    buildPlot() {
      const { data } = this;
      const plot = part("div", "dr-plot");
      plot.style.setProperty("--k", data.columns);
      plot.classList.toggle("is-dense", data.columns > DENSE);
      this.upper = this.buildBars("is-share");
      this.lower = this.buildBars("is-signed");
      const moves = part("div", "dr-moves");
      moves.setAttribute("aria-hidden", "true");
      moves.append(...data.items.map((item) => arrow(item)));
      this.posters = part("div", "dr-posters");
      this.images = data.items.map((item, i) => this.buildPoster(item, i));
      this.posters.addEventListener("keydown", (event) => this.walk(event));
      this.posters.addEventListener("focusout", () => this.pin(null));
      this.top = part("p", "dr-top"); // what the upper line stands for
      this.tip = new Tip();
      const lower = this.buildHead(
        "State of the denoising",
        "signed",
        "What is drawn below",
        signedValues(data),
      );
      const field = part("div", "dr-field");
      field.append(this.top, this.upper, this.posters, moves, lower, this.lower, this.tip.element);
      this.listen(field);
      const title = data.open ? "Share of each clip, and of none" : "Share of each candidate";
      plot.append(this.buildHead(title, "readout", "Readout", this.readouts), field);
      return plot;
    }

    // A title with the choice of what is drawn, and what that means.
    buildHead(title, name, label, options) {
      const head = part("div", "dr-plot-head");
      const note = part("p", "dr-note", options[this.view[name]][1]);
      const names = Object.fromEntries(Object.entries(options).map(([key, [text]]) => [key, text]));
      const choose = (key) => {
        this.view[name] = key;
        note.textContent = options[key][1];
        this.changed();
      };
      head.append(part("h2", "", title), choice(label, names, this.view[name], choose), note);
      return head;
    }

    buildBars(name) {
      const row = part("div", `dr-bars ${name}`);
      row.setAttribute("aria-hidden", "true");
      row.append(...this.data.items.map(() => part("i")));
      return row;
    }

    buildPoster(item, i) {
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
      node.append(image);
      return image;
    }

    listen(field) {
      const columnAt = (event) => {
        const box = this.upper.getBoundingClientRect();
        const column = Math.floor(((event.clientX - box.left) / box.width) * this.data.columns);
        return clamp(column, 0, this.data.columns - 1);
      };
      field.addEventListener("pointermove", (event) =>
        this.pin(event.target.closest(".dr-plot-head") ? null : columnAt(event)),
      );
      field.addEventListener("pointerleave", () => this.pin(null));
      for (const bars of [this.upper, this.lower]) {
        bars.addEventListener("click", (event) => (event.detail ? this.open(columnAt(event)) : null));
      }
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

    // share, value: one number a column; value is undefined where a column has no state (none).
    draw(step, share, value) {
      const { columns } = this.data;
      Object.assign(this, { step, share, value });
      this.leader = step ? largest(share) : -1;
      const top = this.highest[this.view.readout];
      const reach = this.reach[this.view.signed];
      this.top.textContent = percent(top);
      const [uppers, lowers, posters] = [this.upper.children, this.lower.children, this.posters.children];
      for (let i = 0; i < columns; i++) {
        uppers[i].style.transform = `scaleY(${share[i] / top})`;
        lowers[i].style.transform = `scaleY(${(value[i] ?? 0) / reach})`;
        for (const node of [uppers[i], lowers[i], posters[i]])
          node.classList.toggle("is-leader", i === this.leader);
      }
      this.leaders.draw(step, share);
      if (this.pinned !== null) this.describe();
    }

    // Points at a column, or at none (null).
    pin(i) {
      if (this.pinned === i) return;
      this.pinned = i;
      for (const row of [this.upper, this.lower, this.posters]) {
        [...row.children].forEach((node, j) => {
          node.classList.toggle("is-pinned", j === i);
        });
      }
      if (i === null) return this.tip.hide();
      this.tip.show(this.data.items[i], this.posters.children[i]);
      this.describe();
    }

    describe() {
      const share = this.step ? percent(this.share[this.pinned]) : "no prediction yet";
      const value = this.value[this.pinned];
      const signed = value === undefined ? "" : ` · ${this.view.signed} ${value.toFixed(3)}`;
      this.tip.numbers.textContent = `${share} · ${rankChange(this.data.items[this.pinned])}${signed}`;
    }
  }

  window.DiffusionRet = { ...window.DiffusionRet, Stage };
})();
