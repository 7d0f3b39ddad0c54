// The player of one trajectory: K candidates denoised from noise, drawn and animated here.
// The whole trajectory arrives once, as JSON with base64 float32 arrays; nothing is asked of the server after.
(() => {
  const { part, button, icon, iconButton, choice, clamp, decode, percent } = window.DiffusionRet;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const PACE = 10; // steps a second at speed 1

  const READOUTS = {
    sharp: "softmax(100 x̂₀), the prediction read at the temperature of training",
    published: "softmax(x̂₀) of the clamped prediction: nearly flat over so many candidates",
  };
  const SIGNED = {
    state: "what is being denoised: noise at first, the generated distribution at the end",
    prediction: "what the network takes the clean distribution to be, before the clamp to [−1, 1]",
  };

  function rankChange(item) {
    if (item.rank === item.base_rank) return `rank ${item.rank}, unchanged`;
    return `rank ${item.base_rank} → ${item.rank}`;
  }

  class Player {
    constructor(element) {
      this.element = element;
      this.speed = 1;
      this.readout = "sharp";
      this.signed = "state";
      this.at = 0; // a fraction between two steps while playing
      this.playing = false;
      this.pinned = null;
    }

    load(payload) {
      this.pause();
      if (!payload || !payload.candidates) {
        this.data = null;
        const message = part("p", "dr-empty", payload?.message ?? "Search for something first.");
        return this.element.replaceChildren(message);
      }
      this.data = decode(payload);
      this.at = 0;
      this.pinned = null;
      const reach = (rows) => Math.max(1, ...rows.map((row) => Math.max(...row.map(Math.abs))));
      this.reach = { state: reach(this.data.state), prediction: reach(this.data.prediction) };
      this.highest = { sharp: 1, published: Math.max(...this.data.published.map((row) => Math.max(...row))) };
      this.build();
      this.draw();
    }

    build() {
      const { data } = this;
      const head = part("p", "dr-verdict", data.sentence);
      const stage = part("div", "dr-stage");
      stage.append(this.buildPlot(), this.buildLead());
      this.root = part("section", "dr-theatre");
      this.root.tabIndex = 0;
      this.root.setAttribute("aria-label", "Player of the denoising. Space plays and pauses, arrow keys step.");
      this.root.append(head, this.buildTransport(), stage);
      this.root.addEventListener("keydown", (event) => this.key(event));
      this.element.replaceChildren(this.root);
    }

    buildPlot() {
      const { data } = this;
      const plot = part("div", "dr-plot");
      plot.style.setProperty("--k", data.K);
      const note = (text) => part("p", "dr-note", text);
      const readoutNote = note(READOUTS[this.readout]);
      const signedNote = note(SIGNED[this.signed]);
      const upper = part("div", "dr-plot-head");
      upper.append(
        part("h3", "", "Share of each candidate"),
        choice("Readout", { sharp: "sharp", published: "as published" }, this.readout, (key) => {
          this.readout = key;
          readoutNote.textContent = READOUTS[key];
          this.draw();
        }),
      );
      const lower = part("div", "dr-plot-head");
      lower.append(
        part("h3", "", "State of the denoising"),
        choice("What is drawn below", { state: "state xₜ", prediction: "prediction x̂₀" }, this.signed, (key) => {
          this.signed = key;
          signedNote.textContent = SIGNED[key];
          this.draw();
        }),
      );
      const columns = (name) => {
        const row = part("div", `dr-bars ${name}`);
        row.setAttribute("aria-hidden", "true");
        row.append(...data.candidates.map(() => part("i", "")));
        return row;
      };
      this.upper = columns("is-share");
      this.lower = columns("is-signed");
      this.posters = part("div", "dr-posters");
      data.candidates.forEach((item, i) => {
        const node = button("", "", () => this.open(i));
        node.setAttribute("aria-label", `${item.caption}. ${rankChange(item)}`);
        node.tabIndex = i ? -1 : 0; // one stop of the tab key; arrows move within
        const image = part("img");
        Object.assign(image, { src: item.poster, alt: "", decoding: "async" });
        image.addEventListener("load", () => this.blend());
        node.append(image);
        node.addEventListener("focus", () => this.pin(i));
        this.posters.append(node);
      });
      const columnAt = (event) => {
        const box = this.upper.getBoundingClientRect();
        return clamp(Math.floor(((event.clientX - box.left) / box.width) * data.K), 0, data.K - 1);
      };
      this.top = part("p", "dr-top"); // what the upper line stands for
      const field = part("div", "dr-field");
      field.append(this.top, this.upper, this.posters, lower, this.lower);
      field.addEventListener("pointermove", (event) => this.pin(columnAt(event)));
      field.addEventListener("pointerleave", () => this.pin(null));
      for (const bars of [this.upper, this.lower]) {
        bars.addEventListener("click", (event) => (event.detail ? this.open(columnAt(event)) : null));
      }
      this.posters.addEventListener("keydown", (event) => this.walk(event));
      this.said = part("p", "dr-said");
      upper.append(readoutNote);
      lower.append(signedNote);
      plot.append(upper, field, this.said);
      return plot;
    }

    buildLead() {
      const lead = part("aside", "dr-lead");
      this.canvas = part("canvas");
      this.canvas.width = this.canvas.height = 256;
      this.canvas.setAttribute("role", "img");
      this.canvas.setAttribute("aria-label", "All posters laid over each other, each as strong as its share");
      const text = part("p", "dr-note", "All posters over each other, each as strong as its share.");
      this.list = part("ol", "dr-leaders");
      const count = Math.min(5, this.data.K);
      this.leaders = Array.from({ length: count }, () => {
        const row = part("li");
        const image = part("img");
        image.alt = "";
        const words = part("div");
        words.append(part("p", "dr-leader-caption"), part("p", "dr-note"));
        row.append(image, words, part("b"));
        row.addEventListener("click", () => this.open(Number(row.dataset.index)));
        return row;
      });
      this.list.append(...this.leaders);
      this.leading = part("h3");
      lead.append(this.canvas, text, this.leading, this.list);
      return lead;
    }

    buildTransport() {
      const { data } = this;
      const bar = part("div", "dr-transport");
      this.playButton = iconButton("play", "Play", () => this.toggle());
      this.playButton.classList.add("is-play");
      const buttons = part("div", "dr-buttons");
      buttons.append(
        this.playButton,
        iconButton("first", "Replay from the noise", () => this.replay()),
        iconButton("back", "Step back", () => this.step(-1)),
        iconButton("on", "Step on", () => this.step(1)),
      );
      const speed = part("select", "dr-speed");
      speed.setAttribute("aria-label", "Speed");
      for (const value of [0.25, 0.5, 1, 2, 4]) {
        const option = part("option", "", `${value} ×`);
        option.value = value;
        option.selected = value === this.speed;
        speed.append(option);
      }
      speed.addEventListener("change", () => (this.speed = Number(speed.value)));
      buttons.append(speed);
      const track = part("div", "dr-track");
      this.slider = part("input");
      Object.assign(this.slider, { type: "range", min: 0, max: data.steps, step: 1, value: 0 });
      this.slider.setAttribute("aria-label", "Step");
      this.slider.addEventListener("input", () => {
        this.pause();
        this.go(Number(this.slider.value));
      });
      track.append(this.levels(), this.slider);
      this.status = part("p", "dr-status");
      bar.append(buttons, track, this.status);
      return bar;
    }

    // Signal and noise over all steps, behind the slider: where in the process one stands.
    levels() {
      const { signal, noise, steps } = this.data;
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("viewBox", `0 0 ${steps} 1`);
      svg.setAttribute("preserveAspectRatio", "none");
      svg.setAttribute("aria-hidden", "true");
      for (const [name, values] of Object.entries({ signal, noise })) {
        const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
        line.setAttribute("points", values.map((v, i) => `${i},${(1 - v).toFixed(4)}`).join(" "));
        line.setAttribute("class", `is-${name}`);
        svg.append(line);
      }
      return svg;
    }

    key(event) {
      if (event.target.closest("select")) return;
      const act = { " ": () => this.toggle(), ArrowRight: () => this.step(1), ArrowLeft: () => this.step(-1) }[event.key];
      if (!act || (event.key === " " && event.target.closest("button"))) return; // a button's own space
      event.preventDefault();
      act();
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
    }

    toggle() {
      if (this.playing) return this.pause();
      if (this.at >= this.data.steps) this.at = 0;
      this.playing = true;
      this.showPlaying();
      let before = null; // the clock of frames runs behind performance.now(): start with the first frame
      const frame = (now) => {
        if (!this.playing) return;
        this.at = Math.min(this.at + ((now - (before ?? now)) / 1000) * PACE * this.speed, this.data.steps);
        before = now;
        this.draw();
        if (this.at >= this.data.steps) this.pause();
        else requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
    }

    pause() {
      if (!this.playing) return;
      this.playing = false;
      this.at = Math.round(this.at); // a pause always shows a true step, nothing in between
      this.showPlaying();
      this.draw();
    }

    showPlaying() {
      const label = this.playing ? "Pause" : "Play";
      this.playButton.replaceChildren(icon(this.playing ? "pause" : "play"));
      this.playButton.setAttribute("aria-label", label);
      this.playButton.title = label;
    }

    replay() {
      this.pause();
      this.at = 0;
      this.toggle();
    }

    step(by) {
      this.pause();
      this.go(Math.round(this.at) + by);
    }

    go(step) {
      this.at = clamp(step, 0, this.data.steps);
      this.draw();
    }

    between(rows) {
      const low = Math.floor(this.at);
      const part = still.matches ? 0 : this.at - low;
      if (!part || low >= this.data.steps) return Array.from(rows[low]);
      return Array.from(rows[low], (v, i) => v + part * (rows[low + 1][i] - v));
    }

    draw() {
      const { data } = this;
      const step = Math.floor(this.at);
      this.share = this.between(data[this.readout]);
      this.value = this.between(data[this.signed]);
      const leader = step ? this.share.indexOf(Math.max(...this.share)) : -1;
      const top = this.highest[this.readout];
      this.top.textContent = percent(top);
      const reach = this.reach[this.signed];
      const uppers = this.upper.children;
      const lowers = this.lower.children;
      const posters = this.posters.children;
      for (let i = 0; i < data.K; i++) {
        uppers[i].style.transform = `scaleY(${this.share[i] / top})`;
        lowers[i].style.transform = `scaleY(${this.value[i] / reach})`;
        for (const node of [uppers[i], lowers[i], posters[i]]) node.classList.toggle("is-leader", i === leader);
      }
      this.root.classList.toggle("is-noise", step === 0);
      this.root.dataset.step = step;
      this.slider.value = step;
      this.status.replaceChildren(
        step ? `Step ${step} of ${data.steps}` : `Pure noise, ${data.steps} steps to go`,
        part("span", "is-signal", `signal √ᾱ ${data.signal[step].toFixed(2)}`),
        part("span", "", `noise √(1−ᾱ) ${data.noise[step].toFixed(2)}`),
      );
      this.slider.setAttribute(
        "aria-valuetext",
        leader < 0 ? "pure noise" : `step ${step}, leading: ${data.candidates[leader].caption}, ${percent(this.share[leader])}`,
      );
      this.leading.textContent = step ? "Leading now" : "Nothing leads yet";
      this.rank();
      this.blend();
      this.say();
    }

    rank() {
      const order = this.share.map((v, i) => [v, i]).sort((a, b) => b[0] - a[0] || a[1] - b[1]);
      this.leaders.forEach((row, place) => {
        const [share, i] = order[place];
        const item = this.data.candidates[i];
        row.lastChild.textContent = percent(share);
        row.style.setProperty("--share", share);
        if (row.dataset.index === String(i)) return;
        row.dataset.index = i;
        row.querySelector("img").src = item.poster;
        row.querySelector(".dr-leader-caption").textContent = item.caption;
        row.querySelector(".dr-note").textContent = rankChange(item);
      });
    }

    // The posters' mean, weighted by share: the n-th layer covers with w_n / (w_1 + ... + w_n).
    blend() {
      if (!this.canvas || !this.share) return;
      const paper = this.canvas.getContext("2d");
      const { width, height } = this.canvas;
      let sum = 0;
      this.share.forEach((share, i) => {
        const image = this.posters.children[i].firstChild;
        if (share < 0.002 || !image.complete || !image.naturalWidth) return;
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
      this.say();
    }

    say() {
      const { data, pinned } = this;
      if (pinned === null) {
        this.said.textContent = "Columns stand in the order of similarity. Point at one to read it, click to open it.";
        return;
      }
      const item = data.candidates[pinned];
      const share = Math.floor(this.at) ? `share ${percent(this.share[pinned])}` : "no prediction yet";
      this.said.textContent = `${item.caption} · ${share} · ${rankChange(item)} · ${this.signed} ${this.value[pinned].toFixed(3)}`;
    }

    open(i) {
      const stand = part("div");
      const { video, poster, caption, name, moment } = this.data.candidates[i];
      Object.assign(stand.dataset, { video, poster, caption, name, moment });
      window.DiffusionRet.enlarge(stand);
    }
  }

  // The first Gradio tab that holds a player mounts it; later results reach it through `watch`.
  window.DiffusionRet.mountPlayer = (element, props, watch) => {
    const player = new Player(element.querySelector(".dr-player"));
    element.player = player;
    const show = () => player.load(props.value ? JSON.parse(props.value) : null);
    watch("value", show);
    show();
  };
})();
