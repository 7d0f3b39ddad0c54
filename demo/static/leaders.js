// Beside the columns: who leads at this step, and all posters over each other, each as strong as its share.
(() => {
  const { part, thumb, arrow, percent } = window.DiffusionRet;
  const MOST = 4; // leaders in the list
  const SIDE = 256; // pixels of the mixture

  class Leaders {
    // images: a candidate's poster, null where it has none. open(i): shows a candidate larger.
    constructor(data, images, open) {
      Object.assign(this, { data, images });
      this.canvas = part("canvas");
      this.canvas.width = this.canvas.height = SIDE;
      this.canvas.setAttribute("role", "img");
      this.canvas.setAttribute("aria-label", "All posters laid over each other, each as strong as its share");
      const mixture = part("div", "dr-mixture");
      mixture.append(
        this.canvas,
        part("p", "dr-note", "All posters over each other, each as strong as its share."),
      );
      this.heading = part("h2");
      this.rows = Array.from({ length: Math.min(MOST, data.columns) }, () => this.buildRow(open));
      const list = part("ol", "dr-leaders");
      list.append(...this.rows);
      this.element = part("aside", "dr-lead");
      this.element.append(mixture, this.heading, list);
      for (const image of images) image?.addEventListener("load", () => this.blend());
    }

    buildRow(open) {
      const row = part("li");
      const words = part("div");
      words.append(part("p", "dr-leader-caption"), part("p", "dr-leader-move"));
      row.append(part("span", "dr-thumb"), words, part("b"));
      row.addEventListener("click", () => open(Number(row.dataset.index)));
      return row;
    }

    // share: one number a column.
    draw(step, share) {
      Object.assign(this, { step, share });
      this.heading.textContent = step ? "Leading now" : "Nothing leads yet";
      this.rank();
      this.blend();
    }

    rank() {
      const order = Array.from(this.share, (v, i) => [v, i]).sort((a, b) => b[0] - a[0] || a[1] - b[1]);
      this.rows.forEach((row, place) => {
        const [share, i] = order[place];
        const item = this.data.items[i];
        row.lastChild.textContent = this.step || share ? percent(share) : ""; // no prediction, no number
        row.style.setProperty("--share", share);
        row.classList.toggle("is-first", !place && this.step > 0);
        if (row.dataset.index === String(i)) return;
        row.dataset.index = i;
        row.querySelector(".dr-thumb").replaceWith(thumb(item));
        row.querySelector(".dr-leader-caption").textContent = item.caption;
        row.querySelector(".dr-leader-move").replaceChildren(arrow(item, true));
      });
    }

    // The posters' mean, weighted by share: the n-th layer covers with w_n / (w_1 + ... + w_n).
    blend() {
      if (!this.share) return;
      const paper = this.canvas.getContext("2d");
      let sum = 0;
      paper.clearRect(0, 0, SIDE, SIDE);
      this.images.forEach((image, i) => {
        const share = this.share[i] || (this.step ? 0 : 1e-2); // before any prediction all are alike
        if (share < 0.002 || !image?.complete || !image.naturalWidth) return;
        sum += share;
        paper.globalAlpha = share / sum;
        const side = Math.min(image.naturalWidth, image.naturalHeight);
        const left = (image.naturalWidth - side) / 2;
        const top = (image.naturalHeight - side) / 2;
        paper.drawImage(image, left, top, side, side, 0, 0, SIDE, SIDE);
      });
    }
  }

  window.DiffusionRet = { ...window.DiffusionRet, Leaders };
})();
