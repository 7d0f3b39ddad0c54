"""What the two answers flag at their level, kind by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from diffusionret import Retriever
from diffusionret.ood.conformal import ALPHA, Calibration
from diffusionret.ood.scores import word_counts
from diffusionret.ood.verdict import MatchOdds
from diffusionret.reading import Reading

from . import sets
from .combination import Weights, value
from .scoring import CHANCE, Scores, arrays, over


def calibration(usual: Scores, weights: Weights) -> Calibration:
    """Ordinary queries as the calibration of an answer."""
    return Calibration(value(usual, weights), word_counts(usual), weights, {}, {}, {})


def flags(
    retriever: Retriever,
    written: Sequence[Reading],
    usual: Scores,
    scored: Mapping[str, Scores],
    weights: Mapping[str, Weights],
    odds: MatchOdds | None,
) -> dict[str, dict[str, np.ndarray]]:
    """What each p-value flags at alpha, and what the verdict denies, bool [query] by kind.

    written: ordinary queries that the answer about familiarity is calibrated on. usual: scores of the ordinary queries
    that the other one is calibrated on. scored: scores by set. weights: weights of both answers. odds: by which a
    verdict is given, None for none.
    """
    null = {
        "familiar": calibration(arrays(retriever.scores(written, forms=())), weights["familiar"]),
        "match": calibration(usual, weights["match"]),
    }
    found = {}
    for kind, part in scored.items():
        one = {}
        for name, usual_queries in null.items():
            pairs = zip(value(part, weights[name]).tolist(), word_counts(part).tolist(), strict=True)
            one[name] = np.array([usual_queries.p_value(*pair) <= ALPHA + 1e-12 for pair in pairs])
        found[kind] = {**one, "any unseen word": part["unseen"] > 0}
        if odds is not None:
            found[kind]["denied"] = 1 - part[CHANCE] < odds.low
    return found


def shares(
    flagged: Mapping[str, np.ndarray], kept: np.ndarray | slice = slice(None), missed: bool = False
) -> dict:
    """Percent of queries that each answer flags, or misses."""
    of = {name: found[kept].mean() for name, found in flagged.items()}
    return {name: round(100 * float(1 - share if missed else share), 1) for name, share in of.items()}


def calm(
    retriever: Retriever, tests: Sequence[sets.Sets], flagged: Mapping[str, Mapping[str, np.ndarray]]
) -> dict:
    """What should not be flagged, and whether it is worth its answers: how often its own clip is among the first 5."""
    rows = {}
    for part in tests:
        if part.name not in sets.CALM:
            continue
        library = over(retriever, part)
        results = library.search_many(part.texts, k=5)
        ids = library.gallery.ids
        own = [f"near {clip}" if part.gallery else ids[clip] for clip in part.unit]
        found = np.array([id in {hit.id for hit in r.hits} for id, r in zip(own, results, strict=True)])
        kinds = {part.name: slice(None)}
        if part.name == sets.SHIFTED:
            kinds = {kind: np.arange(len(own)) % len(sets.SHIFTS) == i for i, kind in enumerate(sets.SHIFTS)}
        for kind, kept in kinds.items():
            rows[kind] = shares({**flagged[part.name], "own clip among the first 5": found}, kept)
    return rows
