"""Tables that people write (CSV, with the names of the columns in the first line), read row by row.

What is wrong with one is said in a sentence with file and line. Lines end where CSV says so: text may hold other
characters that Python takes for ends of lines.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

END = "\ue000end of the table\ue000"  # letters of no script


class TableRow(NamedTuple):
    """A row. line: of the file, from 1. cells: by column; of a column that is not required maybe ""."""

    line: int
    cells: dict[str, str]


def read_utf8(file: Path) -> str:
    """The text of a file. Raises ValueError with file and line where it is no UTF-8."""
    content = file.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{file}, line {line}: this is not UTF-8 text; save the file as UTF-8.") from None


def read_lines(file: Path) -> list[str]:
    """The lines of a file that say something, without the spaces around them. Raises ValueError as `read_utf8`."""
    return [line for text in io.StringIO(read_utf8(file)) if (line := text.strip())]


def read_rows(file: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of every row that is not empty. Raises ValueError, with file and line, for what is no CSV."""
    if "\0" in text:
        raise ValueError(f"{file} holds zero bytes, so it is no text; save it as a CSV file anew.")
    # One more row: it arrives by itself unless a quote that was never closed takes it in.
    reader = csv.reader(io.StringIO(f"{text}\n{END}\n", newline=""))
    line = 1
    try:
        for cells in reader:
            begun, line = line, reader.line_num + 1
            if any(END in cell for cell in cells):
                if cells != [END]:
                    raise ValueError(f"{file}, line {begun}: the quote that opens here is never closed.")
            elif any(cells):
                yield begun, cells
    except csv.Error as error:
        reason = f"{error}; maybe a quote is not closed"
        raise ValueError(f"{file}, line {line}: this is no row of a CSV file ({reason}).") from None


def read_table(
    file: Path, text: str, columns: Sequence[str], short: Callable[[str], None] | None = None
) -> Iterator[TableRow]:
    """The rows of a table. Empty lines do not count.

    file: where it comes from, for errors. text: its content. columns: those that must be there. short: takes the
    sentence about a row that has no cell for one of them, and leaves it out; without it such a row is an error.
    Raises ValueError for columns that are missing or named twice, a short row, or a quote that never closes.
    """
    head: list[str] | None = None
    needed = 0
    for line, cells in read_rows(file, text):
        if head is None:
            head = [cell.strip() for cell in cells]
            if twice := [column for column in head if column and head.count(column) > 1]:
                raise ValueError(
                    f"{file}, line {line}: two columns have the name {twice[0]}; rename one of them, or take it away."
                )
            if absent := [column for column in columns if column not in head]:
                hint = " (cells are parted by commas, not by semicolons)" if ";" in cells[0] else ""
                raise ValueError(
                    f"{file}: the first line must name the column{'s' * (len(columns) > 1)} "
                    f"{' and '.join(columns)}; {absent[0]} is missing{hint}."
                )
            needed = max(head.index(column) for column in columns) + 1
        elif len(cells) >= needed:
            yield TableRow(line, dict(zip(head, cells + [""] * (len(head) - len(cells)), strict=False)))
        else:
            count = f"{len(cells)} cell{'s' * (len(cells) > 1)}"
            sentence = f"{file}, line {line}: the row has {count} where {needed} are needed."
            if short is None:
                raise ValueError(sentence)
            short(sentence)
    if head is None:
        raise ValueError(f"{file} is empty: its first line must name the columns {' and '.join(columns)}.")
