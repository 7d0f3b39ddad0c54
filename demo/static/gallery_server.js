// What the Gallery tab asks of the server: demo/gallery_routes.py. A refusal is an Error with a sentence.
(() => {
  const { address } = window.DiffusionRet;
  const LOST = "The app does not answer: is it still running?";

  function location_(name, query, key) {
    const parts = new URLSearchParams({ gallery: key ?? address.get("gallery") ?? "", ...query });
    return `gallery/${name}?${parts}`;
  }

  async function content(answer) {
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(said.problem ?? `The app refused this (${answer.status}).`);
    return said;
  }

  // key: of a gallery; the page's own without it.
  async function readGallery(name, query = {}, key = undefined) {
    const answer = await fetch(location_(name, query, key)).catch(() => null);
    if (!answer) throw new Error(LOST);
    return content(answer);
  }

  async function editGallery(name, said = {}, key = undefined) {
    const options = { method: "POST", body: JSON.stringify(said) };
    options.headers = { "Content-Type": "application/json" };
    const answer = await fetch(location_(name, {}, key), options).catch(() => null);
    if (!answer) throw new Error(LOST);
    return content(answer);
  }

  // One file; moved(share) is called as it travels. abort(stop) takes a function that ends it.
  function sendFile(file, key, moved, abort) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", location_("upload", { name: file.name }, key));
      request.upload.onprogress = (event) => moved(event.total ? event.loaded / event.total : 0);
      request.onerror = () => reject(new Error(`${file.name} could not be sent.`));
      request.onabort = () => reject(new Error(`${file.name} was stopped.`));
      request.onload = () => {
        let said = {};
        try {
          said = JSON.parse(request.responseText);
        } catch {}
        if (request.status === 200) resolve(said);
        else reject(new Error(said.problem ?? `${file.name} was refused (${request.status}).`));
      };
      abort(() => request.abort());
      request.send(file);
    });
  }

  window.DiffusionRet = { ...window.DiffusionRet, readGallery, editGallery, sendFile };
})();
