// A file of text, read in the browser: nothing but its name, its size and its text leaves it.
(() => {
  function mountFile(element, trigger) {
    const label = element.querySelector("label");
    const input = element.querySelector("input");
    label.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") input.click();
    });
    input.addEventListener("change", async () => {
      const [file] = input.files;
      if (!file) return;
      const { name, size } = file;
      let text = null; // of a file that is no text, or too large, which the server puts into words
      if (size <= Number(label.dataset.most)) {
        const bytes = await file.arrayBuffer();
        try {
          text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
        } catch {}
      }
      input.value = ""; // so that the same file may be chosen again
      trigger("select", { name, size, text });
    });
  }

  window.DiffusionRet = { ...window.DiffusionRet, mountFile };
})();
