// The transport bar of the player: its buttons, the slider over the steps, the settings, and where the process stands.
(() => {
  const { part, icon, iconButton, select, clamp } = window.DiffusionRet;
  const SPEEDS = [0.25, 0.5, 1, 2, 4];
  const STEPS = [1, 2, 4, 8, 10, 20, 30, 40, 50, 100, 200, 500, 1000];
  const CANDIDATES = [2, 4, 8, 16, 32, 64, 128];
  const SVG = "http://www.w3.org/2000/svg";

  const upTo = (list, now, most) =>
    [...new Set([...list.filter((v) => v <= most), now])].sort((a, b) => a - b);

  class Transport {
    constructor(player) {
      Object.assign(this, { player, data: player.data });
      this.element = part("div", "dr-transport");
      this.status = part("p", "dr-status");
      this.element.append(this.buildButtons(), this.buildTrack(), this.buildSettings(), this.status);
    }

    buildButtons() {
      const { player } = this;
      this.playButton = iconButton("play", "Play", () => player.toggle());
      this.playButton.classList.add("is-play");
      const setSpeed = (value) => {
        player.speed = value;
        player.remember();
      };
      const buttons = part("div", "dr-buttons");
      buttons.append(
        this.playButton,
        iconButton("first", "Replay from the noise", () => player.replay()),
        iconButton("back", "Step back", () => player.step(-1)),
        iconButton("on", "Step on", () => player.step(1)),
        select("Speed", SPEEDS, player.speed, (value) => `${value} ×`, setSpeed),
      );
      return buttons;
    }

    buildTrack() {
      const track = part("div", "dr-track");
      this.slider = part("input");
      Object.assign(this.slider, { type: "range", min: 0, max: this.data.steps, step: 1, value: 0 });
      this.slider.setAttribute("aria-label", "Step");
      this.slider.addEventListener("input", () => {
        this.player.pause();
        this.player.go(Number(this.slider.value));
      });
      track.append(this.buildLevels(), this.slider);
      return track;
    }

    // Signal and noise over all steps, behind the slider: where in the process one stands.
    buildLevels() {
      const { signal, noise, steps } = this.data;
      const svg = document.createElementNS(SVG, "svg");
      svg.setAttribute("viewBox", `0 0 ${steps} 1`);
      svg.setAttribute("preserveAspectRatio", "none");
      svg.setAttribute("aria-hidden", "true");
      for (const [name, values] of Object.entries({ signal, noise })) {
        const line = document.createElementNS(SVG, "polyline");
        line.setAttribute("points", values.map((v, i) => `${i},${(1 - v).toFixed(4)}`).join(" "));
        line.setAttribute("class", `is-${name}`);
        svg.append(line);
      }
      return svg;
    }

    // What is searched anew with; nothing in an exported page, which has no server to ask.
    buildSettings() {
      const { player } = this;
      const { settings, limits, seed, forms = [] } = this.data;
      const node = part("div", "dr-choose");
      if (!player.choose) return node;
      if (forms.length > 1) node.append(this.buildForms(forms));
      const steps = upTo(STEPS, settings.steps, limits.steps);
      const candidates = upTo(CANDIDATES, settings.candidates, limits.candidates);
      const stepsOf = (v) => `${v} ${v === 1 ? "step" : "steps"}`;
      node.append(
        part("span", "", "noise"),
        this.buildSeed(seed, limits.seed),
        iconButton("dice", "Another noise", () => player.anotherNoise()),
        select("Steps", steps, settings.steps, stepsOf, (v) => player.choose({ steps: v })),
        select(
          "Candidates",
          candidates,
          settings.candidates,
          (v) => `${v} candidates`,
          (v) => player.choose({ candidates: v }),
        ),
      );
      return node;
    }

    buildForms(forms) {
      const node = part("select", "dr-select");
      node.setAttribute("aria-label", "Generator");
      const selected = this.data.form;
      node.append(
        ...forms.map((form) =>
          Object.assign(part("option", "", form), { value: form, selected: form === selected }),
        ),
      );
      node.addEventListener("change", () => this.player.choose({ form: node.value }));
      return node;
    }

    buildSeed(seed, most) {
      const node = part("input");
      Object.assign(node, { type: "number", min: 0, max: most, step: 1, value: seed });
      node.setAttribute("aria-label", "Noise");
      node.addEventListener("change", () =>
        this.player.choose({ seed: clamp(Math.round(Number(node.value)) || 0, 0, most) }),
      );
      return node;
    }

    showPlaying(playing) {
      const label = playing ? "Pause" : "Play";
      this.playButton.replaceChildren(icon(playing ? "pause" : "play"));
      this.playButton.setAttribute("aria-label", label);
      this.playButton.title = label;
    }

    // says: what stands at this step, for those who hear the slider.
    draw(step, says) {
      const { steps, signal, noise, seeds } = this.data;
      this.slider.value = step;
      this.slider.setAttribute("aria-valuetext", says);
      const start = `Pure noise, ${steps} ${steps === 1 ? "step" : "steps"} to go`;
      this.status.replaceChildren(
        part("b", "", step ? `Step ${step} of ${steps}` : start),
        part("span", "is-signal", `signal √ᾱ ${signal[step].toFixed(2)}`),
        part("span", "", `noise √(1−ᾱ) ${noise[step].toFixed(2)}`),
        ...(seeds > 1 ? [this.dots(step)] : []),
      );
    }

    // One dot a noise, filled once it is for what wins in the end.
    dots(step) {
      const { seeds, seed, agreeing, open } = this.data;
      const node = part("span", "dr-agree");
      const same = agreeing.filter((frames) => frames[step]).length;
      const says = `${same} of ${seeds} are for the final winner`;
      node.setAttribute("role", "img");
      node.setAttribute("aria-label", `${same} of ${seeds} noises are for the final winner`);
      node.title = `Noises ${seed} to ${seed + seeds - 1}: ${says} at this step`;
      node.append(
        ...agreeing.map((frames) => part("i", frames[step] ? "is-on" : "")),
        part("span", "", open ? `${same} of ${seeds} drew the leader` : `${same} of ${seeds} agree`),
      );
      return node;
    }
  }

  window.DiffusionRet = { ...window.DiffusionRet, Transport };
})();
