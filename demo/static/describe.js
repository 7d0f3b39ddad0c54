// A clip in words: the captions that fit it best, asked for by a button and shown in its place.
(() => {
  const { part, ask } = window.DiffusionRet;

  // asked: {id} of a clip, or {example} of what was sent. button: gives way to the answer.
  async function describe(asked, button) {
    const box = part("div", "dr-description", "Looking for words…");
    box.setAttribute("role", "status");
    button.replaceWith(box);
    try {
      const list = part("ol");
      for (const { text, similarity } of await ask("description", asked)) {
        const line = part("li", "", text);
        line.append(part("small", "", similarity.toFixed(3)));
        list.append(line);
      }
      box.replaceChildren(part("b", "", "Captions that fit it best"), list);
    } catch (error) {
      box.replaceChildren(part("span", "dr-problem", error.message));
    }
  }

  window.DiffusionRet = { ...window.DiffusionRet, describe };
})();
