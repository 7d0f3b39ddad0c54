"""The batch check of the Evidence tab: many queries at once, as a table that sorts and a CSV."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from diffusionret import Retriever
from diffusionret.ood.conformal import ALPHA, say_p
from diffusionret.ood.report import Report, in_batch, percent
from diffusionret.query import check_query
from diffusionret.tables import read_rows

INTRODUCTION = (
    '<section class="dr-batch-head"><h3>Check many queries</h3><p>Paste one query per line, or choose a .txt or .csv '
    "file: which are unlike what the model learned, and which have a match in this gallery?</p></section>"
)
MOST = 1000  # queries at a time
# The browser reads the file: the server takes its text, and no file.
MOST_BYTES = 4_000_000  # of that text
FILE = (
    f'<label class="dr-plain" tabindex="0" data-most="{MOST_BYTES}">Check a file'
    '<input type="file" accept=".txt,.csv" hidden></label>'
)
CHOOSE = "window.DiffusionRet.mountFile(element, trigger);"
SORT = "window.DiffusionRet.mountTable(element);"
COLUMNS = (
    "query",
    "verdict",
    "p(match)",
    "familiar",
    "p-value",
    "unusual in this list",
    "how it was read",
    "ignored",
)
SAID = {  # of how many
    "match": "with a match in this gallery",
    "unsure": "perhaps with one",
    "none": "without",
    "unreadable": "not readable",
}


def read(text: str) -> list[str]:
    """Queries of the box, one a line. Raises ValueError for none, for more than MOST, and for one that is no query."""
    return _checked(io.StringIO(text))


def read_file(name: str, size: int, text: str | None) -> list[str]:
    """Queries of a file: lines of text, or a CSV's first column or `query`. Raises ValueError as `read`.

    size: in bytes. text: its content, None where that is no UTF-8 or more than MOST_BYTES.
    """
    if size > MOST_BYTES:
        raise ValueError(
            f"The file has {math.ceil(size / 1e5) / 10} MB: choose one of at most {MOST_BYTES / 1e6:.0f}."
        )
    if text is None:
        raise ValueError("The file cannot be read as UTF-8 text: save it as .txt or .csv.")
    if not name.lower().endswith(".csv"):
        return read(text)
    return _checked(_column([cells for _, cells in read_rows(Path(name), text.removeprefix("\ufeff"))]))


def _checked(lines: Iterable[str]) -> list[str]:
    queries = [line.strip() for line in lines if line.strip()]
    if not queries:
        raise ValueError("There is nothing to check: paste queries, one per line, or choose a file.")
    if len(queries) > MOST:
        raise ValueError(f"{len(queries):,} queries are too many at once: check at most {MOST:,}.")
    for number, query in enumerate(queries, 1):
        try:
            check_query(query)
        except ValueError as error:
            raise ValueError(f"Query {number}: {error}") from None
    return queries


def _column(rows: list[list[str]]) -> list[str]:
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    place = head.index("query") if "query" in head else 0
    return [row[place] for row in rows["query" in head :] if len(row) > place]


def check(retriever: Retriever, queries: Sequence[str], alpha: float) -> Iterator[str]:
    """How far a batch is, again and again, and at last its table with summary and download, as markup."""
    parts: list[Report] = []
    for part in retriever.inspect_parts(queries, alpha):
        parts += part
        if len(parts) < len(queries):
            yield f'<p class="dr-told" role="status">{len(parts):,} of {len(queries):,} checked …</p>'
    yield table(in_batch(parts, alpha), alpha)


def table(reports: Sequence[Report], alpha: float) -> str:
    """The table of a batch with its summary and download, as markup."""
    kinds = Counter(report.verdict.kind for report in reports)
    spread = ", ".join(f"{kinds[kind]:,} {word}" for kind, word in SAID.items() if kinds[kind])
    scored = any(report.familiar.p_value is not None for report in reports)
    unlike = sum(bool(report.familiar.in_batch) for report in reports)
    summary = f"Of {len(reports):,} {'query' if len(reports) == 1 else 'queries'}: {spread}."
    if scored:
        summary += (
            f" {unlike:,} {'is' if unlike == 1 else 'are'} unlike what the model learned, where false discoveries over "
            f"the whole batch are held to {alpha:.0%} (Benjamini and Hochberg)."
        )
    head = "".join(f'<th scope="col" title="Sort">{escape(column)}</th>' for column in COLUMNS)
    rows = "".join(_row(report) for report in reports)
    return (
        f'<section class="dr-batch"><p class="dr-told" role="status">{summary}</p>{download(reports)}'
        f'<div class="dr-table"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>'
    )


def _row(report: Report) -> str:
    verdict, familiar = report.verdict, report.familiar
    p_value = familiar.p_value
    shown = "" if p_value is None else say_p(p_value, familiar.n).removeprefix("p = ").removeprefix("p ")
    like = "" if familiar.flagged is None or report.rule else ("yes", "no")[familiar.flagged]
    p = verdict.p_match
    cells = [
        f"<td>{escape(report.typed)}</td>",
        f'<td class="is-{verdict.kind}" data-key="{list(SAID).index(verdict.kind)}">{escape(verdict.sentence)}</td>',
        f'<td data-key="{-1 if p is None else p}">{"" if p is None else percent(p)}</td>',
        f"<td>{like}</td>",
        f'<td data-key="{0 if p_value is None else p_value}">{escape(shown)}</td>',
        f"<td>{'unlike' if familiar.in_batch else ''}</td>",
        f"<td>{escape(report.said)}</td>",
        f"<td>{'all of it' if report.rule else 'its end' if report.truncated else ''}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def download(reports: Sequence[Report]) -> str:
    """A link that holds the batch as CSV."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(
        ("query", "verdict", "p_match", "sentence", "familiar_p_value", "familiar_flagged", "familiar_in_batch",
         "familiar_n", "match_p_value", "match_n", "match_null", "searched", "words", "not_read", "rule")
    )  # fmt: skip
    for report in reports:
        familiar, match, verdict = report.familiar, report.match, report.verdict
        row = (
            report.typed, verdict.kind, verdict.p_match, verdict.sentence, familiar.p_value, familiar.flagged,
            familiar.in_batch, familiar.n, match.p_value, match.n, match.null, report.query, report.said,
            report.truncated, report.rule,
        )  # fmt: skip
        table.writerow([_harmless(value) for value in row])
    address = f"data:text/csv;charset=utf-8,{quote(out.getvalue())}"
    return f'<a class="dr-plain" download="queries.csv" href="{address}">Download as CSV</a>'


def _harmless(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def tab(retrievers: Callable[[gr.Request | None], Retriever]) -> None:
    """The inputs and the table, wired, in the tab that is being built. retrievers: by the request that asks."""

    def shown(queries: Callable[[], list[str]], request: gr.Request | None) -> Iterator[str]:
        try:
            yield from check(retrievers(request), queries(), ALPHA)
        except ValueError as error:
            yield f'<p class="dr-problem" role="alert">{escape(str(error))}</p>'

    def run(text: str, request: gr.Request | None = None) -> Iterator[str]:
        yield from shown(lambda: read(text or ""), request)

    def run_file(event: gr.EventData, request: gr.Request | None = None) -> Iterator[str]:
        chosen = event._data if isinstance(event._data, dict) else {}
        name, size, text = str(chosen.get("name")), chosen.get("size"), chosen.get("text")
        size = size if isinstance(size, int) else 0
        yield from shown(lambda: read_file(name, size, text if isinstance(text, str) else None), request)

    gr.HTML(INTRODUCTION, apply_default_css=False)
    text = gr.Textbox(
        show_label=False, label="Queries", placeholder="a red boat at sea\na dog chases a cat", lines=3, max_lines=8,
        container=False, elem_id="batch-text",
    )  # fmt: skip
    with gr.Row(elem_id="batch-row"):
        button = gr.Button("Check", elem_id="batch-check")
        file = gr.HTML(FILE, js_on_load=CHOOSE, apply_default_css=False, elem_id="batch-file")
    result = gr.HTML(js_on_load=SORT, apply_default_css=False, elem_id="batch-table")
    quiet: dict[str, Any] = {
        "api_visibility": "private",
        "show_progress": "minimal",
        "concurrency_id": "batch",
    }
    button.click(run, text, result, **quiet)
    file.select(run_file, None, result, **quiet)
