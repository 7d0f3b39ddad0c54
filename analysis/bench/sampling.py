"""The sampler against the plain loop."""

from __future__ import annotations

from functools import partial
from itertools import product

import torch

from diffusionret import DiffusionRet, TextFeatures, VideoFeatures
from diffusionret.denoiser import Denoiser
from diffusionret.model import DIRECTIONS
from diffusionret.sampling import prepare, warm_up

from .plain import plain_loop
from .timing import side_by_side
from .workload import STEPS, features, models, part_of, to

GALLERY = 1000  # videos or texts


def sampling(quick: bool) -> list[dict]:
    """Plain loop against sampler, and against a sampler whose gallery was prepared, as a Retriever does. Where the
    plain loop would take minutes it runs for some of the queries and its time is scaled up (`plain_queries` says for
    how many it ran). MB: what the prepared gallery takes."""
    warm_up(wait=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    every = [
        (b, k, s) for b, k, s in product((1, 32, 1000), (32, 128), (1, 16)) if b * k * s <= 1000 * 32 * 16
    ]
    few = [(1, 32, 1), (32, 32, 1), (1, 128, 1), (1, 32, 16)]
    rows = []
    for name, model in models().items():
        model = model.to(device)
        cases = few if quick else [*few, (1000, 32, 1)] if name == "bundled" else every
        for direction in DIRECTIONS:
            for queries, k, seeds in cases:
                headline = (k, seeds) == (32, 1) and queries in (1, 1000)
                budget = 0.5 if quick else 4.0 if headline else 1.5
                case = {"model": name, "direction": direction, "queries": queries, "K": k, "seeds": seeds}
                rows.append(case | contest(model, direction, queries, k, seeds, budget))
    return rows


def contest(
    model: DiffusionRet, direction: str, queries: int, k: int, seeds: int, budget: float
) -> dict[str, float]:
    """Seconds of the contenders for one case, their ratios, and how far their samples lie apart at most.

    model: on its device. k: candidates a query. budget: seconds of the plain loop, after which no turn begins.
    """
    device = model.device
    sizes = (queries, GALLERY) if direction == "t2v" else (GALLERY, queries)
    text, video = features(model, *sizes)
    text, video = to(text, str(device)), to(video, str(device))
    g = torch.Generator().manual_seed(1)
    candidates = torch.rand(queries, GALLERY, generator=g).topk(k).indices.to(device)
    shape = (seeds, queries, k) if seeds > 1 else (queries, k)
    noise = torch.randn(shape, generator=g).to(device)
    ran = min(queries, max(1024 // (k * seeds), 1))
    part = slice(0, ran)
    some = (part_of(text, part), video) if direction == "t2v" else (text, part_of(video, part))

    def plain() -> torch.Tensor:
        return plain_loop(model, *some, candidates[part], direction, noise[..., part, :])

    def exact(text: TextFeatures, video: VideoFeatures) -> torch.Tensor:
        return model.generate(text, video, candidates, direction, STEPS, noise=noise, form="published").sample

    known = text._replace(cls=text.cls.clone()), video._replace(frames=video.frames.clone())
    gallery = known[1].frames if direction == "t2v" else known[0].cls
    schedule = model.schedule(STEPS, model.choose("published").config.schedule)
    assert model.generator is not None
    network = model.generator[direction]
    assert isinstance(network, Denoiser)
    size = prepare(network, direction, gallery, schedule)
    faster = {"sampler": partial(exact, text, video)} | ({"prepared": partial(exact, *known)} if size else {})
    expected = plain()
    gap = max((expected - work()[..., part, :]).abs().max().item() for work in faster.values())
    row = side_by_side(plain, faster, budget)
    row["plain"] *= queries / ran
    ratios = {f"{name}_ratio": row["plain"] / row[name] for name in faster}
    return row | ratios | {"MB": size / 2**20, "plain_queries": ran, "difference": gap}
