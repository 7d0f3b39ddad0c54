"""What a search says of visitors' queries: the first result, and whether a match is claimed, hedged or denied.

With every clip that fits in the gallery, and with all of these taken out of it. The reader corrects typing errors and
takes words for the grammar's; `without_test_words` makes one that has never heard of the test words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from diffusionret import Retriever
from diffusionret.datasets.storybook import truth, world
from diffusionret.datasets.storybook.words import words
from diffusionret.lexicon import Lexicon
from diffusionret.ood.report import rule_of
from diffusionret.reading import Reader

from .filling import VisitorQuery
from .measurement import group, macro

KINDS = ("match", "unsure", "none")


class Outcome(NamedTuple):
    """Of each query: whether its first result fits, what is said with its matches there, and without them; KINDS."""

    hit: np.ndarray
    there: np.ndarray
    gone: np.ndarray


def without_test_words(reader: Reader) -> Reader:
    """A reader of the same model to which the words of the test split are new."""
    return Reader(Lexicon([row for row in words() if row.split != "test"]), None, reader.words)


def outcomes(retriever: Retriever, queries: Sequence[VisitorQuery], scenes: Sequence[world.Scene]) -> Outcome:
    """What a search says. scenes: of the clips of the gallery, in its order."""
    fits = truth.fit_matrix(queries, scenes)
    odds = retriever.detector.odds
    assert odds is not None
    results = retriever.search_many([query.text for query in queries], k=1)
    positions = [retriever.gallery.position(result.hits[0].id) if result.hits else -1 for result in results]
    hit = np.array([p >= 0 and fits[i, p] for i, p in enumerate(positions)])
    there = np.array([_kind(result.verdict.kind) if result.verdict else "none" for result in results])
    gone = np.full(len(queries), "none", dtype=object)
    scored = [i for i, result in enumerate(results) if not rule_of(result.reading)]
    if scored:
        scores = retriever.scores(
            [results[i].reading for i in scored], torch.from_numpy(fits[scored]), forms=()
        )
        for i, none in zip(scored, odds.none(scores, retriever.inspector.absent).tolist(), strict=True):
            gone[i] = odds.verdict(none).kind
    return Outcome(hit, there, gone)


def _kind(kind: str) -> str:
    """Who reads nothing denies."""
    return "none" if kind == "unreadable" else kind


def verdict_row(queries: Sequence[VisitorQuery], found: Outcome, scenes: Sequence[world.Scene]) -> dict:
    """Percentages of one kind of query, with intervals over words where the kind is of unseen words, else templates.

    first_true, denied, hedged: of the queries that have a match, with it in the gallery. claimed, hedged_without: of
    all queries, without any match.
    """
    some = truth.fit_matrix(queries, scenes).any(axis=1)
    kind = queries[0].kind
    units = np.array([q.word if kind.startswith("unseen") else q.template for q in queries], dtype=object)
    row: dict = {"kind": kind, "group": group(kind), "queries": len(queries)}
    if some.any():
        for name, values in (
            ("first_true", found.hit), ("denied", found.there == "none"), ("hedged", found.there == "unsure"),
        ):  # fmt: skip
            row[name], row[f"{name} 95 %"] = macro(values[some], units[some].tolist())
    for name, values in (("claimed", found.gone == "match"), ("hedged_without", found.gone == "unsure")):
        row[name], row[f"{name} 95 %"] = macro(values, units.tolist())
    return row
