"""Placement: which word of the grammar a model puts another word beside, where that is right for nine in ten."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from .datasets.storybook.words import Word
from .gallery import fingerprint
from .hub import BUNDLED
from .lexicon import Lexicon
from .model import DiffusionRet

FILE = "lexicon.json"
PRECISION = 0.9  # of the calibration words that are placed: right
LEAST = 20  # calibration words that a threshold rests on
KEPT = 4096  # words whose places are remembered
BATCH = 64  # words encoded at a time


class Threshold(NamedTuple):
    """From which cosine on a place is claimed. Of the `of` calibration words `n` reach it, `precision` of them rightly;
    cosine: None where no threshold is right for nine in ten."""

    cosine: float | None
    precision: float
    n: int
    of: int

    def __str__(self) -> str:
        if self.cosine is None:
            return (
                f"no cosine places nine in ten of the {self.of} calibration words rightly, so none is placed"
            )
        return (
            f"of {self.of} calibration words {self.n} are placed, from a cosine of {self.cosine:.3f} on, "
            f"{self.precision:.0%} of them rightly"
        )


class Placement:
    """The grammar's words in the space of a model's end tokens. Nothing is encoded before a word is placed."""

    def __init__(self, model: DiffusionRet, lexicon: Lexicon, threshold: Threshold) -> None:
        self.model, self.lexicon, self.threshold = model, lexicon, threshold
        self._places: OrderedDict[str, str] = OrderedDict()

    @classmethod
    def open(cls, model: DiffusionRet, lexicon: Lexicon) -> Placement | None:
        """With the threshold stored beside the model; None where there is none for these very weights."""
        try:
            stored = json.loads((BUNDLED / model.config.name / FILE).read_text(encoding="utf-8"))
            threshold = Threshold(*(stored[name] for name in Threshold._fields))
            fits = bool(model.config.name) and stored["made_for"] == fingerprint(model)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return cls(model, lexicon, threshold) if fits and threshold.cosine is not None else None

    def save(self) -> Path:
        """Write the threshold beside the bundled model."""
        file = BUNDLED / self.model.config.name / FILE
        stored = {**self.threshold._asdict(), "made_for": fingerprint(self.model)}
        file.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")
        return file

    def place(self, word: str) -> str:
        """What the model takes a word for, in the grammar's words; "" where it puts it clearly beside none."""
        if word not in self._places:
            ((row, cosine),) = self.nearest([word])
            sure = self.threshold.cosine is not None and cosine >= self.threshold.cosine
            self._places[word] = self.lexicon.meaning(row) if sure else ""
            while len(self._places) > KEPT:
                self._places.popitem(last=False)
        return self._places[word]

    def nearest(self, words: Sequence[str]) -> list[tuple[Word, float]]:
        """The grammar's nearest word to each of `words`, and the cosine of their end tokens."""
        if not words:
            return []
        found = (self._directions(words) @ self._grammar.T).max(dim=1)
        rows = self.lexicon.grammar
        return [
            (rows[i], cosine) for i, cosine in zip(found.indices.tolist(), found.values.tolist(), strict=True)
        ]

    @cached_property
    def _grammar(self) -> Float[Tensor, "word dim"]:
        return self._directions([row.word for row in self.lexicon.grammar])

    @torch.no_grad()
    def _directions(self, texts: Sequence[str]) -> Float[Tensor, "text dim"]:
        parts = [
            self.model.encode_text(texts[start : start + BATCH]).cls for start in range(0, len(texts), BATCH)
        ]
        return normalize(torch.cat(parts).float().cpu(), dim=-1)


def fit(model: DiffusionRet, lexicon: Lexicon) -> Placement:
    """The lowest threshold that is right for nine in ten of the calibration words that reach it.

    The words that the world lacks and those that say nothing are among them: each place that these get is wrong.
    """
    placement = Placement(model, lexicon, Threshold(None, 0.0, 0, 0))
    words = [row for row in lexicon.rows if row.split == "calibration"]
    nearest = placement.nearest([row.word for row in words])
    placed = [(cosine, agree(near, row)) for row, (near, cosine) in zip(words, nearest, strict=True)]
    placement.threshold = lowest(placed)
    return placement


def lowest(placed: Iterable[tuple[float, bool]]) -> Threshold:
    """The lowest cosine from which on at least PRECISION of at least LEAST words are right.

    placed: (cosine, whether the place is right) of every word.
    """
    ranked = sorted(placed, key=lambda pair: -pair[0])
    best, right = Threshold(None, 0.0, 0, len(ranked)), 0
    for n, (cosine, correct) in enumerate(ranked, 1):
        right += correct
        tied = n < len(ranked) and ranked[n][0] == cosine
        if not tied and n >= LEAST and right / n >= PRECISION:
            best = Threshold(cosine, right / n, n, len(ranked))
    return best


def agree(claimed: Word, row: Word) -> bool:
    """Whether taking `row` for `claimed` is right: in every attribute that is claimed, they may share a value."""
    return row.kind == "says" and all(
        not values.isdisjoint(row.facts.get(attribute, frozenset()))
        for attribute, values in claimed.facts.items()
    )
