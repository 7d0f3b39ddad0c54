"""Cut lists: time codes by hand, and texts that no program takes for more than text."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from diffusionret import Hit, cutlist


def hit(rank: int, start: float, end: float, fps: float = 25.0, **changes) -> Hit:
    values = dict(
        id=f"film@{int(start)}", rank=rank, base_rank=rank, similarity=0.25, boost=0.125, score=0.375,
        probability=0.5, moment=start + 0.5, caption="a boat", path=Path("/videos/film.mp4"), poster=None,
        duration=7200.0, file="film.mp4", start=start, end=end, fps=fps,
    )  # fmt: skip
    return Hit(**(values | changes))


def test_codes_by_hand() -> None:
    assert cutlist.clock(3723.0456) == "01:02:03.046" and cutlist.clock(59.9996) == "00:01:00.000"
    assert cutlist.timecode(0, 25) == "00:00:00:00"
    assert cutlist.timecode(25 * 3723 + 24, 25) == "01:02:03:24"
    assert cutlist.timecode(30, 29.97) == "00:00:01:00"  # none is dropped
    assert cutlist.timecode(24 * 86_400, 23.976) == "00:00:00:00"  # a day has no 25th hour


def test_an_edl_puts_one_after_the_other() -> None:
    lines = cutlist.text("a boat", [hit(1, 90.0, 100.0), hit(2, 10.52, 12.0)], "edl").splitlines()
    assert lines == [
        "TITLE: a boat",
        "FCM: NON-DROP FRAME",
        "",
        "001  AX       V     C        00:01:30:00 00:01:40:00 00:00:00:00 00:00:10:00",
        "* FROM CLIP NAME: film.mp4",
        "* COMMENT: a boat",
        "",
        "002  AX       V     C        00:00:10:13 00:00:12:00 00:00:10:00 00:00:11:12",
        "* FROM CLIP NAME: film.mp4",
        "* COMMENT: a boat",
    ]
    assert "/videos" in cutlist.text("a boat", [hit(1, 0.0, 1.0)], "edl", places=True)
    unknown = cutlist.text("a boat", [hit(1, 1.0, 2.0, fps=0.0)], "edl")
    assert "00:00:01:00 00:00:02:00" in unknown
    with pytest.raises(ValueError, match="at most 999 events, not 1000"):
        cutlist.text("a boat", 1000 * [hit(1, 0.0, 1.0)], "edl")


def test_tables_hold_every_hit() -> None:
    hits = [hit(1, 90.0, 100.5), hit(2, 0.0, 7200.0, probability=None, caption='=1+1,"\n\u2028x')]
    rows = list(csv.DictReader(io.StringIO(cutlist.text("a boat", hits, "csv"), newline="")))
    assert [row["start_timecode"] for row in rows] == ["00:01:30.000", "00:00:00.000"]
    assert rows[0]["end"] == "100.5" and rows[0]["file"] == "film.mp4" and rows[1]["probability"] == ""
    assert rows[1]["caption"].startswith("'=1+1")  # no formula
    listed = json.loads(cutlist.text("a boat", hits, "json"))
    assert listed["query"] == "a boat" and tuple(listed["moments"][0]) == cutlist.COLUMNS
    assert listed["moments"][1]["caption"] == hits[1].caption and listed["moments"][1]["probability"] is None


def test_odd_names_stay_on_their_line() -> None:
    odd = hit(1, 0.0, 1.0, file="a\nb\u2028.mp4", caption="\x1b[31mred\r\n002  AX", path=Path("/v/a\nb.mp4"))
    for text in (cutlist.text("x\ny", [odd], "edl"), cutlist.text("x\ny", [odd], "edl", places=True)):
        assert all(line.isprintable() for line in text.splitlines())
        assert sum(line.startswith("0") for line in text.splitlines()) == 1


def test_the_name_says_the_kind(tmp_path) -> None:
    for kind in cutlist.KINDS:
        file = tmp_path / f"list.{kind.upper()}"
        cutlist.write(file, "a boat", [hit(1, 0.0, 1.0)])
        written = file.read_bytes().decode()
        assert (
            written == cutlist.text("a boat", [hit(1, 0.0, 1.0)], kind, places=True) and "/videos" in written
        )
    with pytest.raises(
        ValueError, match=r"list.txt is no name of a cut list: let it end in .csv, .edl, .json"
    ):
        cutlist.write(tmp_path / "list.txt", "a boat", [])
