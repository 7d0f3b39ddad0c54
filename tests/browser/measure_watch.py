"""How fast is the Watch tab? `python tests/browser/measure_watch.py` measures it in headless Chromium, without a
graphics card, over the bundled model, prints a table and writes analysis/results/watch.json."""

from __future__ import annotations

import gzip
import json
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The app from the top of the checkout, what tests share from the folder above; this folder is there already.
sys.path.extend(str(folder) for folder in Path(__file__).resolve().parents[1:3])

from playwright.sync_api import Page, sync_playwright
from test_app import CHROMIUM, PLAYER, QUIET

from demo import app, search, watch
from diffusionret import Retriever

RESULTS = Path(__file__).resolve().parents[2] / "analysis" / "results" / "watch.json"
# Frames that were drawn while the player played, and what one took.
RECORD = f"""() => new Promise((done) => {{
  const player = {PLAYER}, draw = player.draw, at = [], took = [];
  player.draw = function () {{
    const start = performance.now();
    draw.call(this);
    at.push(start);
    took.push(performance.now() - start);
  }};
  player.go(0);
  at.length = took.length = 0;
  player.toggle();
  const wait = () => player.playing ? setTimeout(wait, 50) : (delete player.draw, done([at, took]));
  wait();
}})"""
# Milliseconds from the key that sends a query to its first frame.
ASK = f"""(text) => new Promise((done) => {{
  const box = document.querySelector("#query textarea");
  box.value = text;
  box.dispatchEvent(new Event("input", {{ bubbles: true }}));
  const start = performance.now();
  box.dispatchEvent(new KeyboardEvent("keydown", {{ key: "Enter", bubbles: true }}));
  box.dispatchEvent(new KeyboardEvent("keypress", {{ key: "Enter", bubbles: true }}));
  const look = (now) => {PLAYER}.data?.query === text ? done(performance.now() - start) : requestAnimationFrame(look);
  requestAnimationFrame(look);
}})"""


@contextmanager
def opened(retriever: Retriever, **options) -> Iterator:
    """A function that opens a page of the app, `opener(query)`, in a window of the given options."""
    page = app.build(retriever)
    _, url, _ = page.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **app.serving(retriever)
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))

        def opener(query: str, **more) -> Page:
            there = browser.new_context(
                **{"viewport": {"width": 1440, "height": 900}, **options, **more}
            ).new_page()
            there.set_default_timeout(120_000)
            there.goto(url + query, wait_until="domcontentloaded")
            there.wait_for_selector(".dr-theatre" if "tab=watch" in query else ".dr-card")
            return there

        yield opener
        browser.close()
    page.close()


def measure(retriever: Retriever, opener, candidates: int, form: str) -> dict:
    """One row of the table: bytes, milliseconds to the first frame, frames a second."""
    queries = [example.query for example in search.EXAMPLES["storybook"]]
    steps = retriever.model.choose(form).config.usual_steps
    found = retriever.search(queries[0], candidates, candidates, steps, 0, form=form)
    sent = json.dumps(watch.show(retriever, found))
    page = opener(f"?tab=watch&candidates={candidates}&steps={steps}&generator={form}")
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    page.evaluate(ASK, queries[-1])  # whatever is prepared once is prepared now
    waits = [page.evaluate(ASK, query) for query in queries[:4]]
    page.wait_for_timeout(500)
    at, took = page.evaluate(RECORD)
    page.context.close()
    return {
        "form": form,
        "candidates": candidates,
        "steps": steps,
        "seeds": watch.SEEDS,
        "payload_kb": len(sent) / 1000,
        "payload_gzip_kb": len(gzip.compress(sent.encode())) / 1000,
        "first_paint_ms": painted,
        "query_to_first_frame_ms": statistics.median(waits),
        "frames_per_second": 1000 * (len(at) - 1) / (at[-1] - at[0]),
        "draw_ms": statistics.median(took),
        "draw_ms_p95": statistics.quantiles(took, n=20)[-1],
    }


def main() -> None:
    retriever = Retriever.bundled("cpu")
    with opened(retriever) as opener:
        rows = [measure(retriever, opener, k, form) for form in retriever.model.forms for k in (32, 128)]
    RESULTS.write_text(
        json.dumps({"command": "python tests/browser/measure_watch.py", "rows": rows}, indent=1) + "\n"
    )
    for row in rows:
        print(
            "  ".join(
                f"{name} {value:.1f}" if isinstance(value, float) else f"{name} {value}"
                for name, value in row.items()
            )
        )


if __name__ == "__main__":
    main()
