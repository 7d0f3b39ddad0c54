"""The batch check of the Evidence tab: many queries at once, as a table that sorts and a CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

import gradio as gr

from diffusionret import Retriever
from diffusionret.calibration import say_p
from diffusionret.detector import ALPHA, Answer, Report

from .verdict import CELL_NAMES

INTRODUCTION = (
    '<section class="dr-batch-head"><h3>Check many queries</h3><p>Paste one a line{or_choose}: '
    "which are unlike what the model learned, and which have a match in this gallery?</p></section>"
)
MOST = 1000  # queries at a time
LONGEST = 2000  # characters of a query
SORT = "window.DiffusionRet.mountTable(element);"
COLUMNS = ("query", "familiar", "p familiar", "match", "p match", "in batch", "never seen", "not read")


def read(text: str, file: str | Path | None) -> list[str]:
    """Queries of the box, one a line, then those of a file: lines of text, or a CSV's first column or `query`.

    Raises ValueError for a file that is no text, for no query at all and for more than MOST.
    """
    queries = text.splitlines()
    if file is not None:
        try:
            content = Path(file).read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError("The file is not UTF-8 text: save it as .txt or .csv.") from error
        rows = csv.reader(io.StringIO(content)) if str(file).lower().endswith(".csv") else None
        queries += content.splitlines() if rows is None else _column(list(rows))
    queries = [query.strip()[:LONGEST] for query in queries if query.strip()]
    if not queries:
        raise ValueError("There is nothing to check: paste queries, one a line, or choose a file.")
    if len(queries) > MOST:
        raise ValueError(f"{len(queries):,} queries are too many at once: check at most {MOST:,}.")
    return queries


def _column(rows: list[list[str]]) -> list[str]:
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    place = head.index("query") if "query" in head else 0
    return [row[place] for row in rows["query" in head :] if len(row) > place]


def check(retriever: Retriever, queries: Sequence[str], alpha: float) -> str:
    """The table of a batch with its summary and download, as markup."""
    reports = retriever.inspect_many(queries, alpha)
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
    cells = [f"<td>{escape(report.query)}</td>"]
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
        f"<td>{escape(', '.join(report.unknown_words))}</td>",
        f"<td>{'rule' if report.rule else 'its end' if report.truncated else ''}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def download(reports: Sequence[Report]) -> str:
    """A link that holds the batch as CSV."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(
        ("query", "cell", "familiar_p", "familiar_flagged", "familiar_n", "match_p", "match_flagged", "match_n",
         "match_null", "flagged_in_batch", "unknown_words", "not_read", "rule")
    )  # fmt: skip
    for report in reports:
        familiar, match = report.familiar, report.match
        cell = " and ".join(CELL_NAMES[report.cell]) if report.cell else ""
        row = (
            report.query, cell, familiar.p_value, familiar.flagged, familiar.n, match.p_value, match.flagged, match.n,
            match.null, _in_batch(report), " ".join(report.unknown_words), report.truncated, report.rule,
        )  # fmt: skip
        table.writerow([_harmless(value) for value in row])
    address = f"data:text/csv;charset=utf-8,{quote(out.getvalue())}"
    return f'<a class="dr-plain" download="queries.csv" href="{address}">Download as CSV</a>'


def _harmless(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def tab(retriever: Retriever, uploads: bool = True) -> None:
    """The inputs and the table, wired, in the tab that is being built. uploads: whether files are taken."""

    def run(text: str, file: str | None = None) -> str:
        try:
            return check(retriever, read(text or "", file), ALPHA)
        except ValueError as error:
            return f'<p class="dr-problem" role="alert">{escape(str(error))}</p>'

    or_choose = ", or choose a .txt or .csv file" if uploads else ""
    gr.HTML(INTRODUCTION.format(or_choose=or_choose), apply_default_css=False)
    text = gr.Textbox(
        show_label=False, label="Queries", placeholder="a red boat at sea\na dog chases a cat", lines=3, max_lines=8,
        container=False, elem_id="batch-text",
    )  # fmt: skip
    with gr.Row(elem_id="batch-row"):
        button = gr.Button("Check", elem_id="batch-check")
        if uploads:
            file = gr.UploadButton(
                "Check a file", file_types=[".txt", ".csv"], elem_id="batch-file", size="md"
            )
    table = gr.HTML(js_on_load=SORT, apply_default_css=False, elem_id="batch-table")
    quiet = {"api_visibility": "private", "show_progress": "minimal"}
    button.click(run, text, table, **quiet)
    if uploads:
        file.upload(lambda name: run("", name), file, table, **quiet)
