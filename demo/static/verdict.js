// The slider over alpha, and tables whose columns sort.
(() => {
  function alpha(stand) {
    const { alphas, answers } = JSON.parse(stand.dataset.told);
    const chosen = alphas[Number(stand.querySelector("input").value)];
    stand.querySelector("output").textContent = `${Math.round(100 * chosen)}%`;
    const names = Object.values(answers).map(({ p, small, yes, no }) =>
      (small ? p <= chosen + 1e-12 : p > chosen + 1e-12) ? no : yes);
    const each = Math.round(1000 * chosen);
    const either = names.length > 1 ? `, at most ${2 * each} by either` : "";
    stand.querySelector("p").textContent =
      `Of 1,000 ordinary queries, about ${each} are flagged wrongly by each answer${either}. This one: ${names.join(", ")}.`;
  }

  function sort(head) {
    const table = head.closest("table");
    const column = [...head.parentNode.children].indexOf(head);
    const down = head.getAttribute("aria-sort") === "ascending";
    head.parentNode.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.children[column].dataset.key ?? row.children[column].textContent;
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      const order = Number.isFinite(Number(x)) && Number.isFinite(Number(y)) && x !== "" && y !== ""
        ? Number(x) - Number(y) : x.localeCompare(y);
      return down ? -order : order;
    });
    table.tBodies[0].append(...rows);
  }

  window.DiffusionRet = { ...window.DiffusionRet, alpha, sort };
})();
