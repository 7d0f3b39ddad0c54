// The player of one trajectory: K candidates denoised from noise, drawn and animated here.
// The whole trajectory arrives once, as JSON with base64 arrays; nothing is asked of the server while it plays.
(() => {
  const { part, button, icon, iconButton, clamp, decode, folds, look, opened, percent, tour, Stage } = window.DiffusionRet;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const PACE = 10; // steps a second at speed 1
  const STEPS = [1, 2, 4, 8, 10, 20, 30, 40, 50, 100, 200, 500, 1000];
  const CANDIDATES = [2, 4, 8, 16, 32, 64, 128];

  class Player {
    // choose(changes): searches anew with another seed, steps or candidates. ask(request): see watch_look.py.
    constructor(element, choose, ask) {
      Object.assign(this, { element, choose, ask });
      this.speed = Number(opened.get("speed")) || 1;
      this.view = { readout: opened.get("readout") ?? "", signed: opened.get("signed") === "prediction" ? "prediction" : "state" };
      this.at = 0; // a fraction between two steps while playing
      this.playing = false;
      this.listeners = new Set(); // called after each drawing
      this.loads = 0;
      this.startsPlaying = false;
    }

    load(payload) {
      this.pause();
      this.listeners.clear();
      if (!payload?.candidates) {
        this.data = null;
        const message = part("p", "dr-empty", payload?.message ?? "Search for something first.");
        return this.element.replaceChildren(message);
      }
      this.data = decode(payload);
      this.at = this.loads++ ? 0 : clamp(Math.round(Number(opened.get("step"))) || 0, 0, this.data.steps);
      this.build();
      this.draw();
      this.remember();
      if (this.loads === 1 && Number(opened.get("tour"))) this.tour.start(Number(opened.get("tour")) - 1);
      if (this.startsPlaying && !still.matches) this.toggle();
      this.startsPlaying = false;
    }

    build() {
      const { data } = this;
      const verdict = part("p", "dr-verdict", `${data.sentence} `);
      verdict.append(button("dr-plain dr-tour-start", "Explain it with this query", () => this.tour.start()));
      const changed = () => {
        this.draw();
        this.remember();
      };
      this.stage = new Stage(data, this.view, changed, (i) => this.open(i));
      this.root = part("section", "dr-theatre");
      this.root.tabIndex = 0;
      this.root.setAttribute("aria-label", "Player of the denoising. Space plays and pauses, arrow keys step.");
      this.root.append(verdict, this.buildTransport(), this.stage.element);
      this.root.addEventListener("keydown", (event) => this.key(event));
      this.tour = tour(this);
      this.element.replaceChildren(this.root, folds(this));
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
        this.select("Speed", [0.25, 0.5, 1, 2, 4], this.speed, (value) => `${value} ×`, (value) => {
          this.speed = value;
          this.remember();
        }),
      );
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
      bar.append(buttons, track, this.buildSettings(), this.status);
      return bar;
    }

    buildSettings() {
      const { data } = this;
      const { settings, seed } = data;
      const node = part("div", "dr-choose");
      if (!this.choose) return node; // an exported page has no server to ask
      const again = iconButton("dice", "Another noise", () => {
        this.startsPlaying = true;
        this.choose({ seed: seed + 1 });
      });
      const number = part("input");
      Object.assign(number, { type: "number", min: 0, max: 2 ** 31 - 1, step: 1, value: seed });
      number.setAttribute("aria-label", "Noise");
      number.addEventListener("change", () => this.choose({ seed: clamp(Math.round(Number(number.value)) || 0, 0, 2 ** 31 - 1) }));
      const upTo = (list, now, most) => [...new Set([...list.filter((v) => v <= most), now])].sort((a, b) => a - b);
      const steps = upTo(STEPS, settings.steps, settings.most_steps);
      const rivals = upTo(CANDIDATES, settings.candidates, settings.most_candidates);
      const forms = data.forms ?? [];
      if (forms.length > 1) {
        const which = part("select", "dr-select");
        which.setAttribute("aria-label", "Generator");
        which.append(...forms.map((form) => Object.assign(part("option", "", form), { value: form, selected: form === data.form })));
        which.addEventListener("change", () => this.choose({ form: which.value }));
        node.append(which);
      }
      node.append(
        part("span", "", "noise"), number, again,
        this.select("Steps", steps, settings.steps, (v) => `${v} ${v === 1 ? "step" : "steps"}`, (v) => this.choose({ steps: v })),
        this.select("Candidates", rivals, settings.candidates, (v) => `${v} candidates`, (v) => this.choose({ candidates: v })),
      );
      return node;
    }

    select(label, values, now, say, act) {
      const node = part("select", "dr-select");
      node.setAttribute("aria-label", label);
      for (const value of values) {
        const option = part("option", "", say(value));
        option.value = value;
        option.selected = value === now;
        node.append(option);
      }
      node.addEventListener("change", () => act(Number(node.value)));
      return node;
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
      if (event.target.closest("select, input[type=number]")) return;
      const act = {
        " ": () => this.toggle(),
        ArrowRight: () => this.step(1),
        ArrowLeft: () => this.step(-1),
        Home: () => this.step(-Infinity),
        End: () => this.step(Infinity),
      }[event.key];
      if (!act || (event.key === " " && event.target.closest("button"))) return; // a button's own space
      event.preventDefault();
      act();
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
      this.remember();
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
      this.remember();
    }

    // What a link must hold to bring this view back.
    remember() {
      const step = Math.round(this.at);
      look({
        step: step || null,
        readout: this.view.readout === Object.keys(this.stage.readouts)[0] ? null : this.view.readout,
        signed: this.view.signed === "state" ? null : this.view.signed,
        speed: this.speed === 1 ? null : this.speed,
      });
    }

    between(rows) {
      const low = Math.floor(this.at);
      const part = still.matches ? 0 : this.at - low;
      if (!part || low >= rows.length - 1) return Array.from(rows[Math.min(low, rows.length - 1)]);
      return Array.from(rows[low], (v, i) => v + part * (rows[low + 1][i] - v));
    }

    draw() {
      const { data } = this;
      const step = Math.floor(this.at);
      this.share = this.between(data[this.view.readout]);
      this.stage.draw(step, this.share, this.between(data[this.view.signed]));
      const { leader } = this.stage;
      this.root.classList.toggle("is-noise", step === 0);
      this.root.dataset.step = step;
      this.slider.value = step;
      this.status.replaceChildren(
        part("b", "", step ? `Step ${step} of ${data.steps}` : `Pure noise, ${data.steps} ${data.steps === 1 ? "step" : "steps"} to go`),
        part("span", "is-signal", `signal √ᾱ ${data.signal[step].toFixed(2)}`),
        part("span", "", `noise √(1−ᾱ) ${data.noise[step].toFixed(2)}`),
        ...(data.seeds > 1 ? [this.dots(step)] : []),
      );
      this.slider.setAttribute(
        "aria-valuetext",
        leader < 0 ? "pure noise" : `step ${step}, leading: ${data.items[leader].caption}, ${percent(this.share[leader])}`,
      );
      for (const listener of this.listeners) listener(this);
    }

    // One dot a noise, filled once it is for what wins in the end.
    dots(step) {
      const { seeds, seed, agreeing } = this.data;
      const node = part("span", "dr-agree");
      const same = agreeing.filter((frames) => frames[step]).length;
      node.setAttribute("role", "img");
      node.setAttribute("aria-label", `${same} of ${seeds} noises are for the final winner`);
      node.title = `Noises ${seed} to ${seed + seeds - 1}: ${same} of ${seeds} are for the final winner at this step`;
      node.append(...agreeing.map((frames) => part("i", frames[step] ? "is-on" : "")), part("span", "", `${same} of ${seeds} agree`));
      return node;
    }

    open(i) {
      const item = this.data.items[i];
      if (item.none) return;
      const stand = part("div");
      const { video, poster, caption, name, moment } = item;
      Object.assign(stand.dataset, { video, poster, caption, name, moment });
      window.DiffusionRet.enlarge(stand);
    }
  }

  function mountPlayer(element, props, watch, trigger) {
    const ask = (request) => {
      const { query, seed, settings, form } = player.data;
      return window.DiffusionRet.ask("look", { query, seed, form, ...settings, ...request });
    };
    const player = new Player(element.querySelector(".dr-player"), (changes) => trigger("select", changes), ask);
    element.player = player;
    const show = () => player.load(props.value ? JSON.parse(props.value) : null);
    watch("value", show);
    show();
  }

  window.DiffusionRet = { ...window.DiffusionRet, Player, mountPlayer };
})();
