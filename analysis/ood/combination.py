"""Scores, single or weighed together, as detectors; which one to take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

from .merit import auroc
from .scoring import Scores

Weights = dict[str, float]


def fit(names: Sequence[str], usual: Scores, unusual: Sequence[Scores], strength: float = 1.0) -> Weights:
    """Weights >= 0 of a logistic regression of unusual against ordinary, every kind of unusual counting the same.

    Not below zero, so that more of any score never makes a query look more ordinary. Ridge of `strength` on
    standardised scores. The weights are for raw scores.
    """
    parts = [np.stack([part[name] for name in names], axis=1) for part in (usual, *unusual)]
    scale = np.concatenate(parts).std(axis=0)
    scale[scale < 1e-9] = 1.0
    mean = parts[0].mean(axis=0)
    x = np.concatenate([(part - mean) / scale for part in parts])
    sign = np.r_[-np.ones(len(parts[0])), np.ones(len(x) - len(parts[0]))]
    shares = [1 / len(parts[0])] + [1 / len(part) / (len(parts) - 1) for part in parts[1:]]
    share = np.concatenate([np.full(len(part), s) for part, s in zip(parts, shares, strict=True)])

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (x @ w[:-1] + w[-1])
        slope = -sign * share / (1 + np.exp(np.clip(margin, -500, 500)))
        ridge = strength / len(x)
        value = (share * np.logaddexp(0, -margin)).sum() + ridge * (w[:-1] ** 2).sum() / 2
        return value, np.r_[x.T @ slope + ridge * w[:-1], slope.sum()]

    bounds = [(0, None)] * len(names) + [(None, None)]
    found = minimize(loss, np.zeros(len(names) + 1), jac=True, bounds=bounds, method="L-BFGS-B").x[:-1]
    return {n: float(w / s) for n, w, s in zip(names, found, scale, strict=True) if w / s > 1e-9}


def value(scored: Scores, weights: Weights) -> np.ndarray:
    """The weighted sum of the scores, [query]; larger is more unusual."""
    return sum((w * scored[name] for name, w in weights.items()), np.zeros(len(next(iter(scored.values())))))


def choose(
    names: Sequence[str], usual: Scores, unusual: Sequence[Scores]
) -> tuple[Weights, dict[str, float]]:
    """The single score or the combination with the best mean AUROC over validation kinds.

    names: the scores to choose from. usual, unusual: scores of ordinary queries, and of each unusual kind.

    Returns the weights of the winner, and the mean AUROC of every single score and of the combination.
    """
    tried = {name: {name: 1.0} for name in names} | {"combined": fit(names, usual, unusual)}
    found = {
        name: float(np.mean([auroc(value(kind, w), value(usual, w)) for kind in unusual]))
        for name, w in tried.items()
    }
    return tried[max(found, key=lambda name: found[name])], found


def describe(weights: Weights) -> str:
    """A detector in words."""
    if len(weights) == 1:
        return next(iter(weights))
    return " + ".join(f"{w:.3g} {name}" for name, w in weights.items())
