"""How good probabilities are, with intervals over clips.

Probabilities and truths are float64 arrays [query] or [query candidate], truths 0 or 1; clip [query]: units of the
bootstrap.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from diffusionret.metrics import Interval, bootstrap_interval

BINS, RESAMPLES, LEAST = 15, 300, 0.001


class Claims(NamedTuple):
    """probability, truth: see above; clip [query]."""

    probability: np.ndarray
    truth: np.ndarray
    clip: np.ndarray

    @classmethod
    def of(cls, probability: Tensor, truth: Tensor, clip: np.ndarray) -> Claims:
        return cls(probability.double().numpy(), truth.double().numpy(), clip)


def error(probability: np.ndarray, truth: np.ndarray, bins: int = BINS) -> float:
    """Root mean square distance between what is said and what comes true, over bins of equal mass, debiased: without
    what chance alone adds to it (Kumar et al. 2019, 1909.10155). Never below the mean distance but for that."""
    order = np.argsort(probability.ravel(), kind="stable")
    said, true = probability.ravel()[order], truth.ravel()[order]
    total = 0.0
    for place in np.array_split(np.arange(len(said)), min(bins, max(len(said) // 2, 1))):
        mean, share = said[place].mean(), true[place].mean()
        chance = share * (1 - share) / max(len(place) - 1, 1)
        total += len(place) / len(said) * ((mean - share) ** 2 - chance)
    return float(np.sqrt(max(total, 0.0)))


def log_loss(probability: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Nats of each; probabilities count as LEAST at least, 1 - LEAST at most."""
    p = probability.clip(LEAST, 1 - LEAST)
    return -(truth * np.log(p) + (1 - truth) * np.log(1 - p))


def brier(probability: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Squared distance of each."""
    return (probability - truth) ** 2


def over_clips(clip: np.ndarray, statistic) -> Interval:
    """The interval of a function of rows, int [query], over clips."""
    rows = np.arange(len(clip))
    return bootstrap_interval(
        rows, lambda chosen: statistic(chosen.astype(int)), resamples=RESAMPLES, groups=clip
    )


def calibration(claims: Claims) -> Interval:
    """Of `error`."""
    return over_clips(claims.clip, lambda rows: error(claims.probability[rows], claims.truth[rows]))


def ahead(claims: Claims, other: np.ndarray, loss=log_loss) -> Interval:
    """How much less a loss is by `claims` than by other probabilities of the same queries, paired."""
    gain = loss(other, claims.truth) - loss(claims.probability, claims.truth)
    gain = gain.reshape(len(gain), -1).mean(axis=1)
    return over_clips(claims.clip, lambda rows: float(gain[rows].mean()))


def first(probability: Tensor, match: Tensor) -> tuple[Tensor, Tensor]:
    """The probability of the most probable candidate, and whether it matches; [query]."""
    best = probability.max(dim=1)
    return best.values, match.gather(1, best.indices[:, None])[:, 0]
