"""The bootstrap over queries: replicates, intervals and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .merit import wins


def replicates(units: Mapping[str, Sequence[object]], count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Bootstrap weights [replicate query] of every set. Units of one name are drawn together across sets."""
    rng = np.random.default_rng(seed)
    names = sorted({str(unit) for part in units.values() for unit in part})
    place = {name: i for i, name in enumerate(names)}
    groups: dict[frozenset, list[str]] = {}
    for name, part in units.items():  # sets that share units are drawn from the union of them
        groups.setdefault(frozenset(str(u).split(" ")[0] for u in part), []).append(name)
    weights: dict[str, np.ndarray] = {}
    for members in groups.values():
        own = sorted({place[str(u)] for name in members for u in units[name]})
        drawn = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=count)
        column = {unit: i for i, unit in enumerate(own)}
        for name in members:
            weights[name] = drawn[:, [column[place[str(u)]] for u in units[name]]].astype(np.float32)
    return weights


def bootstrap_auroc(
    unusual: np.ndarray, usual: np.ndarray, w_unusual: np.ndarray, w_usual: np.ndarray
) -> np.ndarray:
    """AUROC of every replicate."""
    won = wins(unusual, usual).astype(np.float32)
    total = np.maximum(w_unusual.sum(axis=1) * w_usual.sum(axis=1), 1)
    return ((w_unusual @ won) * w_usual).sum(axis=1) / total


def interval(values: np.ndarray) -> list[float]:
    """The middle 95 % of replicates."""
    return [round(float(v), 4) for v in np.quantile(values, (0.025, 0.975))]


def difference(draws: Mapping[str, np.ndarray], rows: Sequence[dict], one: str, other: str) -> dict:
    """Endpoint of `one` minus that of `other`, paired over replicates, with a two-sided bootstrap p."""
    found = {row["detector"]: row["endpoint"] for row in rows}
    apart = draws[one] - draws[other]
    p = min(1.0, 2 * (1 + min((apart <= 0).sum(), (apart >= 0).sum())) / (len(apart) + 1))
    return {
        "comparison": f"{one} against {other}", "difference": round(found[one] - found[other], 4),
        "95 %": interval(apart), "p": round(float(p), 4),
    }  # fmt: skip
