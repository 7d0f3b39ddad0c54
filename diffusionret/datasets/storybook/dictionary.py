"""The English dictionary by which a typing error is told from a word."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

FILE = "frequency_dictionary_en_82_765.txt"  # comes with symspellpy


@cache
def english() -> frozenset[str]:
    """Its words in lower case, read once."""
    lines = (files("symspellpy") / FILE).read_text(encoding="utf-8-sig").splitlines()
    return frozenset(line.split(" ", 1)[0] for line in lines)
