"""Figures of merit of a score that should tell unusual queries from ordinary ones."""

from __future__ import annotations

import math

import numpy as np

from diffusionret.ood.conformal import ALPHA


def auroc(unusual: np.ndarray, usual: np.ndarray) -> float:
    """P(an unusual query scores higher than an ordinary one), ties count half."""
    return float(wins(unusual, usual).mean())


def wins(unusual: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """1 where the unusual query scores higher than the ordinary one, 0.5 for a tie, else 0; [unusual usual]."""
    return (np.sign(unusual[:, None] - usual[None, :]) + 1) / 2


def aupr(positive: np.ndarray, negative: np.ndarray) -> float:
    """Average precision of finding `positive`, by larger scores; ties are ranked together."""
    from sklearn.metrics import average_precision_score

    labels = np.r_[np.ones(len(positive)), np.zeros(len(negative))]
    return float(average_precision_score(labels, np.r_[positive, negative]))


def miss(unusual: np.ndarray, usual: np.ndarray, alarms: float = ALPHA) -> float:
    """Share of unusual queries that stay below the score which at most a share `alarms` of ordinary ones reach."""
    ordered = np.sort(usual)[::-1]
    return float((unusual <= ordered[min(math.floor(alarms * len(usual)), len(usual) - 1)]).mean())


def roc(unusual: np.ndarray, usual: np.ndarray, points: int = 60) -> list[list[float]]:
    """False alarms and hits along the thresholds, thinned."""
    cuts = np.unique(np.quantile(np.r_[usual, unusual], np.linspace(0, 1, points)))[::-1]
    pairs = [
        [0.0, 0.0],
        *([float((usual >= c).mean()), float((unusual >= c).mean())] for c in cuts),
        [1.0, 1.0],
    ]
    return [[round(v, 4) for v in pair] for pair in pairs]
