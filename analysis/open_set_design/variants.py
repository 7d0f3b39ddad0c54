"""The variants: one change each, and its reason."""

from __future__ import annotations

import random
from dataclasses import dataclass

from diffusionret.config import OpenSetConfig
from diffusionret.datasets.storybook import clips
from diffusionret.generators.openset import OpenSetDenoiser, bit_loss
from diffusionret.training.openset_sets import SetConfig
from diffusionret.training.storybook_stages import PoolConfig

from .networks import EndTokenOnly, NoisePredicting, SelfConditioned
from .objectives import Loss, noise_loss, noisier_loss, self_conditioned_loss, squared_loss

USUAL = OpenSetConfig()


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
