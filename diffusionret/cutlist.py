"""Cut lists: hits as a table with time codes (CSV), as an edit decision list for an editing program (CMX 3600), or
JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from .results import Hit
from .video import printable

KINDS = ("csv", "edl", "json")
COLUMNS = (
    "rank", "id", "file", "start", "end", "start_timecode", "end_timecode", "moment", "similarity", "score",
    "probability", "caption",
)  # fmt: skip
MOST_EVENTS = 999  # of an EDL, whose events have three digits
RATE = 25.0  # frames a second of an EDL whose files do not say theirs


def write(path: str | Path, query: str, hits: Sequence[Hit]) -> None:
    """Write hits to a file of the kind that its name ends in: .csv, .edl or .json. Files are named by their whole path.

    Raises ValueError for another ending, and as `text`; OSError where nothing can be written.
    """
    path = Path(path)
    Path(path).write_text(text(query, hits, kind_of(path), places=True), encoding="utf-8", newline="")


def kind_of(path: str | Path) -> str:
    """The kind of list that a file's name says. Raises ValueError for any other name."""
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in KINDS:
        endings = ", ".join(f".{known}" for known in KINDS)
        raise ValueError(f"{path} is no name of a cut list: let it end in {endings}.")
    return kind


def text(query: str, hits: Sequence[Hit], kind: str, places: bool = False) -> str:
    """The list as text. kind: of KINDS. places: say where the files lie on this machine, not their names alone.

    Raises ValueError for more than MOST_EVENTS hits in an EDL.
    """
    if kind == "edl":
        return _edl(query, hits, places)
    rows = [dict(zip(COLUMNS, _row(hit, places), strict=True)) for hit in hits]
    if kind == "json":
        return json.dumps({"query": query, "moments": rows}, indent=2, allow_nan=False) + "\n"
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(COLUMNS)
    table.writerows([_harmless(value) for value in row.values()] for row in rows)
    return out.getvalue()


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss.mmm of two digits each, 00:01:30.500."""
    thousandths = round(1000 * seconds)
    hours, rest = divmod(thousandths, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def timecode(frames: int, rate: float) -> str:
    """A number of frames as hh:mm:ss:ff, none dropped. rate: frames a second; 29.97 counts 30 a second, as editing
    programs do."""
    whole = max(round(rate), 1)
    seconds, frame = divmod(frames, whole)
    return f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frame:02d}"


def _row(hit: Hit, places: bool) -> tuple:
    return (
        hit.rank, hit.id, _file(hit, places), round(hit.start, 3), round(hit.end, 3), clock(hit.start), clock(hit.end),
        round(hit.moment, 3), round(hit.similarity, 6), round(hit.score, 6),
        None if hit.probability is None else round(hit.probability, 6), hit.caption,
    )  # fmt: skip


def _edl(query: str, hits: Sequence[Hit], places: bool) -> str:
    """One event a hit, one after the other on the record side. An EDL has one rate: that of the first file."""
    if len(hits) > MOST_EVENTS:
        raise ValueError(
            f"An EDL holds at most {MOST_EVENTS} events, not {len(hits)}: ask for fewer results."
        )
    rate = next((hit.fps for hit in hits if hit.fps > 0), RATE)
    lines = [f"TITLE: {printable(query)[:70]}", "FCM: NON-DROP FRAME", ""]
    at = 0
    for event, hit in enumerate(hits, 1):
        first = round(hit.start * rate)
        length = max(round(hit.end * rate) - first, 1)
        codes = (timecode(frames, rate) for frames in (first, first + length, at, at + length))
        lines.append(f"{event:03d}  AX       V     C        {' '.join(codes)}")
        lines.append(f"* FROM CLIP NAME: {printable(hit.file)}")
        lines += [f"* SOURCE FILE: {printable(str(hit.path))}"] if places and hit.path else []
        lines += [f"* COMMENT: {printable(hit.caption)}"] if hit.caption else []
        lines.append("")
        at += length
    return "\r\n".join(lines)


def _file(hit: Hit, places: bool) -> str:
    return printable(str(hit.path)) if places and hit.path else printable(hit.file)


def _harmless(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
