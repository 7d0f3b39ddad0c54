"""The published generator's loop without the sampler, the contender of all ratios."""

from __future__ import annotations

import torch

from diffusionret import DiffusionRet, TextFeatures, VideoFeatures
from diffusionret.diffusion import ddim

from .workload import STEPS, part_of


@torch.no_grad()
def plain_loop(
    model: DiffusionRet,
    text: TextFeatures,
    video: VideoFeatures,
    candidates: torch.Tensor,
    direction: str,
    noise: torch.Tensor,
    steps: int = STEPS,
) -> torch.Tensor:
    """The published generator's loop over 32 queries at a time; the sample [(seed) query candidate].

    candidates: positions [query candidate]. noise: [(seed) query candidate], row 0 of the states.
    """
    plan = model.schedule(steps, model.choose("published").config.schedule)
    assert model.generator is not None
    network = model.generator[direction]
    samples = []
    for start in range(0, len(candidates), 32):
        part = slice(start, start + 32)
        some = (part_of(text, part), video) if direction == "t2v" else (text, part_of(video, part))
        query, contents = model.choose("published").pair_features(*some, candidates[part], direction)

        def denoise(x: torch.Tensor, t: int, query=query, contents=contents) -> torch.Tensor:
            flat = x.reshape(-1, x.shape[-1])
            copies = len(flat) // len(contents)
            level = torch.full((len(flat),), t, device=x.device)
            return network(flat, level, query.repeat(copies, 1, 1), contents.repeat(copies, 1, 1)).view(
                x.shape
            )

        *_, last = ddim(denoise, noise[..., part, :].contiguous(), plan)
        samples.append(last.x)
    return torch.cat(samples, dim=-2)
