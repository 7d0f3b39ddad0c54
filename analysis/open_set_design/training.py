"""A variant's training: a stage with new weights on the frozen features."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import torch

from diffusionret import DiffusionRet
from diffusionret.config import PRESETS
from diffusionret.datasets.storybook import clips
from diffusionret.generators.openset import OpenSetDenoiser
from diffusionret.training.optimiser import lr_scale, make_optimiser, set_rate
from diffusionret.training.storybook_features import StorybookFeatures
from diffusionret.training.storybook_stages import StorybookOpenSet

from .variants import Variant

PRESET = PRESETS["storybook-open"]
TRAINING_SEEDS, STEPS, FAMILIES = 2, 80, 2000


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
    """A stage of training with new weights of the variant.

    model: whose features are taken; it keeps its own generator. seed: of weights and batches. shared: another stage,
    whose clips and features are taken over, None for the first. cache: folder of the drawn clips.
    """
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
