// Asking by a picture or clip: chosen, dropped on the query box, or pasted. It goes to the server once and is forgotten.
(() => {
  const { address, mountRecent } = window.DiffusionRet;
  let forget = () => {};

  async function send(file) {
    const query = new URLSearchParams({ name: file.name, gallery: address.get("gallery") ?? "" });
    const answer = await fetch(`ask/example?${query}`, { method: "POST", body: file }).catch(() => null);
    if (!answer) throw new Error("The app does not answer: is it still running?");
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(said.problem ?? `The app refused this (${answer.status}).`);
    return said;
  }

  function forgetExample() {
    forget();
  }

  const isMeant = ({ type, name }) => /^(image|video)\//.test(type) || /\.(mkv|ts|flv)$/i.test(name);

  function mountExample(element, trigger) {
    const label = element.querySelector("label");
    const input = element.querySelector("input");
    const said = element.querySelector(".dr-example-said");
    mountRecent(element.querySelector(".dr-recent"));
    let turn = 0;
    let waits = false;

    function say(text, problem = false) {
      said.textContent = text;
      said.classList.toggle("is-problem", problem);
    }

    function show(file) {
      say("");
      if (file.type.startsWith("image/")) {
        const still = Object.assign(document.createElement("img"), { alt: "" });
        still.src = URL.createObjectURL(file);
        still.addEventListener("load", () => URL.revokeObjectURL(still.src));
        said.append(still);
      }
      said.append(file.name);
    }

    async function ask(file) {
      turn += 1;
      const mine = turn;
      const most = Number(label.dataset.most);
      if (file.size > most) return say(`Search with a picture or clip of at most ${most / 1e6} MB.`, true);
      say("Looking at it…");
      waits = true;
      try {
        const { example } = await send(file);
        if (mine !== turn) return;
        waits = false;
        show(file);
        trigger("select", { example });
      } catch (error) {
        if (mine !== turn) return;
        waits = false;
        say(error.message, true);
      }
    }

    forget = () => {
      if (!waits) say(""); // an earlier search is answered while a picture is looked at
    };
    label.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault(); // a space would scroll the page
      input.click();
    });
    input.addEventListener("change", () => {
      const [file] = input.files;
      if (file) ask(file);
      input.value = ""; // so that the same file may be chosen again
    });

    // On the document: the query box may not be there yet.
    const isHere = (event) => event.target.closest?.("#query, #example");
    const mark = (is) => document.querySelector("#query")?.classList.toggle("is-over", Boolean(is));
    document.addEventListener("dragover", (event) => {
      const over = isHere(event) && [...event.dataTransfer.types].includes("Files");
      mark(over);
      if (over) event.preventDefault();
    });
    document.addEventListener("dragleave", () => mark(false));
    document.addEventListener("drop", (event) => {
      mark(false);
      const [file] = event.dataTransfer.files;
      if (!file || !isHere(event)) return;
      event.preventDefault();
      ask(file);
    });
    document.addEventListener("paste", (event) => {
      const content = event.clipboardData;
      const file = [...(content?.files ?? [])].find(isMeant);
      if (!file || content.types.includes("text/plain")) return; // programs add pictures of copied text
      event.preventDefault();
      ask(file);
    });
  }

  window.DiffusionRet = { ...window.DiffusionRet, mountExample, forgetExample };
})();
