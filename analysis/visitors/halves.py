"""The two halves of the visitors' list: templates and words, drawn once."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

from diffusionret.datasets.storybook.words import Word, words

HALVES = ("work", "reserved")
FILE = Path(__file__).with_name("list.json")
UNSEEN = {"noun": "subject", "colour": "colour", "place": "place", "movement": "motion"}
T = TypeVar("T")


def half(items: Sequence[T], which: str, seed: str) -> list[T]:
    """One half of some items; both together are all of them. which: of HALVES; a single item belongs to both."""
    order = list(range(len(items)))
    random.Random(f"visitors {seed}").shuffle(order)
    middle = (len(order) + 1) // 2
    chosen = order[:middle] if which == "work" else order[middle:] or order
    return [items[i] for i in sorted(chosen)]


@cache
def templates(which: str) -> dict[str, list[str]]:
    """Templates by kind."""
    listed = json.loads(FILE.read_text(encoding="utf-8"))["templates"]
    return {kind: half(lines, which, kind) for kind, lines in listed.items()}


@cache
def unseen(which: str, what: str) -> list[Word]:
    """Words of the test split that no training text holds. what: of UNSEEN, "lacking noun" or "lacking colour".
    Movements are what one actor does or two do."""
    if what.startswith("lacking"):
        name = "colour" if what.endswith("colour") else "subject"
        return half(words(split="test", kind="lacks", attribute=name), which, what)
    found = words(split="test", kind="says", attribute=UNSEEN[what])
    if what == "movement":
        found = (*found, *words(split="test", kind="says", attribute="relation"))
    return half(found, which, what)
