"""How many steps, which schedule, DDIM or ancestral, how many candidates and seeds, which alpha and beta?

`python -m analysis.sampler_settings`. The published generator, natural captions of validation, so that test figures
stay untouched by choices.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from diffusionret.fusion import fuse
from diffusionret.metrics import bootstrap_interval, paired_bootstrap, ranks
from diffusionret.trajectory import Trajectory

from . import measure


@dataclass(frozen=True)
class Setting:
    """Of the published generator. fresh: a schedule of its own instead of the trained one's respaced."""

    steps: int
    schedule: str = "cosine"
    fresh: bool = False
    eta: float = 0.0
    candidates: int = 32
    seeds: int = 1
    alpha: float = 1.0
    beta: float = 1.0


SWEEPS: dict[str, tuple] = {
    "steps": (1, 2, 3, 5, 10, 20, 50),
    "schedule": ("cosine", "linear"),
    "fresh": (False, True),
    "eta": (0.0, 0.5, 1.0),
    "candidates": (4, 8, 16, 32, 64, 128),
    "seeds": (1, 4, 16),
    "alpha": (0.25, 1.0, 4.0, 16.0),
    "beta": (1.0, 4.0, 16.0, 100.0),
}


def trajectory(test: measure.Test, setting: Setting) -> Trajectory:
    """The generation of all queries with given settings; the same noise for every query, as in a search."""
    generator = torch.Generator().manual_seed(0)
    chosen = test.similarity.topk(setting.candidates, dim=1).indices
    noise = torch.stack([torch.randn(setting.candidates, generator=generator) for _ in range(setting.seeds)])
    noise = noise[:, None].expand(-1, len(chosen), -1)
    trained = test.model.choose("published").config.steps
    return test.model.generate(
        test.text, test.video, chosen, "t2v", setting.steps, setting.schedule,
        noise[0] if setting.seeds == 1 else noise, eta=setting.eta, generator=generator if setting.eta else None,
        respace_from=None if setting.fresh else trained, form="published",
    )  # fmt: skip


def main() -> None:
    started, rows = time.monotonic(), []
    test = measure.load(split="validation")
    trained = test.model.choose("published").config.steps
    before = ranks(test.similarity)
    for name, values in SWEEPS.items():
        for value in values:
            setting = replace(Setting(trained), **{name: value})
            if setting.steps > trained:
                continue
            begun = time.monotonic()
            path = trajectory(test, setting)
            seconds = time.monotonic() - begun
            after = ranks(test.model.rerank(test.similarity, path, setting.alpha, setting.beta))
            alone = fuse(test.model, test.text, test.video, test.similarity, path).alone(test.similarity)
            alone = bootstrap_interval(ranks(alone), "R1")
            gain = paired_bootstrap(before, after, "R1")
            rows.append(
                {
                    "setting": name, "value": str(value), "R1_after": 100 * float((after == 1).mean()),
                    "gain": gain.estimate, "interval": [gain.low, gain.high], "generator_alone_R1": alone.estimate,
                    "alone_interval": [alone.low, alone.high], "ms_a_query": 1000 * seconds / len(before),
                }
            )  # fmt: skip
    by = {(r["setting"], r["value"]): r for r in rows}
    one, full = by["steps", "1"], by["steps", str(trained)]
    best = max(rows, key=lambda r: r["gain"])
    shows = (
        f"One step gives the generator alone {one['generator_alone_R1']:.1f} R@1, {trained} steps "
        f"{full['generator_alone_R1']:.1f}; after re-ranking {one['gain']:+.1f} and {full['gain']:+.1f}. The "
        f"largest gain, {best['gain']:+.1f} [{best['interval'][0]:+.1f}, {best['interval'][1]:+.1f}], comes with "
        f"{best['setting']} = {best['value']}; settings whose "
        f"intervals overlap are not told apart by {len(before)} queries."
    )
    measure.store(
        "sampler_settings", "Steps, schedule, noise, candidates, seeds, alpha, beta", shows, started, rows,
        R1_before=100 * float((before == 1).mean()),
    )  # fmt: skip


if __name__ == "__main__":
    main()
