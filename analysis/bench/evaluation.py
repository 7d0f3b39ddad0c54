"""An evaluation: similarity, generation, ranks."""

from __future__ import annotations

import statistics
import time

import torch

from diffusionret import DiffusionRet
from diffusionret.metrics import ranks
from diffusionret.sampling import warm_up

from .workload import STEPS, features, models


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
    """Seconds of the parts and of all of it: the median of three times. generation: samples, or the match head."""
    text, video = features(model, size, size)
    noise = torch.randn(32, generator=torch.Generator().manual_seed(0)).expand(size, -1)
    generator = model.choose(form)
    parts: dict[str, list[float]] = {"similarity": [], "generation": [], "ranks": []}

    def generated(scores: torch.Tensor, direction: str) -> torch.Tensor:
        chosen = scores.topk(32).indices
        match = generator.match(text, video, chosen, direction, scores)
        if match is not None:
            return scores.scatter_add(1, chosen, generator.config.alpha * match.probability)
        return model.rerank(
            scores, model.generate(text, video, chosen, direction, steps, noise=noise, form=form)
        )

    for _ in range(3):
        begun = time.perf_counter()
        similarity = model.similarity(text, video)
        matched = time.perf_counter()
        scores = {"t2v": similarity, "v2t": similarity.T.contiguous()}
        fused = [generated(s, direction) for direction, s in scores.items()]
        done = time.perf_counter()
        for matrix in (*scores.values(), *fused):
            ranks(matrix)
        ends = begun, matched, done, time.perf_counter()
        for part, first, last in zip(parts, ends, ends[1:], strict=False):
            parts[part].append(last - first)
    row = {part: statistics.median(taken) for part, taken in parts.items()}
    return row | {"total": sum(row.values())}
