// The Gallery tab: which gallery, what is added to it, its clips by a filter, and searches within what the filter leaves.
(() => {
  const { part, button, address, clipChoice, setClips, searchAgain } = window.DiffusionRet;
  const { readGallery, addition, jobPanel, lists, changeDialog, count } = window.DiffusionRet;
  const PAGE = 60; // clips that one page adds; posters load as they come into view
  const OFTEN = 700; // milliseconds between two looks at what runs
  const SELDOM = 15000; // and where nothing does

  class Tab {
    constructor(element) {
      this.element = element;
      this.form = this.find(".dr-filter");
      this.shown = PAGE;
      this.state = null;
      this.wasRunning = false;
      this.asked = 0; // numbers the questions for clips: the last one is shown
      this.ids = "";
      this.restore();
      this.form.addEventListener("submit", (event) => event.preventDefault());
      this.form.addEventListener("input", () => this.filter());
      this.find(".dr-clear").addEventListener("click", () => this.clear());
      this.find(".dr-within").addEventListener("click", () => this.within());
      this.find("#more").addEventListener("click", () => {
        this.shown += PAGE;
        this.clips();
      });
      element.addEventListener("click", (event) => this.click(event));
      document.addEventListener("dr-region", ({ detail }) => this.choose(detail));
      this.look();
      this.clips();
    }

    find(selector) {
      return this.element.querySelector(selector);
    }

    // --- what is shown --------------------------------------------------------------------------------

    async look() {
      clearTimeout(this.waiting);
      try {
        this.show(await readGallery("state"));
      } catch (error) {
        this.trouble(error);
      }
      clearTimeout(this.waiting);
      const running = this.state?.job.running;
      this.waiting = setTimeout(() => this.look(), running && !document.hidden ? OFTEN : SELDOM);
    }

    show(state) {
      const before = this.state;
      this.state = state;
      this.trouble();
      const changed = JSON.stringify({ ...before, job: 0 }) !== JSON.stringify({ ...state, job: 0 });
      if (changed) {
        this.head(state);
        this.folders(state);
        lists(this.find(".dr-troubles"), this, state);
      }
      if (state.editable) jobPanel(this.find(".dr-job"), this, state);
      if (before && before.version !== state.version) {
        document.querySelector(".dr-which").textContent = state.headline;
        this.clips();
      }
      const add = this.find(".dr-add");
      const isNew = !before || before.made !== state.made || before.count !== state.count;
      if (state.editable && (isNew || !add.firstChild)) {
        const open = !add.hidden || !state.count;
        if (!add.contains(document.activeElement) || !before) addition(add, this, state);
        add.hidden = !open || state.job.running;
      }
      if (before && !before.count && state.count) add.hidden = true;
      this.form.hidden = !state.count;
    }

    head(state) {
      const parts = [];
      if (state.galleries.length > 1) {
        const label = part("label", "dr-switch");
        const select = part("select");
        for (const { key, name } of state.galleries) {
          select.append(Object.assign(part("option", "", name), { value: key, selected: key === state.key }));
        }
        select.addEventListener("change", () => this.open(select.value));
        label.append(part("span", "", "Gallery"), select);
        parts.push(label);
      }
      const model = state.model ? `, indexed with ${state.model}` : "";
      const spans = state.spans > state.count ? ` in ${count(state.spans, "span")}` : "";
      const said = state.count ? `${count(state.count, "clip")}${spans}${model}` : "This gallery is empty.";
      parts.push(part("p", "dr-told", said));
      if (state.editable) {
        const add = this.find(".dr-add");
        const text = state.fixed ? "Search your own videos" : "Add videos";
        parts.push(
          button("dr-main dr-open-add", text, () => {
            add.hidden = !add.hidden;
            if (!add.hidden) add.querySelector("input[name=path]")?.focus();
          }),
        );
      } else if (!state.count) parts.push(part("p", "dr-note", state.refusal));
      this.find(".dr-gallery-head").replaceChildren(...parts);
    }

    folders(state) {
      const select = this.form.elements.folder;
      const chosen = select.value || clipChoice().folder || "";
      const options = state.folders.map(({ name, count: clips }) => {
        const text = `${name === "." ? "not in a folder below" : name} (${clips})`;
        return Object.assign(part("option", "", text), { value: name });
      });
      select.replaceChildren(select.firstElementChild, ...options);
      select.value = options.some((option) => option.value === chosen) ? chosen : "";
      select.hidden = !options.length;
    }

    trouble(error = null) {
      const old = this.find(".dr-gallery > .dr-problem");
      if (!error) return old?.remove();
      const line = old ?? part("p", "dr-problem");
      line.setAttribute("role", "alert");
      line.textContent = error.message;
      this.find(".dr-gallery-head").after(line);
    }

    // --- the filter -----------------------------------------------------------------------------------

    restore() {
      const wanted = clipChoice();
      for (const [key, value] of Object.entries(wanted)) {
        if (this.form.elements[key]) this.form.elements[key].value = value;
      }
      this.ids = wanted.ids ?? "";
    }

    wanted() {
      const { words, folder, shortest, longest, since, until } = this.form.elements;
      const said = { words, folder, shortest, longest, since, until };
      const parts = Object.entries(said).map(([key, input]) => [key, input.value.trim()]);
      return Object.fromEntries([...parts, ["ids", this.ids]].filter(([, value]) => value));
    }

    filter() {
      this.shown = PAGE;
      this.clips();
    }

    choose(ids) {
      this.ids = ids.slice(0, 200).join("\n");
      this.filter();
      this.find("#clips").scrollIntoView({ block: "nearest" });
    }

    clear() {
      this.form.reset();
      this.ids = "";
      this.filter();
    }

    async clips() {
      this.asked += 1;
      const number = this.asked;
      const wanted = this.wanted();
      const some = Object.keys(wanted).length > 0;
      // A group that was opened shows what is in it.
      const grouped = this.form.elements.grouped.checked && !this.ids ? "1" : "0";
      try {
        const page = await readGallery("clips", { ...wanted, shown: this.shown, grouped });
        if (number !== this.asked) return;
        this.find("#clips").innerHTML = page.html;
        this.find("#more").hidden = !page.more;
        this.find(".dr-clear").hidden = !some;
        this.find(".dr-within").hidden = !some || !page.count;
      } catch (error) {
        if (number === this.asked) this.trouble(error);
      }
    }

    within() {
      setClips(this.wanted());
      this.toSearch();
      searchAgain();
    }

    toSearch() {
      [...document.querySelectorAll('#tabs [role="tab"]')]
        .find((tab) => tab.textContent.trim() === "Search")
        ?.click();
      scrollTo(0, 0);
    }

    // --- what an editor does --------------------------------------------------------------------------

    // The first search of a gallery that has grown: the page opens anew, because its settings depend on its size.
    search() {
      location.assign(`?gallery=${encodeURIComponent(this.state.key)}`);
    }

    open(key) {
      location.assign(`?gallery=${encodeURIComponent(key)}&tab=gallery`);
    }

    // A run began, in this gallery or in another one.
    follow(key) {
      if (this.state.key !== key) return this.open(key);
      this.find(".dr-add").hidden = true;
      this.look();
    }

    async edit(work) {
      try {
        await work();
        await this.look();
      } catch (error) {
        this.trouble(error);
      }
    }

    click(event) {
      const alike = event.target.closest(".dr-alike");
      if (alike) return this.choose(alike.dataset.ids.split("\n"));
      const change = event.target.closest(".dr-change");
      if (change) changeDialog(this.element, this, change.dataset);
    }
  }

  function mountGallery(element) {
    element.gallery = new Tab(element);
  }

  if (address.get("gallery") === "") address.delete("gallery");
  window.DiffusionRet = { ...window.DiffusionRet, mountGallery };
})();
