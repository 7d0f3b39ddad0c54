// How videos get into a gallery: a folder's path, or files that are dropped; and with what model, at the first time.
(() => {
  const { part, button, editGallery, sendFile } = window.DiffusionRet;

  function labelled(text, input) {
    const label = part("label", "dr-field");
    label.append(part("span", "", text), input);
    return label;
  }

  function modelChoice(state) {
    const box = part("fieldset", "dr-models");
    box.append(part("legend", "", "Which model looks at them?"));
    state.models.forEach((model, i) => {
      const label = part("label", "dr-model");
      const input = Object.assign(part("input"), {
        type: "radio",
        name: "model",
        value: model.name,
        checked: !i,
      });
      const said = part("span");
      said.append(part("b", "", model.title), part("span", "", model.says));
      label.append(input, said);
      box.append(label);
    });
    const label = part("label", "dr-model");
    const input = Object.assign(part("input"), { type: "radio", name: "model", value: "" });
    const name = Object.assign(part("input", "dr-own-model"), { type: "text", placeholder: "Name or path" });
    name.setAttribute("aria-label", "Name or path of a model");
    name.addEventListener("focus", () => {
      input.checked = true;
    });
    const said = part("span");
    said.append(part("b", "", "Another one"), part("span", "", state.own_model), name);
    label.append(input, said);
    box.append(label);
    return box;
  }

  function divisionChoice(state) {
    const box = part("fieldset", "dr-models dr-divisions");
    box.append(part("legend", "", "How are long videos divided?"));
    // A gallery that was divided in another way, on the command line, can go on so.
    const known = state.divisions.some(({ name }) => name === state.division);
    const own = {
      name: state.division,
      title: `As before: ${state.division}`,
      says: "What is there is not read again.",
    };
    for (const division of known ? state.divisions : [own, ...state.divisions]) {
      const label = part("label", "dr-model");
      const input = Object.assign(part("input"), {
        type: "radio",
        name: "spans",
        value: division.name,
        checked: division.name === state.division,
      });
      const said = part("span");
      said.append(part("b", "", division.title), part("span", "", division.says));
      label.append(input, said);
      box.append(label);
    }
    return box;
  }

  // tab: what gallery.js offers. Fills `stand` for a state.
  function addition(stand, tab, state) {
    const needsModel = (!state.made || state.fixed) && !state.model_chosen;
    const form = part("form", "dr-add-form");
    const title = state.fixed
      ? "Search your own videos"
      : state.count
        ? "Add videos"
        : "From a folder to the first search";
    form.append(part("h3", "", title));
    const path = Object.assign(part("input"), { type: "text", name: "path", value: state.videos ?? "" });
    path.placeholder = "/home/me/Videos";
    path.autocomplete = "off";
    path.spellcheck = false;
    const begin = part("button", "dr-main", "Index this folder");
    begin.type = "submit";
    const row = part("div", "dr-add-row");
    row.append(labelled("Path of a folder on this machine", path), begin);
    const drop = part("label", "dr-drop");
    const files = Object.assign(part("input"), {
      type: "file",
      multiple: true,
      accept: "video/*,.mkv,.ts,.flv,.gif",
    });
    files.setAttribute("aria-label", "Choose video files");
    drop.append(part("span", "", "or drop videos here, or choose them"), files);
    const sending = part("ul", "dr-sending");
    const trouble = part("p", "dr-problem");
    trouble.setAttribute("role", "alert");
    if (needsModel) form.append(modelChoice(state));
    form.append(divisionChoice(state));
    const watched = part("label", "dr-check");
    const watch = Object.assign(part("input"), { type: "checkbox", name: "watch" });
    watched.append(watch, " Watch this folder and index new files once they stop changing");
    form.append(row);
    if (state.made && !state.fixed) form.append(watched);
    form.append(drop, sending, trouble);
    stand.replaceChildren(form);

    function model() {
      if (!needsModel) return "";
      const chosen = form.elements.model.value || form.querySelector(".dr-own-model").value.trim();
      if (!chosen) throw new Error("Name the model, or choose one of the others.");
      return chosen;
    }

    // The gallery that takes them: this one, or a new one beside the one that comes with the app.
    async function target(name) {
      return state.fixed ? (await editGallery("make", { name })).key : state.key;
    }

    async function attempt(work) {
      trouble.textContent = "";
      begin.disabled = true;
      try {
        await work();
      } catch (error) {
        trouble.textContent = error.message;
      }
      begin.disabled = false;
    }

    form.addEventListener("submit", (event) => {
      event.preventDefault();
      attempt(async () => {
        const folder = path.value.trim();
        if (!folder) throw new Error("Give the path of a folder of videos.");
        const chosen = model();
        const name = folder.split(/[\\/]/).filter(Boolean).at(-1) ?? "My videos";
        const key = await target(name);
        const spans = form.elements.spans.value;
        if (watch.checked) await editGallery("watch", { folder, spans }, key);
        else await editGallery("index", { folder, model: chosen, spans }, key);
        tab.follow(key);
      });
    });

    function send(list) {
      if (!list.length) return;
      attempt(async () => {
        const chosen = model();
        const key = await target("My videos");
        let taken = 0;
        sending.replaceChildren();
        for (const file of list) {
          const line = part("li", "", `${file.name} `);
          const share = part("progress");
          const stop = button("dr-plain", "Stop", () => end());
          let end = () => {};
          line.append(share, stop);
          sending.append(line);
          try {
            await sendFile(
              file,
              key,
              (part_) => {
                share.value = part_;
              },
              (abort) => {
                end = abort;
              },
            );
            line.replaceChildren(`${file.name}: here`);
            taken += 1;
          } catch (error) {
            line.replaceChildren(part("span", "is-bad", error.message));
          }
        }
        if (!taken) return;
        await editGallery("index", { uploads: true, model: chosen, spans: form.elements.spans.value }, key);
        tab.follow(key);
      });
    }

    files.addEventListener("change", () => {
      send([...files.files]);
      files.value = "";
    });
    drop.addEventListener("dragover", (event) => {
      event.preventDefault();
      drop.classList.add("is-over");
    });
    drop.addEventListener("dragleave", () => drop.classList.remove("is-over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("is-over");
      send([...event.dataTransfer.files]);
    });
  }

  window.DiffusionRet = { ...window.DiffusionRet, addition };
})();
