"""The batch check of the Evidence tab: many queries at once, as a table that sorts and a CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from diffusionret import Retriever
from diffusionret.ood.conformal import ALPHA, say_p
from diffusionret.ood.report import Answer, Report, in_batch
from diffusionret.query import check_query
from diffusionret.tables import read_rows

from .verdict import CELL_NAMES

INTRODUCTION = (
    '<section class="dr-batch-head"><h3>Check many queries</h3><p>Paste one a line, or choose a .txt or .csv file: '
    "which are unlike what the model learned, and which have a match in this gallery?</p></section>"
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
COLUMNS = ("query", "familiar", "p familiar", "match", "p match", "in batch", "words", "not read")


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
        raise ValueError("There is nothing to check: paste queries, one a line, or choose a file.")
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
    flagged = [_flagged(report) for report in reports]
    discoveries = sum(_in_batch(report) for report in reports)
    summary = (
        f"{sum(flagged):,} of {len(reports):,} flagged at alpha {alpha:.0%} by one answer or the other; "
        f"{discoveries:,} remain where false discoveries over the whole batch are held to {alpha:.0%} "
        "(Benjamini and Hochberg)."
    )
    head = "".join(f'<th scope="col" title="Sort">{escape(column)}</th>' for column in COLUMNS)
    rows = "".join(_row(report) for report in reports)
    return (
        f'<section class="dr-batch"><p class="dr-told" role="status">{summary}</p>{download(reports)}'
        f'<div class="dr-table"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>'
    )


def _flagged(report: Report) -> bool:
    return bool(report.rule or report.familiar.flagged or report.match.flagged)


def _in_batch(report: Report) -> bool:
    return bool(report.rule or report.familiar.in_batch or report.match.in_batch)


def _row(report: Report) -> str:
    cells = [f"<td>{escape(report.typed)}</td>"]
    for name, words in (("familiar", ("yes", "no")), ("match", ("likely", "unlikely"))):
        answer: Answer = getattr(report, name)
        said = "" if answer.flagged is None else words[bool(answer.flagged)]
        flag = ' class="is-flagged"' if answer.flagged else ""
        p = (
            ""
            if answer.p_value is None
            else say_p(answer.p_value, answer.n).removeprefix("p = ").removeprefix("p ")
        )
        key = 0 if answer.p_value is None else answer.p_value
        cells += [f"<td{flag}>{said}</td>", f'<td data-key="{key}">{escape(p)}</td>']
    cells += [
        f"<td>{'flagged' if _in_batch(report) else ''}</td>",
        f"<td>{escape(report.said)}</td>",
        f"<td>{'rule' if report.rule else 'its end' if report.truncated else ''}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def download(reports: Sequence[Report]) -> str:
    """A link that holds the batch as CSV."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(
        ("query", "cell", "familiar_p", "familiar_flagged", "familiar_n", "match_p", "match_flagged", "match_n",
         "match_null", "flagged_in_batch", "searched", "words", "not_read", "rule")
    )  # fmt: skip
    for report in reports:
        familiar, match = report.familiar, report.match
        cell = " and ".join(CELL_NAMES[report.cell]) if report.cell else ""
        row = (
            report.typed, cell, familiar.p_value, familiar.flagged, familiar.n, match.p_value, match.flagged, match.n,
            match.null, _in_batch(report), report.query, report.said, report.truncated, report.rule,
        )  # fmt: skip
        table.writerow([_harmless(value) for value in row])
    address = f"data:text/csv;charset=utf-8,{quote(out.getvalue())}"
    return f'<a class="dr-plain" download="queries.csv" href="{address}">Download as CSV</a>'


def _harmless(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def tab(retriever: Retriever) -> None:
    """The inputs and the table, wired, in the tab that is being built."""

    def shown(queries: Callable[[], list[str]]) -> Iterator[str]:
        try:
            yield from check(retriever, queries(), ALPHA)
        except ValueError as error:
            yield f'<p class="dr-problem" role="alert">{escape(str(error))}</p>'

    def run(text: str) -> Iterator[str]:
        yield from shown(lambda: read(text or ""))

    def run_file(event: gr.EventData) -> Iterator[str]:
        chosen = event._data if isinstance(event._data, dict) else {}
        name, size, text = str(chosen.get("name")), chosen.get("size"), chosen.get("text")
        size = size if isinstance(size, int) else 0
        yield from shown(lambda: read_file(name, size, text if isinstance(text, str) else None))

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
