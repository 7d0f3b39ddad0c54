"""MSVD (Chen and Dolan, ACL 2011): 1,970 clips with some 40 captions each, all of them queries.

train_list.txt, val_list.txt, test_list.txt   a clip a line: 1,200, 100 and 670
raw-captions.pkl                              {clip: [[word, ...], ...]}, a pickle of plain values
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from .captioned import Captioned, Clip, annotation, collect, malformed, pick, read_lines

LISTS = {split: f"{split}_list.txt" for split in ("train", "val", "test")}


def read(folder: str | Path, split: str) -> Captioned:
    """Splits train, val and test. Raises ValueError for a pickle that holds more than plain values."""
    listed = read_lines(annotation(folder, pick(split, LISTS, "msvd")))
    file = annotation(folder, "raw-captions.pkl")
    captions = read_plain_pickle(file)
    try:
        pairs = [(Clip(v), " ".join(words)) for v in listed for words in captions.get(v, [])]
    except (AttributeError, TypeError):
        raise malformed(file, "a mapping from clips to lists of captions, each a list of words") from None
    return collect("msvd", split, pairs, listed)


class _Plain(pickle.Unpickler):
    """Builds texts, numbers, lists and mappings. A pickle that names anything to import or call is refused."""

    def find_class(self, module: str, name: str) -> object:
        raise pickle.UnpicklingError(f"it wants to import {module}.{name}")

    def persistent_load(self, pid: object) -> object:
        raise pickle.UnpicklingError("it refers to objects outside of itself")


def read_plain_pickle(file: Path) -> Any:
    """The content of a pickle of plain values; it cannot run anything. Raises ValueError for any other file."""
    with file.open("rb") as stream:
        try:
            return _Plain(stream, encoding="utf-8").load()
        except Exception as error:  # a broken stream raises many kinds
            raise ValueError(
                f"{file} is refused: it is no pickle of texts and lists alone ({error}); use the captions file that "
                "the MSVD splits are published with."
            ) from None
