// A file of text, read in the browser: nothing but its name and its text leaves it.
window.DiffusionRet.mountFile = (element, trigger) => {
  const input = element.querySelector("input");
  const open = (event) => {
    if (event.key === "Enter" || event.key === " ") input.click();
  };
  element.querySelector("label").addEventListener("keydown", open);
  input.addEventListener("change", async () => {
    const [file] = input.files;
    input.value = ""; // so that the same file may be chosen again
    if (!file) return;
    let text = null;
    if (file.size <= Number(element.querySelector("label").dataset.most)) {
      try {
        text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
      } catch {
        // It is no text, which the server puts into words.
      }
    }
    trigger("select", { name: file.name, size: file.size, text });
  });
};
