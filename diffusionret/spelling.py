"""Spelling: which word of a lexicon a word that nobody knows was meant to be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import NamedTuple

from .datasets.storybook.dictionary import english

LEAST, LONG = 4, 8  # letters: of a word that is corrected, and from which on two of them may be wrong
MOST = 30  # letters of a word that is looked at
FAR = 2  # edits, at most


class Suggestion(NamedTuple):
    """A word of the lexicon for a word that was typed. sure: whether a search may take it unasked."""

    word: str
    sure: bool


class Spelling:
    """The words of a lexicon, by how they are spelled. The tables are made when first needed: few queries need them."""

    def __init__(self, *tiers: Mapping[str, Collection[int]], silent: Collection[str] = ()) -> None:
        """tiers: lower-case words by rank, the likeliest first, each with what it is a form of: two forms of one word
        are no two answers. Words of the last tier are offered only. silent: words that say nothing; none is an answer,
        and where one is nearer than any answer, none is sure.
        """
        self._tiers, self._silent = tiers, silent

    @cached_property
    def _table(self):
        from symspellpy import SymSpell

        table = SymSpell(FAR)
        for word in dict.fromkeys([*(word for tier in self._tiers for word in tier), *self._silent]):
            table.create_dictionary_entry(word, 1)
        return table

    def suggestion(self, word: str) -> Suggestion | None:
        """What a word in lower case was meant to be, None where nothing lies near.

        Sure is a word that is in no English dictionary and has one word of the likeliest tier within a Damerau distance
        of 1, from LONG letters on of 2. In a word of four letters, and in one of the dictionary, the first one is taken
        as right: "nite" is no kite, "foggy" not doggy.
        """
        from symspellpy import Verbosity

        if not 3 <= len(word) <= MOST or not word.isalpha():
            return None
        known = word in english()
        reach = 1 if known or len(word) <= LEAST else FAR
        near = {item.term: item.distance for item in self._table.lookup(word, Verbosity.ALL, reach)}
        if known or len(word) <= LEAST:
            near = {term: distance for term, distance in near.items() if term[0] == word[0]}
        # (distance, tier) of the answers: of two at one distance the likelier tier wins.
        ranks = {
            term: (distance, tier)
            for term, distance in near.items()
            if (tier := self._tier(term)) is not None and not (known and tier)
        }
        if not ranks or min(near.values()) == 0:
            return None
        distance, tier = min(ranks.values())
        forms = self._tiers[tier]
        best = [term for term, rank in ranks.items() if rank == (distance, tier)]
        roots = set.intersection(*(set(forms[term]) for term in best))
        if not roots and (known or distance > 1):
            return None  # one of many would be a guess
        allowed = max(2 if len(word) >= LONG else 1, distance)
        alike = [t for t, (d, r) in ranks.items() if d <= allowed and r == tier and roots & set(forms[t])]
        plural = word.endswith("s")
        chosen = min(alike or best, key=lambda term: (term.endswith("s") != plural, ranks[term], term))
        nearest = distance == min(near.values())
        within = distance <= (2 if len(word) >= LONG else 1) and len(word) >= LEAST
        last = tier == len(self._tiers) - 1 > 0
        return Suggestion(chosen, bool(roots) and not known and nearest and within and not last)

    def _tier(self, word: str) -> int | None:
        return next((rank for rank, tier in enumerate(self._tiers) if word in tier), None)
