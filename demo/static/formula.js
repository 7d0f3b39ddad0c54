// Formulas in MathML: formula(...parts), a part being text or what row, sub, hat, root and level make of parts.
(() => {
  const MATH = "http://www.w3.org/1998/Math/MathML";

  // [name, ...children] or text: digits become <mn>, single letters and words <mi>, the rest <mo>.
  function math(tree) {
    if (typeof tree === "string") {
      const name = /^[\d.]+$/.test(tree) ? "mn" : /^\p{L}+$/u.test(tree) ? "mi" : "mo";
      const leaf = document.createElementNS(MATH, name);
      leaf.textContent = tree;
      return leaf;
    }
    const [name, ...children] = tree;
    const node = document.createElementNS(MATH, name);
    node.append(...children.map(math));
    return node;
  }

  const row = (...parts) => ["mrow", ...parts];
  const sub = (base, index) => ["msub", base, index];
  const hat = (base) => ["mover", base, "^"];
  const root = (...parts) => ["msqrt", ...parts];
  const level = (index) => sub(["mover", "α", "¯"], index);

  function formula(...parts) {
    const node = document.createElementNS(MATH, "math");
    node.setAttribute("display", "block");
    node.append(math(row(...parts)));
    return node;
  }

  Object.assign(formula, { row, sub, hat, root, level });
  window.DiffusionRet = { ...window.DiffusionRet, formula };
})();
