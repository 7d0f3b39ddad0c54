"""How the time grows with the gallery, the candidates, the steps and the seeds."""

from __future__ import annotations

from dataclasses import replace

import torch

from diffusionret.config import OpenSetConfig
from diffusionret.model import build_model
from diffusionret.sampling import warm_up
from diffusionret.similarity import wti_in_blocks

from .timing import median
from .workload import STEPS, features, part_of, wide_model


@torch.no_grad()
def growth(quick: bool) -> dict[str, list[dict]]:
    """Milliseconds of matching one text to a growing gallery, whose frames are weighed beforehand as a Retriever does,
    and of one query's generation as K, steps and seeds grow, at 512 dimensions; of the open-set generator with random
    weights."""
    warm_up(wait=True)
    wide, budget = wide_model(), 0.2 if quick else 1.0
    model = build_model(replace(wide.config, openset=OpenSetConfig())).eval()
    sizes = (250, 1000, 5000) if quick else (250, 1000, 5000, 20_000)
    text, video = features(model, 1, max(sizes))
    assert model.text_weights is not None
    words = model.text_weights.weigh(text.tokens, text.mask)
    frames = video.mask / video.mask.sum(dim=1, keepdim=True)  # speed does not depend on what they are

    def match(count: int) -> float:
        some = part_of(video, slice(count))
        return 1000 * median(lambda: wti_in_blocks(text, some, words, frames[:count]), budget=budget)

    def generate(k: int = 32, steps: int = STEPS, seeds: int = 1) -> dict[str, float]:
        noise = torch.randn(seeds, 1, k, generator=torch.Generator().manual_seed(0))
        some, at = part_of(video, slice(k)), torch.arange(k)[None]
        return {
            form: 1000
            * median(
                lambda form=form: model.generate(
                    text, some, at, steps=steps, noise=noise, respace_from=STEPS, form=form
                ),
                budget=budget,
            )
            for form in model.forms
        }

    return {
        "gallery": [{"videos": count, "similarity": match(count)} for count in sizes],
        "K": [{"K": k} | generate(k=k) for k in (8, 32, 128, 512)],
        "steps": [{"steps": n} | generate(steps=n) for n in (1, 10, 25, 50)],
        "seeds": [{"seeds": n} | generate(seeds=n) for n in (1, 4, 16, 64)],
    }
