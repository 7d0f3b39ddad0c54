"""Tables of people: what is read, and the sentence about what is not."""

from __future__ import annotations

from pathlib import Path

import pandas
import pytest

from diffusionret.calibrate import read_captions, read_queries
from diffusionret.datasets import read
from diffusionret.query import MOST_CHARACTERS
from diffusionret.tables import read_lines, read_table, read_utf8

FILE = Path("some.csv")


def rows(text: str, **options) -> list[tuple[int, dict[str, str]]]:
    return [tuple(row) for row in read_table(FILE, text, ("video", "caption"), **options)]


def test_rows_come_with_their_lines():
    text = 'note,video,caption\n\n,a,one\r\n,b,"two\nlines"\n,,\nx,c,"a ""quoted"" word",more\n'
    assert rows(text) == [
        (3, {"note": "", "video": "a", "caption": "one"}),
        (4, {"note": "", "video": "b", "caption": "two\nlines"}),
        (7, {"note": "x", "video": "c", "caption": 'a "quoted" word'}),
    ]


def test_text_may_hold_what_python_takes_for_ends_of_lines(tmp_path):
    text = "video,caption\na,one\u2028two\nb,a\x85b\x0cc\x1cd\n"
    assert [cells["caption"] for _, cells in rows(text)] == ["one\u2028two", "a\x85b\x0cc\x1cd"]
    (tmp_path / "lines.txt").write_text("one\u2028two\n\n  three \n", encoding="utf-8")
    assert read_lines(tmp_path / "lines.txt") == ["one\u2028two", "three"]


def test_quotes_inside_a_cell_are_letters():
    assert rows('video,caption\na,a 5" disk\nb,"two" of them\n') == [
        (2, {"video": "a", "caption": 'a 5" disk'}),
        (3, {"video": "b", "caption": "two of them"}),
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "some.csv is empty: its first line must name the columns video and caption."),
        ("video,text\n", "some.csv: the first line must name the columns video and caption; caption is missing."),
        ("x,video,video\n", "some.csv, line 1: two columns have the name video; rename one of them, or take it away."),
        ("video,caption\na,b\nc\n", "some.csv, line 3: the row has 1 cell where 2 are needed."),
        ('video,caption\na,b\n\nc,"open\nd,e\n', "some.csv, line 4: the quote that opens here is never closed."),
        ("video,caption\na,b\0c\n", "some.csv holds zero bytes, so it is no text; save it as a CSV file anew."),
    ],
)  # fmt: skip
def test_what_is_no_table_is_said_in_one_sentence(text, sentence):
    with pytest.raises(ValueError) as caught:
        rows(text)
    assert str(caught.value) == sentence


def test_an_endless_cell_is_said_in_one_sentence():
    with pytest.raises(ValueError, match=r"^some.csv, line 2: this is no row of a CSV file .*\.$"):
        rows('video,caption\na,"' + 200_000 * "x")


def test_short_rows_may_be_left_out():
    said: list[str] = []
    assert [line for line, _ in rows("video,caption\na\nb,c\n", short=said.append)] == [3]
    assert said == ["some.csv, line 2: the row has 1 cell where 2 are needed."]


def test_other_encodings_are_named(tmp_path):
    file = tmp_path / "captions.csv"
    file.write_bytes(b"video,caption\na.mp4,ok\nb.mp4,caf\xe9\n")
    with pytest.raises(
        ValueError, match=r"captions.csv, line 3: this is not UTF-8 text; save the file as UTF-8.$"
    ):
        read_utf8(file)


def test_the_tables_that_used_to_fail(realdata, tmp_path):
    failing = realdata / "failing"
    for name, line in (("captions-open-quote", 2), ("captions-short-row", 2)):
        file = failing / f"{name}.csv"
        with pytest.raises(ValueError, match=rf"{name}.csv, line {line}: "):
            list(read_table(file, read_utf8(file), ("video", "caption")))
    with pytest.raises(ValueError, match=r"captions-latin1.csv, line 2: this is not UTF-8"):
        read_utf8(failing / "captions-latin1.csv")
    with pytest.raises(ValueError, match=r"queries-short-row.csv, line 3: the row has 1 cell"):
        read_queries(failing / "queries-short-row.csv", ["clip1", "clip2"])
    with pytest.raises(ValueError, match=r"MSRVTT_JSFUSION_test.csv, line 2: the row has 2 cells"):
        read("msrvtt", failing, "test")
    table = failing / "table-line-separators.csv"
    captions = read("csv", table, "test").captions
    whole = pandas.read_csv(table)["caption"]
    assert len(captions) == 4 and list(captions) == [" ".join(text.split()) for text in whole]


def test_queries_of_a_file_have_the_limit_of_a_query(tmp_path):
    (tmp_path / "queries.csv").write_text(f"video,query\nclip1,short\nclip2,{'x' * (MOST_CHARACTERS + 1)}\n")
    with pytest.raises(ValueError, match=r"queries.csv, line 3: The query has 2,001 characters"):
        read_queries(tmp_path / "queries.csv", ["clip1", "clip2"])
    with pytest.raises(ValueError, match=r"line 2: the gallery does not have the video 'clip1'"):
        read_queries(tmp_path / "queries.csv", ["other"])
    (tmp_path / "captions.txt").write_text(f"{'y' * 3000}\n")
    assert read_captions(tmp_path / "captions.txt") == ["y" * MOST_CHARACTERS]
