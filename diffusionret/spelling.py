"""Spelling: which word of a lexicon a word that nobody knows was meant to be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import NamedTuple

DICTIONARY = "frequency_dictionary_en_82_765.txt"  # comes with symspellpy
LEAST, LONG = 4, 8  # letters: of a word that is corrected, and from which on two of them may be wrong
MOST = 30  # letters of a word that is looked at
FAR = 2  # edits, at most


class Suggestion(NamedTuple):
    """A word of the lexicon for a word that was typed. sure: whether a search may take it unasked."""

    word: str
    sure: bool


class Spelling:
    """The words of a lexicon, by how they are spelled. The tables are made when first needed: most queries need none."""

    def __init__(self, words: Mapping[str, Collection[int]]) -> None:
        """words: lower-case words, each with what it is a form of: two forms of one word are no two answers. A word that
        is a form of nothing says nothing, and is no answer."""
        self._words = words

    @cached_property
    def _table(self):
        from symspellpy import SymSpell

        table = SymSpell(FAR)
        for word in self._words:
            table.create_dictionary_entry(word, 1)
        return table

    def suggestion(self, word: str) -> Suggestion | None:
        """What a word in lower case was meant to be, None where nothing lies near.

        Sure is a word that is in no English dictionary and has one word of the lexicon within a Damerau distance of 1,
        from LONG letters on of 2. In a word of four letters the first one is taken as right: "nite" is no kite.
        """
        from symspellpy import Verbosity

        if not 3 <= len(word) <= MOST or not word.isalpha():
            return None
        known = word in english()
        allowed = 2 if len(word) >= LONG else 1
        reach = 1 if known or len(word) <= LEAST else FAR
        near = {item.term: item.distance for item in self._table.lookup(word, Verbosity.ALL, reach)}
        if len(word) <= LEAST:
            near = {term: distance for term, distance in near.items() if term[0] == word[0]}
        content = {term: distance for term, distance in near.items() if self._words[term]}
        closest = min(content.values(), default=FAR + 1)
        if closest > min(near.values(), default=0) or closest == 0:
            return None  # nothing near, or a word that says nothing is nearer
        best = [term for term, distance in content.items() if distance == closest]
        root = set.intersection(*(set(self._words[term]) for term in best))
        if not root and (known or closest > 1):
            return None  # one of many would be a guess
        forms = [t for t, d in content.items() if d <= max(allowed, closest) and root & set(self._words[t])]
        plural = word.endswith("s")
        chosen = min(forms or best, key=lambda term: (term.endswith("s") != plural, content[term], term))
        return Suggestion(chosen, bool(root) and not known and len(word) >= LEAST and closest <= allowed)


@lru_cache(maxsize=1)
def english() -> frozenset[str]:
    """The words of an English dictionary in lower case, read once."""
    lines = (files("symspellpy") / DICTIONARY).read_text(encoding="utf-8-sig").splitlines()
    return frozenset(line.split(" ", 1)[0] for line in lines)
