"""The table of detectors on the test sets."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from . import sets
from .bootstrap import bootstrap_auroc, interval
from .combination import Weights, value
from .merit import aupr, auroc, miss
from .scoring import Scores


def table(
    detectors: Mapping[str, Weights], scored: Mapping[str, Scores], weights: dict[str, np.ndarray]
) -> tuple[list[dict], dict[str, np.ndarray]]:
    """A row a detector, and its replicates of the endpoint.

    detectors: weights by name. scored: scores by set. weights: the bootstrap's [replicate query], by set.
    """
    kinds = [name for name in scored if name not in sets.CALM]
    rows, draws = [], {}
    for name, chosen in detectors.items():
        values = {kind: value(part, chosen) for kind, part in scored.items()}
        base = values[sets.ORDINARY]
        each = {kind: auroc(values[kind], base) for kind in kinds}
        draws[name] = np.mean(
            [bootstrap_auroc(values[k], base, weights[k], weights[sets.ORDINARY]) for k in sets.PRIMARY],
            axis=0,
        )
        worst = min(each, key=lambda kind: each[kind])
        rows.append(
            {
                "detector": name,
                "endpoint": np.mean([each[k] for k in sets.PRIMARY]),
                "interval": interval(draws[name]),
                "in vocabulary": np.mean([each[k] for k in sets.IN_VOCABULARY]),
                "macro": np.mean(list(each.values())),
                "worst": f"{worst} {each[worst]:.3f}",
                "AUPR out": np.mean([aupr(values[k], base) for k in sets.PRIMARY]),
                "AUPR in": np.mean([aupr(-base, -values[k]) for k in sets.PRIMARY]),
                "miss at 5 %": np.mean([miss(values[k], base) for k in sets.PRIMARY]),
                "alarms, shifted": 1 - miss(values[sets.SHIFTED], base),
                sets.PRESENT: auroc(values[sets.PRESENT], base),
                **each,
            }
        )
    return [rounded(row) for row in rows], draws


def rounded(row: dict) -> dict:
    """The row with its numbers to four digits."""
    return {k: round(float(v), 4) if isinstance(v, float | np.floating) else v for k, v in row.items()}


def prevalence(unusual: Scores, usual: Scores) -> float:
    """Share of unusual queries in both sets together: the AUPR of a score that tells nothing."""
    counts = [len(next(iter(part.values()))) for part in (unusual, usual)]
    return counts[0] / sum(counts)
