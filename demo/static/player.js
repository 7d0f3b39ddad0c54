// The player of one trajectory: K candidates denoised from noise, drawn and animated here.
// The page's answer says what was searched; the trajectory is asked for then, and arrives once, as JSON with base64
// arrays: nothing is asked of the server while it plays.
(() => {
  const { part, button, clamp, decode, percent, address, setAddress, clipChoice } = window.DiffusionRet;
  const { Stage, Transport, Spoken, choice, tour, panelFolds, enlarge, ask } = window.DiffusionRet;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const PACE = 10; // steps a second at speed 1

  class Player {
    // choose(changes): searches anew with another seed, steps or candidates. ask(request): see watch_look.py. Both are
    // left out in an exported page.
    constructor(element, choose, ask) {
      Object.assign(this, { element, choose, ask });
      this.speed = Number(address.get("speed")) || 1;
      const signed = address.get("signed") === "prediction" ? "prediction" : "state";
      this.view = { readout: address.get("readout") ?? "", signed };
      this.at = 0; // a fraction between two steps while playing
      this.playing = false;
      this.listeners = new Set(); // called after each drawing
      this.loads = 0;
      this.scene = address.get("scene") === "words" ? "words" : "steps";
      this.startsPlaying = false;
    }

    // What the page's answer says: what to ask for, or why there is nothing to watch. What was shown stays until then.
    async follow(wanted) {
      this.wanted = wanted;
      if (!wanted?.query) return this.load(wanted);
      if (!this.data) this.load({ message: "One moment …" });
      this.element.classList.add("is-waiting");
      const payload = await this.ask({ panel: "play" }).catch((error) => ({ message: error.message }));
      if (this.wanted !== wanted) return; // another search has been made meanwhile
      this.element.classList.remove("is-waiting");
      this.load(payload);
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
      const asked = this.loads++ ? null : address.get("step");
      this.at = asked ? clamp(Math.round(Number(asked)) || 0, 0, this.data.steps) : this.data.steps;
      this.build();
      this.draw();
      this.remember();
      if (this.loads === 1 && Number(address.get("tour"))) this.tour.start(Number(address.get("tour")) - 1);
      if (this.startsPlaying && !still.matches) this.toggle();
      this.startsPlaying = false;
    }

    build() {
      const { data } = this;
      const verdict = part("p", "dr-verdict", `${data.sentence} `);
      verdict.append(
        button("dr-plain dr-replay", "▶ Watch it from the noise", () => this.replay()),
        button("dr-plain dr-tour-start", "Explain it with this query", () => this.tour.start()),
      );
      const changed = () => {
        this.draw();
        this.remember();
      };
      this.stage = new Stage(data, this.view, changed, (i) => this.open(i));
      this.transport = new Transport(this);
      this.root = part("section", "dr-theatre");
      this.root.tabIndex = 0;
      this.root.setAttribute(
        "aria-label",
        "Player of the denoising. Space plays and pauses, arrow keys step.",
      );
      this.root.append(verdict);
      if (data.note) this.root.append(part("p", "dr-note dr-honest", data.note));
      this.spoken = new Spoken(this);
      if (this.ask) this.root.append(this.buildScenes());
      this.root.append(this.transport.element, this.stage.element, this.spoken.element);
      this.root.addEventListener("keydown", (event) => this.key(event));
      this.tour = tour(this);
      this.folds = panelFolds(this);
      this.element.replaceChildren(this.root, this.folds);
      this.showScene(this.ask ? this.scene : "steps");
    }

    buildScenes() {
      const names = { steps: "Step by step", words: "Word by word" };
      const node = choice("Scene", names, this.scene, (scene) => this.showScene(scene));
      node.classList.add("dr-scenes");
      return node;
    }

    // Step by step, or word by word: the same query as it is denoised, or as it is spoken.
    showScene(scene) {
      if (scene === "words") this.pause();
      this.scene = scene;
      this.root.classList.toggle("is-words", scene === "words");
      this.folds.hidden = scene === "words";
      setAddress({ scene: scene === "words" ? scene : null });
      if (scene === "words") this.spoken.show();
    }

    key(event) {
      if (this.scene === "words" || event.target.closest("select, input[type=number]")) return;
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
      this.transport.showPlaying(true);
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
      this.transport.showPlaying(false);
      this.draw();
      this.remember();
    }

    replay() {
      this.pause();
      if (this.scene === "words") return this.spoken.play();
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

    anotherNoise() {
      this.startsPlaying = true;
      this.choose({ seed: this.data.seed + 1 });
    }

    // What a link must hold to bring this view back.
    remember() {
      const step = Math.round(this.at);
      setAddress({
        step: step === this.data.steps ? null : step,
        readout: this.view.readout === Object.keys(this.stage.readouts)[0] ? null : this.view.readout,
        signed: this.view.signed === "state" ? null : this.view.signed,
        speed: this.speed === 1 ? null : this.speed,
      });
    }

    // The row that stands between two frames, where the player stands between two steps.
    between(rows) {
      const low = Math.floor(this.at);
      const fraction = still.matches ? 0 : this.at - low;
      if (!fraction || low >= rows.length - 1) return Array.from(rows[Math.min(low, rows.length - 1)]);
      return Array.from(rows[low], (v, i) => v + fraction * (rows[low + 1][i] - v));
    }

    draw() {
      const { data } = this;
      const step = Math.floor(this.at);
      this.share = this.between(data[this.view.readout]);
      this.stage.draw(step, this.share, this.between(data[this.view.signed]));
      const { leader } = this.stage;
      this.root.classList.toggle("is-noise", step === 0);
      this.root.dataset.step = step;
      const leading = leader < 0 ? "" : `${data.items[leader].caption}, ${percent(this.share[leader])}`;
      this.transport.draw(step, leading ? `step ${step}, leading: ${leading}` : "pure noise");
      for (const listener of this.listeners) listener(this);
    }

    open(i) {
      const item = this.data.items[i];
      if (item.none) return;
      const stand = part("div");
      const { video, poster, caption, name, moment, clock } = item;
      Object.assign(stand.dataset, { video, poster, caption, name, moment, clock });
      enlarge(stand);
    }
  }

  function mountPlayer(element, props, watch, trigger) {
    const inspect = (request) => {
      return ask("look", { ...player.wanted, within: clipChoice(), ...request });
    };
    const player = new Player(
      element.querySelector(".dr-player"),
      (changes) => trigger("select", changes),
      inspect,
    );
    element.player = player;
    const show = () => player.follow(props.value ? JSON.parse(props.value) : null);
    watch("value", show);
    show();
  }

  window.DiffusionRet = { ...window.DiffusionRet, Player, mountPlayer };
})();
