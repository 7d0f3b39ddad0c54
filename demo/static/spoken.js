// Word by word: each word of the query gathers what the generator draws. A row is the query up to a word; in it, a clip
// is as wide as its share.
(() => {
  const { part, button, parts, rows, percent } = window.DiffusionRet;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const PAUSE = 700; // milliseconds from one word to the next
  const LEAST = 0.004; // shares below are too narrow to be seen

  class Spoken {
    constructor(player) {
      this.player = player;
      this.element = part("div", "dr-spoken");
      this.asked = null;
    }

    // Asks once, and shows all rows.
    async show() {
      if (this.asked) return this.asked;
      this.asked = this.fill();
      return this.asked;
    }

    async fill() {
      const told = part("p", "dr-told", "One moment …");
      told.setAttribute("role", "status");
      this.element.replaceChildren(told);
      try {
        const panel = await this.player.ask({ panel: "words" });
        told.textContent = panel.sentence;
        this.list = this.build(panel);
        this.element.append(
          part("p", "dr-note", panel.note),
          button("dr-plain dr-say", "▶ Say it word by word", () => this.play()),
          this.list,
        );
      } catch (error) {
        told.textContent = error.message;
        told.classList.add("dr-problem");
      }
    }

    build({ words, shares, clips, order }) {
      const { items, columns } = this.player.data;
      const all = rows(parts(shares), columns);
      const list = part("ol", "dr-said");
      list.append(
        ...words.map((_, i) => this.buildRow({ words, share: all[i], clips: clips[i], order, items, i })),
      );
      return list;
    }

    buildRow({ words, share, clips, order, items, i }) {
      const row = part("li");
      const text = part("p", "dr-said-text", i ? `${words.slice(0, i).join(" ")} ` : "");
      text.append(part("b", "", words[i]));
      const strip = part("div", "dr-shares");
      strip.setAttribute("role", "img");
      const top = order.reduce((best, column) => (share[column] > share[best] ? column : best), order[0]);
      const leading = `${items[top].caption}, ${percent(share[top])}`;
      strip.setAttribute("aria-label", `Leading: ${leading}`);
      strip.append(
        ...order
          .filter((column) => share[column] >= LEAST)
          .map((column) => this.buildPart(items[column], share[column])),
      );
      const number = part("p", "dr-said-number");
      number.append(
        part("b", "", clips === null ? "–" : clips.toFixed(1)),
        clips === null ? "no clip" : "clips",
      );
      row.append(text, strip, number, part("p", "dr-said-leader", leading));
      return row;
    }

    buildPart(item, share) {
      const node = part("span", item.none ? "is-none" : "");
      node.style.flexGrow = share;
      node.title = `${item.caption}, ${percent(share)}`;
      if (item.poster) node.append(Object.assign(part("img"), { src: item.poster, alt: "" }));
      else node.textContent = item.none && share > 0.03 ? "∅" : "";
      return node;
    }

    // One row after the other, as the query is spoken.
    async play() {
      await this.show();
      if (!this.list || still.matches) return;
      clearInterval(this.timer);
      const lines = [...this.list.children];
      let said = 0;
      const next = () => {
        said += 1;
        lines.forEach((line, i) => {
          line.classList.toggle("is-unsaid", i >= said);
        });
        if (said >= lines.length || !this.list.isConnected) clearInterval(this.timer);
      };
      next();
      this.timer = setInterval(next, PAUSE);
    }
  }

  window.DiffusionRet = { ...window.DiffusionRet, Spoken };
})();
