"""What the pictures are drawn from: ROC curves of the best detectors, and quantiles of p-values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from . import sets
from .combination import Weights, value
from .merit import roc
from .scoring import Scores


def curves(
    best: Mapping[str, str],
    detectors: Mapping[str, Weights],
    scored: Mapping[str, Scores],
    p: Mapping[str, Sequence[float]],
    n: int,
    m: int,
) -> dict:
    """Curves for `figures`.

    best: the detector that stands for each group of scores. detectors: the weights of each. scored: scores by set.
    p: p-values of ordinary queries by answer, of draws of n calibration and m test queries.
    """
    usual = scored[sets.ORDINARY]
    return {
        "roc": {
            f"{group}: {name}": {
                kind: roc(value(scored[kind], detectors[name]), value(usual, detectors[name]))
                for kind in sets.PRIMARY
            }
            for group, name in best.items()
        },
        "p": {
            name: [round(v, 4) for v in np.quantile(values, np.linspace(0, 1, 101))]
            for name, values in p.items()
        },
        "n": n,
        "m": m,
    }
