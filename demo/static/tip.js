// The tip under a column that is pointed at: its poster, caption and numbers.
(() => {
  const { part, clamp } = window.DiffusionRet;

  class Tip {
    constructor() {
      this.image = Object.assign(part("img"), { alt: "" });
      this.caption = part("p", "dr-preview-caption");
      this.numbers = part("p", "dr-note");
      this.element = part("div", "dr-preview");
      this.element.append(this.image, this.caption, this.numbers);
      this.element.hidden = true;
    }

    // Shows a column below its poster, within the row.
    show(item, poster) {
      this.element.hidden = false;
      this.image.hidden = !item.poster;
      if (item.poster) this.image.src = item.poster;
      this.caption.textContent = item.caption;
      const row = poster.parentElement;
      const half = this.element.offsetWidth / 2;
      const middle = poster.offsetLeft + poster.offsetWidth / 2;
      this.element.style.left = `${clamp(middle - half, 0, Math.max(row.offsetWidth - 2 * half, 0))}px`;
      this.element.style.top = `${row.offsetTop + poster.offsetHeight + 10}px`;
    }

    hide() {
      this.element.hidden = true;
    }
  }

  window.DiffusionRet = { ...window.DiffusionRet, Tip };
})();
