"""LSMDC 2016 (Rohrbach et al., IJCV 2017): clips of films with one sentence each; test = the 1,000 of the challenge.

The files are tab-separated, without a head: clip id, start aligned, end aligned, start extracted, end extracted,
sentence. A clip lies in <film>/<clip id>.avi. Annotations and videos need an agreement with the authors.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .captioned import Captioned, Clip, annotation, collect, malformed, pick, read_text

FILES = {
    "train": "LSMDC16_annos_training.csv",
    "val": "LSMDC16_annos_val.csv",
    "test": "LSMDC16_challenge_1000_publictect.csv",
}
COLUMNS = 6


def read(folder: str | Path, split: str) -> Captioned:
    """Splits train, val and test."""
    return collect("lsmdc", split, _pairs(annotation(folder, pick(split, FILES, "lsmdc"))))


def _pairs(file: Path) -> Iterator[tuple[Clip, str]]:
    # Not the csv module: quotation marks are part of the sentences. Line ends are those of text files only, since
    # sentences may hold other characters that str.splitlines takes for them.
    for number, line in enumerate(read_text(file).replace("\r\n", "\n").split("\n"), 1):
        if not line.strip():
            continue
        parts = line.split("\t")
        if len(parts) != COLUMNS:
            raise malformed(file, f"{COLUMNS} columns between tabs, not {len(parts)} as in line {number}")
        yield Clip(parts[0].strip()), parts[-1]
