"""False alarms over fresh queries, and after a gallery has changed, beside queries of all lengths."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.stats import betabinom

from diffusionret import Retriever
from diffusionret.calibrate import halves
from diffusionret.ood.conformal import ALPHA, p_values

from . import sets
from .combination import Weights, value
from .scoring import arrays, progress


def band(n: int, m: int, alpha: float) -> tuple[int, int]:
    """Where 90 % of counts of false alarms lie: m fresh queries against n, continuous scores."""
    larger = math.floor(alpha * (n + 1) + 1e-9)
    low, high = betabinom.ppf((0.05, 0.95), m, larger, n + 1 - larger)
    return int(low), int(high)


def false_alarms(
    retriever: Retriever, scenes: Sequence, weights: dict[str, Weights], draws: int, n: int, m: int
) -> tuple[dict, dict[str, list[float]]]:
    """False alarms over independent draws of fresh ordinary queries.

    scenes: of the gallery's clips. weights: weights of both answers. n, m: calibration and test queries of a draw.

    Returns a row a kind of alarm with its counts against their band, and all p-values by answer.
    """
    rng = np.random.default_rng(0)
    kinds = ("familiar, new scenes", "familiar", "match")
    counts: dict[str, list[int]] = {kind: [] for kind in kinds}
    seen: dict[str, list[float]] = {"familiar": [], "match": []}
    for draw in range(draws):
        queries = sets.fresh(scenes, n + m, rng)
        scored = arrays(retriever.scores(queries, forms=()))
        p = {a: split_p_values(value(scored, weights[a]), n) for a in ("familiar", "match")}
        texts = sets.fresh_scenes(n + m, rng)
        alone = split_p_values(value(arrays(retriever.scores(texts, forms=())), weights["familiar"]), n)
        flags = {name: found <= ALPHA + 1e-12 for name, found in p.items()}
        counts["familiar, new scenes"].append(int((alone <= ALPHA + 1e-12).sum()))
        for name in flags:
            counts[name].append(int(flags[name].sum()))
        seen["familiar"] += alone.tolist()
        seen["match"] += p["match"].tolist()
        progress(f"false alarms: draw {draw + 1} of {draws}")
    rows = {}
    for kind in kinds:
        low, high = band(n, m, ALPHA)
        inside = sum(low <= count <= high for count in counts[kind])
        rows[kind] = {
            "mean %": round(100 * float(np.mean(counts[kind])) / m, 2), "band of counts": [low, high],
            "draws inside": inside, "of": draws, "n": n, "m": m,
        }  # fmt: skip
    return rows, seen


def split_p_values(values: np.ndarray, n: int) -> np.ndarray:
    """p-values of all but the first n, calibrated on the first n."""
    return p_values(values[:n], values[n:])


def swap_alarms(retriever: Retriever, scenes: Sequence, weights: Weights) -> dict:
    """Percent of false alarms among ordinary queries of half a gallery, calibrated on the whole of it and on that half.

    scenes: of the whole gallery's clips. weights: weights of the answer about the gallery.
    """
    half, rest = halves(len(scenes))
    part = sets.ordinary("swap", scenes, half, 2)
    without = torch.zeros(len(part.texts), len(scenes), dtype=torch.bool)
    without[:, rest.tolist()] = True
    now = value(arrays(retriever.scores(part.texts, without, ())), weights)
    whole = sets.ordinary("whole", scenes, range(len(scenes)), 1)
    stale = value(arrays(retriever.scores(whole.texts, forms=())), weights)
    even = np.array(part.unit) % 2 == 0
    alarms = {"stale": p_values(stale, now[~even]), "refreshed": p_values(now[even], now[~even])}
    return {name: round(100 * float((p <= ALPHA + 1e-12).mean()), 2) for name, p in alarms.items()}
