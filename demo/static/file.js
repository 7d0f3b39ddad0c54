// A file of text, read in the browser: nothing but its name, its size and its text leaves it.
(() => {
  function mountFile(element, trigger) {
    const label = element.querySelector("label");
    const input = element.querySelector("input");
    label.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault(); // a space would scroll the page
      input.click();
    });
    input.addEventListener("change", async () => {
      const [file] = input.files;
      if (!file) return;
      const { name, size } = file;
      let text = null; // of a file that cannot be read, is no text, or is too large: the server says so
      if (size <= Number(label.dataset.most)) {
        try {
          text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
        } catch {}
      }
      input.value = ""; // so that the same file may be chosen again
      trigger("select", { name, size, text });
    });
  }

  window.DiffusionRet = { ...window.DiffusionRet, mountFile };
})();
