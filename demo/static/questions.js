// Questions of folded panels to the server, one after the other, each answered through its queue.
(() => {
  const { part } = window.DiffusionRet;
  const PATIENCE = 180000; // milliseconds: a server that went away never answers
  const waiting = [];
  let question = null; // the one that is with the server
  let number = 0;
  let send = null; // once the page is connected

  function next() {
    question = send ? (waiting.shift() ?? null) : null;
    if (!question) return;
    number += 1;
    question.number = number;
    const late = { problem: "There is no answer: try again, or load the page again." };
    const wait = () => {
      clearTimeout(question.timer);
      question.timer = setTimeout(() => finish(late), PATIENCE);
    };
    question.wait = wait;
    wait();
    send({ number, panel: question.panel, request: question.request });
  }

  function finish(answer) {
    const { timer, resolve, reject } = question;
    clearTimeout(timer);
    if (answer.problem === undefined) resolve(answer.content);
    else reject(new Error(answer.problem));
    next();
  }

  // partly: takes what there is so far. Rejects with a sentence for the visitor.
  function ask(panel, request, partly = () => {}) {
    return new Promise((resolve, reject) => {
      waiting.push({ panel, request, partly, resolve, reject });
      if (!question) next();
    });
  }

  // A refusal as markup, in the place of an answer.
  function refusal(error) {
    const line = part("p", "dr-problem", error.message);
    line.setAttribute("role", "alert");
    return line.outerHTML;
  }

  function mountQuestions(props, watch, trigger) {
    send = (content) => trigger("select", content);
    watch("value", () => {
      const answer = props.value ? JSON.parse(props.value) : null;
      if (!question || answer?.number !== question.number) return;
      if (answer.done) finish(answer);
      else {
        question.wait();
        question.partly(answer.content);
      }
    });
    if (!question) next();
  }

  window.DiffusionRet = { ...window.DiffusionRet, ask, refusal, mountQuestions };
})();
