"""MSR-VTT (Xu et al., CVPR 2016): 10,000 clips with 20 captions each.

Three protocols share the test names: "msrvtt", the 1k-A split (Yu et al. 2018; 1,000 pairs) with the 9,000
training videos that are not in it, "msrvtt-7k", the same test with the 7,010 of Miech et al. 2019, and
"msrvtt-full", the official 6,513 / 497 / 2,990 with all 20 captions.

    MSRVTT_JSFUSION_test.csv     key, vid_key, video_id, sentence
    MSRVTT_train.9k.csv, .7k.csv video_id
    MSRVTT_data.json             {"videos": [{video_id, split}], "sentences": [{video_id, caption}]}
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..tables import read_table
from .captioned import Captioned, Clip, annotation, collect, malformed, pick, read_json, read_text

OFFICIAL = {"train": "train", "val": "validate", "test": "test"}  # as MSRVTT_data.json calls them


def read_9k(folder: str | Path, split: str) -> Captioned:
    """The 1k-A protocol; splits train (9,000 videos) and test (1,000 pairs)."""
    return _one_thousand(folder, split, "msrvtt", "MSRVTT_train.9k.csv")


def read_7k(folder: str | Path, split: str) -> Captioned:
    """As `read_9k` with the 7,010 training videos."""
    return _one_thousand(folder, split, "msrvtt-7k", "MSRVTT_train.7k.csv")


def read_full(folder: str | Path, split: str) -> Captioned:
    """The official splits train, val and test, every caption a query."""
    official = pick(split, OFFICIAL, "msrvtt-full")
    file = annotation(folder, "MSRVTT_data.json", "MSRVTT_data*.json")
    content = read_json(file)
    try:
        listed = [video["video_id"] for video in content["videos"] if video["split"] == official]
    except (KeyError, TypeError):
        raise _no_data(file) from None
    return collect("msrvtt-full", split, _sentences(file, content, set(listed)), listed)


def _one_thousand(folder: str | Path, split: str, name: str, train: str) -> Captioned:
    file = annotation(folder, pick(split, {"train": train, "test": "MSRVTT_JSFUSION_test.csv"}, name))
    columns = ("video_id", "sentence") if split == "test" else ("video_id",)
    rows = [row.cells for row in read_table(file, read_text(file), columns)]
    listed = [row["video_id"] for row in rows]
    if split == "test":
        return collect(name, split, [(Clip(row["video_id"]), row["sentence"]) for row in rows])
    data = annotation(folder, "MSRVTT_data.json", "MSRVTT_data*.json")
    return collect(name, split, _sentences(data, read_json(data), set(listed)), listed)


def _sentences(file: Path, content: dict, videos: set[str]) -> Iterator[tuple[Clip, str]]:
    try:
        for sentence in content["sentences"]:
            if sentence["video_id"] in videos:
                yield Clip(sentence["video_id"]), sentence["caption"]
    except (KeyError, TypeError):
        raise _no_data(file) from None


def _no_data(file: Path) -> ValueError:
    return malformed(file, "videos with video_id and split, sentences with video_id and caption")
