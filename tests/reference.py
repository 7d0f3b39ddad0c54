"""Slow twins: the same results written for reading, not for speed, to compare the package with."""

from __future__ import annotations

import itertools
import math

import numpy as np

# -- metrics -------------------------------------------------------------------------------------------


def rank_by_sorting(scores, targets: set[int]) -> float:
    """Rank of the first target in the sorted gallery, averaged over every order of the tied items."""
    best = max(scores[t] for t in targets)
    order = sorted(range(len(scores)), key=lambda item: -scores[item])
    ahead = [item for item in order if scores[item] > best]
    tied = [item for item in order if scores[item] == best]
    firsts = []
    for shuffled in itertools.permutations(tied):
        answer = [*ahead, *shuffled]
        firsts.append(1 + min(i for i, item in enumerate(answer) if item in targets))
    return sum(firsts) / len(firsts)


def ranks_by_sorting(similarity, targets) -> np.ndarray:
    wanted = [{int(t) for t in np.atleast_1d(target)} for target in targets]
    return np.array(
        [rank_by_sorting(list(row), w) for row, w in zip(np.asarray(similarity), wanted, strict=True)]
    )


def recall(ranks, k: int) -> float:
    return 100 * sum(rank <= k for rank in ranks) / len(ranks)


def dynamic_inverted_softmax(similarity, bank, beta: float, k: int) -> list[list[float]]:
    """QB-Norm as the paper writes it, entry by entry: probabilities for normalised rows, exp for the rest."""
    gallery = range(len(similarity[0]))
    active = {item for row in bank for item in sorted(gallery, key=lambda g: -row[g])[:k]}
    result = []
    for row in similarity:
        normalise = max(gallery, key=lambda g: row[g]) in active
        result.append(
            [
                math.exp(beta * row[g]) / (sum(math.exp(beta * b[g]) for b in bank) if normalise else 1)
                for g in gallery
            ]
        )
    return result
