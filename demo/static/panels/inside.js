// Inside a step: what the query attends to, candidate by candidate, frame by frame and word by word.
(() => {
  const { registerPanel, answer, part, select, bars, drawing, follow, grid, address, setAddress } =
    window.DiffusionRet;
  const { clamp, floats, rows, largest, percent } = window.DiffusionRet;

  // Thumbnails of the frames, from the clip itself: one hidden video seeks from one to the next.
  async function drawFrames(pictures, clip) {
    if (!clip.video) return;
    const video = Object.assign(document.createElement("video"), {
      muted: true,
      preload: "auto",
      src: clip.video,
    });
    const once = (name) =>
      new Promise((done, fail) => {
        video.addEventListener(name, done, { once: true });
        video.addEventListener("error", fail, { once: true });
      });
    try {
      await once("loadeddata");
      for (const [i, canvas] of pictures.entries()) {
        const sought = once("seeked");
        video.currentTime = clip.times[i] + 0.001;
        await sought;
        canvas.width = video.videoWidth;
        canvas.height = video.videoHeight;
        canvas.getContext("2d").drawImage(video, 0, 0);
      }
    } catch {
      // A browser that cannot play the clip shows the numbers alone.
    }
  }

  // A word's colour starts at the frame that it fits least, in either clip: words differ in their level.
  function scale({ tokens, clips }) {
    const cosines = tokens.map((_, row) => clips.flatMap((clip) => clip.cosine[row]));
    const least = cosines.map((values) => Math.min(...values));
    const spreads = tokens.map((token, row) => (token.own ? Math.max(...cosines[row]) - least[row] : 0));
    const most = Math.max(1e-6, ...spreads);
    return (cosine, row) => (cosine - least[row]) / most;
  }

  function heading(clip, pictures) {
    const head = part("tr");
    const cells = pictures.map((canvas, f) => {
      const cell = part("th");
      cell.append(
        canvas,
        part("span", "", `${clip.times[f].toFixed(1)} s`),
        part("span", "", percent(clip.attention[f])),
      );
      return cell;
    });
    head.append(part("th"), part("th", "", "weight"), ...cells);
    return head;
  }

  function wordRow({ text, weight }, cosine, fit) {
    const line = part("tr");
    const cells = cosine.map((v) => {
      const cell = part("td", "", (Math.round(100 * v) / 100 || 0).toFixed(2).replace("-", "−"));
      cell.style.setProperty("--fit", fit(v));
      return cell;
    });
    line.append(part("th", "", text), part("td", "dr-weight", percent(weight)), ...cells);
    return line;
  }

  // One clip: its frames across, the query's words downwards.
  function clipFigure(clip, tokens, fit) {
    const table = part("table", "dr-words");
    const pictures = clip.times.map(() => part("canvas"));
    table.append(heading(clip, pictures));
    tokens.forEach((token, row) => {
      if (token.own) table.append(wordRow(token, clip.cosine[row], (v) => fit(v, row)));
    });
    const figure = part("figure", "dr-drawing");
    const note =
      "Words against frames (cosine), and each word’s weight in the similarity: the end token has read all words before it. Under each frame, its share of the query’s attention.";
    figure.append(
      Object.assign(part("h3", "", clip.caption), { title: clip.caption }),
      part("p", "dr-note", note),
      table,
    );
    drawFrames(pictures, clip);
    return figure;
  }

  function drawAttention(place, player, panel) {
    const weights = rows(floats(panel.attention), player.data.K);
    const title = "Attention of the query to the candidates, w";
    const canvas = drawing(place, title, panel.attention_sentence, "is-share");
    follow(player, () => {
      const row = weights[clamp(Math.round(player.at) - 1, 0, weights.length - 1)];
      bars(canvas, row, Math.max(0.2, ...row), { leader: largest(row) });
    });
  }

  registerPanel("inside", "Inside a step", (host, player) => {
    const { data } = player;
    const winner = data.winner < data.K ? data.winner : 0;
    const place = part("div");
    const show = async (candidate) => {
      setAddress({ explain: candidate === winner ? null : candidate + 1 });
      place.replaceChildren();
      const panel = await answer(place, player, { panel: "inside", candidate });
      if (!panel) return;
      if (panel.attention) drawAttention(place, player, panel);
      const fit = scale(panel);
      grid(place).append(...panel.clips.map((clip) => clipFigure(clip, panel.tokens, fit)));
    };
    const wanted = Math.round(Number(address.get("explain"))) - 1;
    const now = player.loads === 1 && data.candidates[wanted] ? wanted : winner;
    const positions = data.candidates.map((_, i) => i);
    host.append(
      select("Candidate to explain", positions, now, (i) => data.candidates[i].caption, show),
      place,
    );
    show(now);
  });
})();
