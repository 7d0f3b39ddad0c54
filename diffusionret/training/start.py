"""The weights that a stage starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..benchmarks import BENCHMARKS, FinetuneConfig
from ..checkpoint import load_model
from ..config import GeneratorConfig, OpenSetConfig, TrainConfig
from ..model import DiffusionRet, build_model, initialise
from ..token_table import TokenTable
from .english import TOKENS, read_table


def best_of(name: str, runs: Path) -> Path | None:
    """Where the best weights of a preset lie; None where it is not trained yet. runs: folder of trainings."""
    folder = runs / name / "best"
    return folder if (folder / "config.json").is_file() else None


def storybook_start(config: TrainConfig, runs: Path, seed: int) -> DiffusionRet:
    """Random weights, or the best of the stage before with new parts initialised, as `seed` has it.

    Raises FileNotFoundError where the stage before is not trained yet.
    """
    torch.manual_seed(seed)
    if config.init is None:
        model = build_model(config.model)
        initialise(model)
        assert model.temporal is not None
        # A tower of one's own gives embeddings three times as large as CLIP's: positions must not drown in them.
        torch.nn.init.normal_(model.temporal.positions.weight, std=0.5)
        return model
    before = best_of(config.init, runs)
    if before is None:
        raise FileNotFoundError(
            f"{config.name} starts from {config.init}, which is not trained yet: run {runs / config.init / 'best'}."
        )
    model = DiffusionRet.from_pretrained(before)
    if config.stage == 2:
        return model.trainable(GeneratorConfig(candidates=config.negatives + 1))
    if config.stage == 3:
        return model.trainable(openset=OpenSetConfig(), form="open-set")
    if config.stage == 4:
        return with_new_text_tower(model, runs / TOKENS)
    return model


def with_new_text_tower(model: DiffusionRet, tokens: Path | None) -> DiffusionRet:
    """A copy whose text tower and token weights have random weights, over the table of tokens in a file; without a
    file over one that is learned, as CLIP's.

    Raises FileNotFoundError where there is no such file.
    """
    table, buffers = read_table(tokens) if tokens else (None, {})
    new = build_model(replace(model.config, clip=replace(model.config.clip, token_table=table)))
    initialise(new, ["text_weights"])
    kept = ("towers.visual.", "temporal.", "video_weights.")
    new.load_state_dict(
        {name: part for name, part in model.state_dict().items() if name.startswith(kept)}, strict=False
    )
    tokens_of = new.towers.token_embedding
    if isinstance(tokens_of, TokenTable):
        tokens_of.load_state_dict(buffers, strict=False)
    return new


def benchmark_start(config: FinetuneConfig, runs: Path, init: str | None = None) -> DiffusionRet:
    """The model `init`, or the preset's, with new parts initialised as published.

    Raises FileNotFoundError where the preset that it starts from is not trained yet, ValueError where the model knows
    fewer positions than the preset has frames.
    """
    name = init or config.init
    if name in BENCHMARKS:
        before = best_of(name, runs)
        if before is None:
            raise FileNotFoundError(
                f"{config.name} starts from {runs / name / 'best'}: train {name} first, or pass --init."
            )
        name = str(before)
    model = load_model(name, "cpu")
    torch.manual_seed(config.seed)
    if model.temporal is not None and model.temporal.positions.num_embeddings < config.frames:
        raise ValueError(f"{name} knows fewer positions than {config.frames} frames: start from CLIP.")
    about: dict[str, Any] = dict(
        words=config.words, frames=config.frames, name=config.name, dataset=config.data
    )
    about["frame_rule"] = "published"
    size = config.negatives + 1
    if config.stage == 2:
        published = GeneratorConfig(schedule=config.schedule, steps=config.diffusion_steps, candidates=size)
        return model.trainable(published, **about)
    if config.stage == 3:
        openset = OpenSetConfig(schedule=config.schedule, steps=config.diffusion_steps, candidates=size)
        return model.trainable(openset=openset, form="open-set", **about)
    return model.trainable(**about)
