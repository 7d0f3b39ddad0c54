"""An evaluation: similarity, generation, ranks."""

from __future__ import annotations

import statistics
import time

import torch

from diffusionret import DiffusionRet
from diffusionret.metrics import ranks
from diffusionret.sampling import warm_up

from .workload import OPEN_SET, STEPS, features, models


@torch.no_grad()
def evaluation(quick: bool) -> list[dict]:
    """All of an evaluation that follows the features: similarity, 32 candidates, 50 steps, ranks, both ways."""
    warm_up(wait=True)
    size = 200 if quick else 1000
    return [
        {"model": name, "generator": form, "texts": size, "videos": size} | evaluate(model, form, size)
        for name, model in models().items()
        for form in model.forms
    ]


def evaluate(model: DiffusionRet, form: str, size: int, steps: int = STEPS) -> dict[str, float]:
    """Seconds of the parts and of all of it: the median of three times, for the open-set generator of one."""
    text, video = features(model, size, size)
    noise = torch.randn(32, generator=torch.Generator().manual_seed(0)).expand(size, -1)
    parts: dict[str, list[float]] = {"similarity": [], "generation": [], "ranks": []}
    for _ in range(1 if form == OPEN_SET else 3):
        begun = time.perf_counter()
        similarity = model.similarity(text, video)
        matched = time.perf_counter()
        scores = {"t2v": similarity, "v2t": similarity.T.contiguous()}
        trajectories = {
            d: model.generate(text, video, s.topk(32).indices, d, steps=steps, noise=noise, form=form)
            for d, s in scores.items()
        }
        generated = time.perf_counter()
        for d, s in scores.items():
            ranks(s)
            ranks(model.rerank(s, trajectories[d]))
        ends = begun, matched, generated, time.perf_counter()
        for part, first, last in zip(parts, ends, ends[1:], strict=False):
            parts[part].append(last - first)
    row = {part: statistics.median(taken) for part, taken in parts.items()}
    return row | {"total": sum(row.values())}
