"""Why the open-set generator is built and trained as it is: one thing changed at a time.

`python -m analysis.open_set_design`

Every variant is trained from new weights on the frozen features of the bundled model, for fewer steps than the bundled
generator and towards text queries only, and asked the same natural captions of validation, a share of them without
what fits, with as many noises as an answer takes. Intervals of the difference to the base are over queries,
whose losses are first averaged over the training seeds; a difference counts as clear where its interval excludes zero
and every training seed agrees on its sign.
"""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from diffusionret import DiffusionRet
from diffusionret.checkpoint import load_model
from diffusionret.config import PRESETS, OpenSetConfig
from diffusionret.datasets.storybook import clips
from diffusionret.diffusion import ddim, make_schedule
from diffusionret.generators.openset import (
    OpenSetDenoiser,
    bit_loss,
    noised,
)
from diffusionret.metrics import paired_bootstrap, reliability
from diffusionret.readout import BITS
from diffusionret.training.openset_sets import SetConfig, validation_sets
from diffusionret.training.optimiser import lr_scale, make_optimiser, set_rate
from diffusionret.training.storybook_features import StorybookFeatures
from diffusionret.training.storybook_stages import PoolConfig, StorybookOpenSet

from . import measure
from .open_set_measures import first

PRESET = PRESETS["storybook-open"]
TRAINING_SEEDS, STEPS, FAMILIES = 2, 80, 2000
USUAL = OpenSetConfig()
SAMPLING = 8  # steps of denoising, which give the figures of 50
COUNTS = (16, 32, 48)  # of candidates, where training with one number is compared with several
EDGE = 1 - 1e-5  # nearest that a prediction may come to a bit, where log odds are asked for

Loss = Callable[[OpenSetDenoiser, Tensor, Tensor, Tensor, Tensor], Tensor]


class SelfConditioned(OpenSetDenoiser):
    """Sees its own last prediction of x_0 beside x_t (Chen et al. 2022, section 3.2)."""

    def __init__(self, dim: int, config: OpenSetConfig) -> None:
        super().__init__(dim, config)
        self.before = nn.Linear(1, config.state_width, bias=False)
        self.last: Tensor | None = None

    def forward(self, context: Tensor, x: Tensor, alpha_bar: Tensor) -> Tensor:
        if self.last is not None:
            context = context + self.before(self.last[..., None])
        return super().forward(context, x, alpha_bar)


class NoisePredicting(OpenSetDenoiser):
    """Predicts the noise instead of the bits; the log odds are those of the x_0 that it implies."""

    def __init__(self, dim: int, config: OpenSetConfig) -> None:
        super().__init__(dim, config)
        nn.init.zeros_(self.read[1].bias)  # type: ignore[arg-type]  # noise is as often above as below zero

    def noise(self, context: Tensor, x: Tensor, alpha_bar: Tensor) -> Tensor:
        angle = torch.stack([alpha_bar.sqrt(), (1 - alpha_bar).sqrt()], dim=1)
        seen = self.noisy(torch.stack([x, x.tanh()], dim=-1))
        return self.read(self.steps(context + seen + self.level(angle)[:, None])).squeeze(-1)

    def forward(self, context: Tensor, x: Tensor, alpha_bar: Tensor) -> Tensor:
        a, s = alpha_bar.sqrt()[:, None], (1 - alpha_bar).sqrt()[:, None]
        x0 = (x - s * self.noise(context, x, alpha_bar)) / a.clamp(min=1e-3)
        return 2 * x0.clamp(-EDGE, EDGE).atanh()


class EndTokenOnly(OpenSetDenoiser):
    """Sees of a sentence its end token alone, as the published generator does."""

    def context(self, pairs, direction: str) -> Tensor:
        text = pairs.text
        blind = text._replace(tokens=text.cls[:, None].expand_as(text.tokens))
        even = text.mask / text.mask.sum(dim=1, keepdim=True)
        return super().context(pairs._replace(text=blind, token_weights=even), direction)


def wide(context: Tensor, u: Tensor) -> Tensor:
    """The context once for every draw of the noise."""
    return context.expand(len(u), *context.shape).flatten(0, 1)


def self_conditioned_loss(network, context, match, u, noise) -> Tensor:
    """Half of the batches are given a first guess, as the paper has it."""
    network.last = None
    if torch.rand(()) < 0.5:
        with torch.no_grad():
            network.last = (network(wide(context, u), *noised(match, u, noise)) / 2).tanh()
    try:
        return bit_loss(network, context, match, u, noise)
    finally:
        network.last = None


def noise_loss(network, context, match, u, noise) -> Tensor:
    """Mean squared error of the noise, DDPM's objective."""
    return mse_loss(network.noise(wide(context, u), *noised(match, u, noise)), noise.flatten(0, 1))


def squared_loss(network, context, match, u, noise) -> Tensor:
    """Mean squared error of x_0, the objective of the analog bits' paper."""
    said = (network(wide(context, u), *noised(match, u, noise)) / 2).tanh()
    return mse_loss(said, (2 * match.to(noise.dtype) - 1).expand_as(noise).flatten(0, 1))


def noisier_loss(network, context, match, u, noise) -> Tensor:
    """The usual objective at levels with more noise."""
    return bit_loss(network, context, match, u.sqrt(), noise)


def any_clips(data: clips.TrainingClips, rng: random.Random, size: int) -> list[int]:
    """Members of a pool that holds relatives, clips that differ in one fact, far more often than a gallery does."""
    return rng.sample(range(len(data)), size)


@dataclass(frozen=True)
class Variant:
    """One change and its reason. pools: what the stage of training is made of."""

    name: str
    why: str
    config: OpenSetConfig = USUAL
    network: type[OpenSetDenoiser] = OpenSetDenoiser
    loss: Loss = bit_loss
    pools: PoolConfig = PoolConfig()  # noqa: RUF009


VARIANTS = (
    Variant("base", "cross entropy of the bits, uniform in the cosine schedule, words beside frames"),
    Variant("self-conditioning", "the last guess as an input of the next step", network=SelfConditioned,
            loss=self_conditioned_loss),
    Variant("squared error of x0", "the objective of the analog bits' paper", loss=squared_loss),
    Variant("predicts the noise", "DDPM's objective", network=NoisePredicting, loss=noise_loss),
    Variant("noisier levels", "most is decided where the noise is strong", loss=noisier_loss),
    Variant("three layers a step", "do bits need to exchange more?", OpenSetConfig(state_layers=3)),
    Variant("no layer a query", "must candidates see each other before the noise?", OpenSetConfig(layers=0)),
    Variant("end token only", "all that the published generator sees of a sentence", network=EndTokenOnly),
    Variant("always 32 candidates", "one K instead of several", pools=PoolConfig(counts=(USUAL.candidates,))),
    Variant("pools of 256", "easier candidates than those of a large gallery", pools=PoolConfig(size=256)),
    Variant("relatives in the pools", "harder candidates than those of a gallery", pools=PoolConfig(members=any_clips)),
    Variant("always a match", "closed-set training", pools=PoolConfig(sets=SetConfig(absent=0.0))),
)  # fmt: skip


class Figures(NamedTuple):
    """What is said of the candidates of validation queries, and what is true: [query candidate], [query]."""

    said: np.ndarray
    true: np.ndarray
    none: np.ndarray

    @property
    def loss(self) -> np.ndarray:
        """Log loss (nats) of every query, the mean over its candidates."""
        p = np.clip(self.said, 1e-3, 1 - 1e-3)
        return -np.where(self.true > 0, np.log(p), np.log1p(-p)).mean(axis=1)

    def summary(self) -> dict[str, float]:
        top, hit = first(torch.from_numpy(self.said), torch.from_numpy(self.true))
        empty = self.true.max(axis=1) == 0
        return {
            "log_loss": float(self.loss.mean()),
            "candidate_error": reliability(self.said, self.true).error,
            "first_error": reliability(top.numpy(), hit.numpy()).error,
            "no_match_error": reliability(self.none, empty).error,
            "first_fits": 100 * float(hit.numpy()[~empty].mean()),
        }


@torch.no_grad()
def ask(
    stage: StorybookOpenSet,
    network: OpenSetDenoiser,
    steps: int = SAMPLING,
    eta: float = 0.0,
    count: int = USUAL.candidates,
) -> Figures:
    """Every fourth validation query, ABSENT of them without what fits. steps, eta: of sampling; count: candidates."""
    pool = stage.features.validation_pool
    queries = pool.queries("t2v", torch.arange(0, len(pool.fits), 4))
    candidates, _ = validation_sets(queries, count)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(USUAL.seeds, *candidates.shape, generator=generator)
    context = network.context(queries.pairs(candidates), "t2v")
    context = wide(context, noise)
    plan = make_schedule(USUAL.schedule, USUAL.steps).respaced(steps)
    level = dict(zip(plan.timesteps.tolist(), plan.alpha_bar.tolist(), strict=True))

    def denoise(x: Tensor, t: int) -> Tensor:
        flat = x.flatten(0, 1)
        said = (network(context, flat, flat.new_full((len(flat),), level[t])) / 2).tanh()
        if isinstance(network, SelfConditioned):
            network.last = said
        return said.view_as(x)

    *_, last = ddim(denoise, noise, plan, eta, generator)
    if isinstance(network, SelfConditioned):
        network.last = None
    match = queries.fits.gather(1, candidates).double()
    said, none = BITS.shares(last.x0).mean(dim=0), BITS.none(last.x0).mean(dim=0)
    return Figures(said.double().numpy(), match.numpy(), none.double().numpy())


def train(stage: StorybookOpenSet, network: OpenSetDenoiser, steps: int = STEPS) -> None:
    """The usual training of the stage, shorter, without the average of weights that a decay to zero replaces."""
    network.train()
    optimisation = PRESET.optimisation
    optimiser = make_optimiser(network, optimisation)
    for step in range(steps):
        set_rate(optimiser, lr_scale(step, steps, optimisation.warmup))
        loss = stage.loss(step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), optimisation.clip_norm)
        optimiser.step()
    network.eval()


def build(
    variant: Variant, model: DiffusionRet, seed: int, shared: StorybookOpenSet | None, cache: Path
) -> StorybookOpenSet:
    """A stage of training with new weights of the variant. shared: another one, whose clips and features it takes."""
    model = copy.copy(model)  # the same features; modules that are set anew do not change the other's
    model._modules = dict(model._modules)
    torch.manual_seed(seed)
    model.openset = variant.network(model.config.clip.embed_dim, variant.config)
    size, frames = model.config.clip.image_size, model.config.frames
    data = (
        shared.features.data if shared else clips.TrainingClips(cache, FAMILIES, frames, size, PRESET.stage)
    )
    features = StorybookFeatures(replace(PRESET, seed=seed), model, data, cache)
    if shared is not None:  # what all variants see alike
        features.__dict__ |= {name: getattr(shared.features, name) for name in ("video", "validation_pool")}
    sets = replace(variant.pools.sets, objective=variant.loss)
    return StorybookOpenSet(features, replace(variant.pools, directions=("t2v",), sets=sets))


def row(variant: Variant, found: list[Figures], base: list[Figures]) -> dict:
    """Means over the training seeds, and the difference in log loss to the base with its interval over queries."""
    figures = [f.summary() for f in found]
    ours, theirs = (np.mean([f.loss for f in group], axis=0) for group in (found, base))
    gap = paired_bootstrap(theirs, ours, lambda v: float(np.mean(v)))
    return {
        "variant": variant.name, "why": variant.why,
        **{name: float(np.mean([f[name] for f in figures])) for name in figures[0]},
        "over_base": gap.estimate, "interval": [gap.low, gap.high],
        "over_base_by_seed": [float((f.loss - b.loss).mean()) for f, b in zip(found, base, strict=True)],
    }  # fmt: skip


def clear(row: dict) -> int:
    """-1 where a variant is clearly better than the base, 1 where it is clearly worse, else 0."""
    signs = {int(np.sign(x)) for x in (*row["interval"], *row["over_base_by_seed"])}
    return signs.pop() if len(signs) == 1 else 0


def main() -> None:
    started = time.monotonic()
    model = load_model("storybook", "cpu")
    model.requires_grad_(False)
    shared: StorybookOpenSet | None = None
    found: dict[str, list[Figures]] = {}
    sampling: list[dict] = []
    counts: list[dict] = []
    for variant in VARIANTS:
        for seed in range(TRAINING_SEEDS):
            stage = build(variant, model, seed, shared, clips.CACHE)
            network = stage.model.openset
            assert network is not None
            shared = shared or stage
            train(stage, network)
            found.setdefault(variant.name, []).append(ask(stage, network))
            if seed == 0 and variant.name in ("base", "always 32 candidates"):
                counts += [
                    {"variant": variant.name, "candidates": n} | ask(stage, network, count=n).summary()
                    for n in COUNTS
                ]
            if seed == 0 and variant.name == "base":
                sampling += [
                    {"steps": steps, "eta": eta} | ask(stage, network, steps, eta).summary()
                    for steps in (1, 4, 8, 20)
                    for eta in ((0.0, 1.0) if steps > 1 else (0.0,))
                ]
        print(variant.name, row(variant, found[variant.name], found["base"])["over_base"], flush=True)
    rows = [row(variant, found[variant.name], found["base"]) for variant in VARIANTS]
    better, worse = ([r["variant"] for r in rows[1:] if clear(r) == sign] for sign in (-1, 1))
    losses = [f.summary()["log_loss"] for f in found["base"]]
    shows = (
        f"{TRAINING_SEEDS} training seeds of {STEPS} steps each. Log loss is clearly lower than the base's with: "
        f"{', '.join(better) or 'nothing'}; clearly higher with: {', '.join(worse) or 'nothing'}. The training seeds "
        f"of the base lie between {min(losses):.4f} and {max(losses):.4f}."
    )
    measure.store(
        "open_set_design", "Why the open-set generator is as it is", shows, started, rows,
        sampling=sampling, candidates=counts,
    )  # fmt: skip


if __name__ == "__main__":
    main()
