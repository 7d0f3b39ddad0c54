// A figure of analysis/figures, drawn by Plotly in the page's colours and tied to the player's step.
(() => {
  const { part, coloured, thumb } = window.DiffusionRet;
  let library = null; // Plotly, once a figure asked for it

  function plotly(source) {
    library ??= new Promise((done, fail) => {
      const script = document.createElement("script");
      script.src = source;
      script.onload = () => done(window.Plotly);
      script.onerror = () => fail(new Error("The drawing library did not load."));
      document.head.append(script);
    });
    return library;
  }

  // With `player`, a line marks its step and a click goes there. Lines that stand for a candidate (`meta`) are named
  // below, by its poster and caption of `items`. panel: the server's answer, which holds the figure under `key`.
  async function chart(host, panel, key, title, text, player = null, items = []) {
    const box = part("figure", "dr-chart");
    const stand = part("div", "dr-chart-stand");
    box.append(part("h3", "", title), part("p", "dr-note", text), stand);
    host.append(box);
    const { data, layout } = JSON.parse(coloured(panel[key]));
    stand.style.minHeight = `${layout.height}px`; // what follows does not jump once it is drawn
    const Plotly = await plotly(panel.plotly);
    if (!stand.isConnected) return;
    const named = data.filter((trace) => items[trace.meta]);
    if (named.length) box.append(legend(named, items));
    await Plotly.newPlot(
      stand,
      data,
      { ...layout, autosize: true },
      { displayModeBar: false, responsive: true },
    );
    if (player) mark(stand, player);
  }

  function mark(stand, player) {
    const line = part("i", "dr-chart-mark");
    stand.append(line);
    const place = () => {
      const { xaxis, _size } = stand._fullLayout;
      const at = _size.l + xaxis.l2p(Math.max(player.at, xaxis.range[0]));
      line.style.cssText = `height:${_size.h}px;top:${_size.t}px;transform:translateX(${at}px)`;
    };
    player.listeners.add(place);
    stand.on("plotly_afterplot", place);
    stand.addEventListener("click", (event) => {
      const { xaxis, _size } = stand._fullLayout;
      const step = xaxis.p2l(event.clientX - stand.getBoundingClientRect().left - _size.l);
      player.pause();
      player.go(Math.round(step));
    });
    place();
  }

  function legend(traces, items) {
    const list = part("ul", "dr-legend");
    const front = traces[0].type === "bar" ? traces : [...traces].sort((a, b) => a.legendrank - b.legendrank);
    list.append(
      ...front.map((trace) => {
        const item = items[trace.meta];
        const row = part("li");
        row.style.setProperty("--colour", (trace.line ?? trace.marker).color);
        row.title = item.caption;
        row.append(thumb(item), part("span", "", item.caption));
        return row;
      }),
    );
    return list;
  }

  window.DiffusionRet = { ...window.DiffusionRet, chart };
})();
