"""How good probabilities and scores are.

match: whether a candidate fits its query, float (0, 1).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from diffusionret.metrics import Interval, bootstrap_interval, reliability

Numbers = Float[Tensor, "query candidate"]
RESAMPLES = 300


def log_loss(probability: Tensor, match: Tensor) -> Tensor:
    """Cross entropy in nats a candidate; probabilities count as 0.001 at least, 0.999 at most."""
    return binary_cross_entropy(probability.double().clamp(0.001, 0.999), match.double())


def calibration(probability: Tensor, match: Tensor) -> dict:
    """Expected calibration error of probabilities, [query] or [query candidate], with its interval over queries."""
    claims, truth = probability.double().cpu().numpy(), match.double().cpu().numpy()

    def error(rows: np.ndarray) -> float:
        rows = rows.astype(int)
        return reliability(claims[rows], truth[rows]).error

    interval = bootstrap_interval(np.arange(len(claims)), error, resamples=RESAMPLES)
    return {"calibration_error": interval.estimate, "interval": [interval.low, interval.high]}


def first(probability: Numbers, match: Numbers) -> tuple[Tensor, Tensor]:
    """The probability of the most probable candidate, and whether it matches; [query]."""
    best = probability.max(dim=1)
    return best.values, match.gather(1, best.indices[:, None])[:, 0]


def auroc(present: np.ndarray, absent: np.ndarray) -> float:
    """How often an absent query scores higher than a present one; ties count half."""
    ordered = np.sort(present)
    below = np.searchsorted(ordered, absent, "left") + np.searchsorted(ordered, absent, "right")
    return float(below.mean() / (2 * len(present)))


def auroc_interval(present: np.ndarray, absent: np.ndarray, against: tuple | None = None) -> Interval:
    """Of scores [query] of the same queries with and without their matches. against: the same two of another score,
    whose AUROC is then taken off, query by query the same resample."""

    def of(rows: np.ndarray) -> float:
        rows = rows.astype(int)
        value = auroc(present[rows], absent[rows])
        return value - auroc(against[0][rows], against[1][rows]) if against else value

    return bootstrap_interval(np.arange(len(present)), of, resamples=RESAMPLES)
