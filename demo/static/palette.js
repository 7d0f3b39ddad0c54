// The page's colours, which are variables of its style sheet, as numbers: a canvas and Plotly take no variables.
(() => {
  const colour = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();
  // A figure of analysis/figures as JSON, which names its colours "var(--dr-…)".
  const coloured = (figure) => figure.replace(/"var\((--[\w-]+)\)"/g, (_, name) => `"${colour(name)}"`);

  window.DiffusionRet = { ...window.DiffusionRet, colour, coloured };
})();
