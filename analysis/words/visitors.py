"""The words that visitors were expected to type, from their list: those go to the test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from diffusionret.datasets.storybook import world

from . import phrases
from .entry import Entry

LIST = Path(__file__).parents[1] / "visitors" / "list.json"


def read(path: Path = LIST) -> Iterator[Entry]:
    """The entries of a list's "words". Raises FileNotFoundError without it, ValueError for an unknown kind."""
    if not path.is_file():
        raise FileNotFoundError(f"The visitors' list {path} is not there: give its path with --visitors.")
    for kind, words in json.loads(path.read_text(encoding="utf-8"))["words"].items():
        yield from _kind(kind, words)


def _kind(kind: str, words: dict | list) -> Iterator[Entry]:
    if kind in ("lacking_noun", "lacking_colour"):
        lacks = {"lacking_noun": "subject", "lacking_colour": "colour"}[kind]
        for word in words:
            forms = phrases.entry("subject", (), word).forms if lacks == "subject" else ()
            yield Entry(word, forms, lacks=lacks, source="visitors")
        return
    if kind not in ("noun", "colour", "place", "movement") or not isinstance(words, dict):
        raise ValueError(f"The visitors' list has words of a kind {kind!r}, which is none of the word file.")
    for value, items in words.items():
        for item in items:
            if kind == "noun":
                yield phrases.entry("subject", (value,), item, "visitors")
            elif kind == "colour":
                yield phrases.entry("colour", (value,), item, "visitors")
            elif kind == "place":
                yield phrases.entry("place", (value,), f"{item['noun']} = {item['phrase']}", "visitors")
            else:
                attribute = "relation" if value in world.RELATIONS else "motion"
                yield phrases.entry(attribute, (value,), f"{item['finite']}|{item['gerund']}", "visitors")
