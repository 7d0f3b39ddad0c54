"""Any data set as a table: a CSV file with the columns video and caption and, for moments, start and end (seconds).

A folder holds a file a split (train.csv, val.csv, test.csv); a single file serves every split.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from ..tables import read_table
from .captioned import Captioned, Clip, annotation, collect, malformed, pick, read_text

SPLITS = {split: f"{split}.csv" for split in ("train", "val", "test")}


def read(folder: str | Path, split: str) -> Captioned:
    """Splits train, val and test. A video may have several rows: several captions, or several moments."""
    name = pick(split, SPLITS, "csv")
    file = Path(folder) if Path(folder).is_file() else annotation(folder, name)
    return collect("csv", split, _pairs(file))


def _pairs(file: Path) -> Iterator[tuple[Clip, str]]:
    for line, row in read_table(file, read_text(file), ("video", "caption")):
        if not row["video"].strip():
            raise malformed(file, f"line {line} names no video")
        start, end = (_seconds(row.get(key), file, line) for key in ("start", "end"))
        if end is not None and end < (start or 0.0):
            raise malformed(file, f"the moment in line {line} ends before it starts")
        yield Clip(row["video"].strip(), start, end), row["caption"]


def _seconds(text: str | None, file: Path, line: int) -> float | None:
    if not (text or "").strip():
        return None
    try:
        value = float(str(text))
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise malformed(file, f"start and end in line {line} are seconds from 0 on or empty, not {text!r}")
    return value
