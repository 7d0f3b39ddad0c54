// Questions of folded panels, one after the other, each answered through the server's queue.
window.DiffusionRet.mountPanels = (props, watch, trigger) => {
  const waiting = [];
  let asked = null; // the question that is with the server
  let number = 0;

  const next = () => {
    asked = waiting.shift() ?? null;
    if (!asked) return;
    asked.number = ++number;
    // A server that went away never answers.
    asked.timer = setTimeout(() => finish({ problem: "There is no answer: try again, or load the page again." }), 180000);
    trigger("select", { number, panel: asked.panel, request: asked.request });
  };
  const finish = (answer) => {
    const { timer, resolve, reject } = asked;
    clearTimeout(timer);
    if (answer.problem === undefined) resolve(answer.content);
    else reject(new Error(answer.problem));
    next();
  };

  // partly: takes what there is so far. Rejects with a sentence for the visitor.
  window.DiffusionRet.ask = (panel, request, partly = () => {}) =>
    new Promise((resolve, reject) => {
      waiting.push({ panel, request, partly, resolve, reject });
      if (!asked) next();
    });

  // A refusal in the place of markup.
  window.DiffusionRet.problem = (error) => {
    const line = document.createElement("p");
    line.className = "dr-problem";
    line.setAttribute("role", "alert");
    line.textContent = error.message;
    return line.outerHTML;
  };

  watch("value", () => {
    if (!props.value) return;
    const answer = JSON.parse(props.value);
    if (answer.number !== asked?.number) return;
    if (answer.done) finish(answer);
    else asked.partly(answer.content);
  });
};
