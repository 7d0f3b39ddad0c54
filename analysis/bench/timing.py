"""Seconds, measured: medians, and contenders that take turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch


def seconds(work: Callable[[], object]) -> float:
    """Seconds of `work`, the GPU's part of it included."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    begun = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def median(work: Callable[[], object], at_least: int = 5, budget: float = 1.0) -> float:
    """Median seconds of `work`, repeated for `budget` seconds, after one unmeasured time."""
    work()
    taken: list[float] = []
    while len(taken) < at_least or sum(taken) < budget:
        taken.append(seconds(work))
        if sum(taken) > 10 * budget:
            break
    return statistics.median(taken)


def side_by_side(
    plain: Callable[[], object], faster: Mapping[str, Callable[[], object]], budget: float
) -> dict[str, float]:
    """Median seconds of the plain one and of others, which take turns; of a much faster one several times a turn. All
    must have run before. A turn takes as long as it takes, after `budget` seconds of the plain one none begins."""
    taken: dict[str, list[float]] = {"plain": [], **{name: [] for name in faster}}
    while sum(taken["plain"]) < budget and sum(map(sum, taken.values())) < 3 * budget:
        taken["plain"].append(seconds(plain))
        for name, work in faster.items():
            first = seconds(work)
            times = min(int(taken["plain"][-1] / max(first, 1e-9) / 4), 20)
            taken[name] += [seconds(work) for _ in range(times)] or [first]
    return {name: statistics.median(times) for name, times in taken.items()}
