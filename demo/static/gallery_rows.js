// The lists under the clips: files that cannot be searched, hidden ones, watched folders, storage; and the dialog of
// one clip.
(() => {
  const { part, button, readGallery, editGallery, count } = window.DiffusionRet;
  const GONE =
    "Removing forgets its row, poster and copy. The file itself stays, unless it was dropped here: then it is deleted.";

  function fold(name, lines) {
    const details = part("details", "dr-failures");
    const list = part("ul");
    list.append(...lines);
    details.append(part("summary", "", name), list);
    return details;
  }

  function size(bytes) {
    const units = ["bytes", "KB", "MB", "GB", "TB"];
    let [value, unit] = [bytes, 0];
    for (; value >= 1000 && unit < units.length - 1; unit += 1) value /= 1000;
    return `${unit ? value.toFixed(1) : value} ${units[unit]}`;
  }

  function storageFold() {
    const details = part("details", "dr-failures");
    const list = part("ul");
    details.append(part("summary", "", "What is kept, and where"), list);
    details.addEventListener("toggle", async () => {
      if (!details.open) return;
      try {
        const kept = await readGallery("storage");
        const lines = [part("li", "", `The gallery lies in ${kept.folder}.`)];
        for (const { name, bytes } of kept.parts) lines.push(part("li", "", `${size(bytes)}: ${name}`));
        if (kept.videos) lines.push(part("li", "", `${size(kept.videos)} of videos stay where they are.`));
        list.replaceChildren(...lines);
      } catch (error) {
        list.replaceChildren(part("li", "dr-problem", error.message));
      }
    });
    return details;
  }

  function lists(stand, tab, state) {
    const open = [...stand.querySelectorAll("details[open] > summary")].map((node) => node.textContent);
    const may = state.editable && !state.fixed;
    const parts = [];
    if (state.failed) {
      const lines = state.failures.map(({ mark, name, reason }) => {
        const line = part("li");
        line.append(part("code", "", name), ` ${reason} `);
        if (may)
          line.append(
            button("dr-plain", "Forget", () => tab.edit(() => editGallery("remove", { marks: [mark] }))),
          );
        return line;
      });
      if (state.failed > lines.length) lines.push(part("li", "", `and ${state.failed - lines.length} more`));
      const files = fold(`${count(state.failed, "file")} cannot be searched`, lines);
      parts.push(files);
    }
    if (may && state.hidden.length) {
      const lines = state.hidden.map(({ mark, name }) => {
        const line = part("li");
        line.append(part("code", "", name), " ");
        line.append(
          button("dr-plain", "Show again", () =>
            tab.edit(() => editGallery("hide", { marks: [mark], hidden: false })),
          ),
        );
        return line;
      });
      parts.push(fold(`${count(state.hidden.length, "file")} hidden`, lines));
    }
    if (may && state.watched.length) {
      const lines = state.watched.map(({ mark, name }) => {
        const line = part("li");
        line.append(part("code", "", name), " ");
        line.append(
          button("dr-plain", "Stop watching", () => tab.edit(() => editGallery("watch", { mark }))),
        );
        return line;
      });
      parts.push(fold(`${count(state.watched.length, "folder")} watched`, lines));
    }
    if (may) parts.push(storageFold());
    stand.replaceChildren(...parts);
    for (const details of stand.children)
      details.open = open.includes(details.querySelector("summary").textContent);
  }

  function field(name, text, value) {
    const label = part("label", "dr-field");
    const input = Object.assign(part(name === "caption" ? "textarea" : "input"), { name, value });
    label.append(part("span", "", text), input);
    return label;
  }

  // What may be changed of one clip.
  function changeDialog(stand, tab, { mark, title, caption }) {
    const dialog = part("dialog", "dr-dialog");
    const form = part("form");
    form.method = "dialog";
    form.append(part("h3", "", "Change this clip"), field("title", "Title", title));
    form.append(field("caption", "Caption", caption), part("p", "dr-note", GONE));
    const done = (work) => () => {
      dialog.close();
      tab.edit(work);
    };
    const marks = [mark];
    const row = part("div", "dr-row");
    const save = () => {
      const said = { marks, title: form.elements.title.value };
      said.caption = form.elements.caption.value === caption ? undefined : form.elements.caption.value;
      return editGallery("rename", said);
    };
    row.append(
      button("dr-main", "Save", done(save)),
      button(
        "dr-plain",
        "Hide",
        done(() => editGallery("hide", { marks })),
      ),
      button(
        "dr-plain is-bad",
        "Remove",
        done(() => editGallery("remove", { marks })),
      ),
      button("dr-plain", "Cancel", () => dialog.close()),
    );
    form.append(row);
    dialog.append(form);
    dialog.addEventListener("close", () => dialog.remove());
    stand.append(dialog);
    dialog.showModal();
  }

  window.DiffusionRet = { ...window.DiffusionRet, lists, changeDialog };
})();
