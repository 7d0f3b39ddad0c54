// What is being done to a gallery: how far it is, how long it takes, and how it ended.
(() => {
  const { part, button, editGallery } = window.DiffusionRet;
  const PHASES = {
    model: "The model is being loaded, or fetched the first time …",
    list: "Looking for videos …",
    copy: "Making copies of what a browser cannot play …",
  };

  const count = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

  function time(seconds) {
    if (seconds < 1) return "almost done";
    if (seconds < 90) return `${Math.ceil(seconds)} s left`;
    const minutes = Math.ceil(seconds / 60);
    return minutes < 90 ? `${minutes} min left` : `${(minutes / 60).toFixed(1)} h left`;
  }

  function sentence(job, state) {
    if (job.phase === "read") {
      const failed = job.failed ? `, ${job.failed} of them cannot be read` : "";
      return `${job.done.toLocaleString("en")} of ${count(job.total, "file")} read${failed} · ${time(job.seconds_left)}`;
    }
    if (job.phase === "done") {
      const failed = state.failed ? `, ${count(state.failed, "file")} cannot` : "";
      return `${count(state.count, "clip")} can be searched${failed}.`;
    }
    if (job.phase === "stopped") return "Stopped. What was read stays.";
    return PHASES[job.phase] ?? job.problem;
  }

  function jobPanel(stand, tab, state) {
    const { job } = state;
    stand.hidden = !job.phase;
    if (!job.phase) return;
    const line = part("p", job.phase === "problem" ? "dr-problem" : "dr-told", sentence(job, state));
    if (job.phase === "problem") line.setAttribute("role", "alert");
    const parts = [line];
    if (job.running) {
      const bar = part("progress");
      bar.max = 1;
      if (job.phase === "read" && job.total) bar.value = (job.done + job.part) / job.total;
      parts.push(bar);
      if (job.waiting) parts.push(part("p", "dr-note", `${count(job.waiting, "folder")} after this one.`));
    }
    for (const note of job.notes) parts.push(part("p", "dr-note", note));
    const act = (name) => () => tab.edit(() => editGallery(name));
    const row = part("div", "dr-row");
    if (job.running) row.append(button("dr-plain", "Stop", act("stop")));
    if (job.phase === "stopped") row.append(button("dr-plain", "Resume", act("resume")));
    if (!job.running && state.count) row.append(button("dr-main", "Search this gallery", () => tab.search()));
    stand.replaceChildren(...parts, row);
  }

  window.DiffusionRet = { ...window.DiffusionRet, jobPanel, count };
})();
