// Saving: a clip cut out by the server, said in words where that fails, and the cut lists of one result.
(() => {
  const { part } = window.DiffusionRet;

  function offer(href, name) {
    const link = Object.assign(document.createElement("a"), { href, download: name });
    link.click();
  }

  async function save(link) {
    if (link.getAttribute("aria-busy") === "true") return;
    const label = link.dataset.label ?? link.textContent;
    link.dataset.label = label;
    link.setAttribute("aria-busy", "true");
    link.textContent = "Cutting…";
    let said = label;
    try {
      const answer = await fetch(link.href);
      if (!answer.ok) throw new Error(await answer.text());
      const disposition = answer.headers.get("Content-Disposition") ?? "";
      const name = decodeURIComponent(disposition.split("''")[1] ?? "clip.mp4");
      const address = URL.createObjectURL(await answer.blob());
      offer(address, name);
      setTimeout(() => URL.revokeObjectURL(address), 60000);
    } catch (error) {
      said = error instanceof TypeError ? "The server cannot be reached." : error.message;
    }
    link.removeAttribute("aria-busy");
    link.textContent = said;
    link.setAttribute("role", said === label ? "link" : "alert");
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.(".dr-save");
    if (!link) return;
    event.preventDefault();
    save(link);
  });

  // Links that hold the lists of a card, by kind; nothing for a card without any.
  function listLinks(card) {
    const lists = card.dataset.lists ? JSON.parse(card.dataset.lists) : {};
    const row = part("p", "dr-lists", Object.keys(lists).length ? "Save as a list: " : "");
    for (const [kind, text] of Object.entries(lists)) {
      const link = part("a", "dr-plain", kind.toUpperCase());
      link.download = `${card.dataset.name}.${kind}`;
      link.href = `data:text/plain;charset=utf-8,${encodeURIComponent(text)}`;
      row.append(link);
    }
    return row;
  }

  window.DiffusionRet = { ...window.DiffusionRet, listLinks };
})();
