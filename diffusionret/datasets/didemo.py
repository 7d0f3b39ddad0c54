"""DiDeMo (Hendricks et al., ICCV 2017) as paragraph retrieval: all descriptions of a video are one query.

    train_data.json, val_data.json, test_data.json   [{"video", "description", ...}]
    train_list.txt, val_list.txt, test_list.txt      the videos that count, 8,392, 1,065 and 1,004

Annotators saw the first 30 seconds, so only those are looked at.
"""

from __future__ import annotations

from pathlib import Path

from .captioned import Captioned, Clip, annotation, collect, malformed, pick, read_json, read_lines

SPLITS = {split: (f"{split}_list.txt", f"{split}_data.json") for split in ("train", "val", "test")}
SECONDS = 30.0


def read(folder: str | Path, split: str) -> Captioned:
    """Splits train, val and test."""
    names, data = pick(split, SPLITS, "didemo")
    listed = read_lines(annotation(folder, names))
    file = annotation(folder, data)
    paragraphs: dict[str, list[str]] = {video: [] for video in listed}
    try:
        for entry in read_json(file):
            if entry["video"] in paragraphs:
                paragraphs[entry["video"]].append(entry["description"])
        pairs = [(Clip(video, 0.0, SECONDS), " ".join(texts)) for video, texts in paragraphs.items()]
    except (KeyError, TypeError):
        raise malformed(file, "a list of entries with video and description") from None
    return collect("didemo", split, pairs, listed)
