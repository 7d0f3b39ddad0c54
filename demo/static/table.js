// Tables whose columns sort at a click on their heads, as numbers where both cells are numbers.
(() => {
  const isNumber = (text) => text !== "" && Number.isFinite(Number(text));
  const compare = (x, y) => (isNumber(x) && isNumber(y) ? Number(x) - Number(y) : x.localeCompare(y));

  function sort(head) {
    const table = head.closest("table");
    const heads = [...head.parentNode.children];
    const column = heads.indexOf(head);
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.children[column].dataset.key ?? row.children[column].textContent;
    const rows = [...table.tBodies[0].rows].sort((a, b) => (down ? -1 : 1) * compare(key(a), key(b)));
    table.tBodies[0].append(...rows);
  }

  function mountTable(element) {
    element.addEventListener("click", (event) => {
      const head = event.target.closest("th");
      if (head) sort(head);
    });
  }

  window.DiffusionRet = { ...window.DiffusionRet, mountTable };
})();
