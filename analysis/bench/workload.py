"""What is computed on: models of two sizes, and random features that fit them."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch.nn.functional import normalize

from diffusionret import DiffusionRet, TextFeatures, VideoFeatures
from diffusionret.config import ClipConfig, GeneratorConfig, ModelConfig, OpenSetConfig
from diffusionret.model import build_model

STEPS, WORDS, REAL_WORDS = 50, 32, 14
OPEN_SET = OpenSetConfig().form
Features = TypeVar("Features", TextFeatures, VideoFeatures)


def wide_model() -> DiffusionRet:
    """Random weights at the sizes of CLIP ViT-B/32: 512 dimensions, 12 frames; towers that nothing here runs."""
    clip = ClipConfig(
        embed_dim=512, image_size=32, vision_layers=1, vision_width=64, patch_size=16, context_length=WORDS,
        text_width=64, text_heads=1, text_layers=1,
    )  # fmt: skip
    torch.manual_seed(0)
    generator = GeneratorConfig(steps=STEPS, candidates=32)
    return build_model(ModelConfig(clip=clip, generator=generator, temporal_layers=1, frames=12)).eval()


def models() -> dict[str, DiffusionRet]:
    """The models that are measured, by their name in the tables."""
    return {"512 dims, 12 frames": wide_model(), "bundled": DiffusionRet.from_pretrained("storybook")}


def features(model: DiffusionRet, texts: int, videos: int) -> tuple[TextFeatures, VideoFeatures]:
    """Random features of the model's sizes and norm: speed does not depend on what they say."""
    g, dim = torch.Generator().manual_seed(0), model.config.clip.embed_dim

    def unit(*shape: int) -> torch.Tensor:
        drawn = torch.randn(*shape, dim, generator=g)
        return (model.config.feature_norm or 10.0) * normalize(drawn, dim=-1)

    mask = (torch.arange(WORDS) < REAL_WORDS).long().expand(texts, -1)
    frames = model.config.frames
    return TextFeatures(unit(texts), unit(texts, WORDS), mask), VideoFeatures(
        unit(videos, frames), torch.ones(videos, frames, dtype=torch.long)
    )


def to(features: Features, device: str) -> Features:
    """The features on a device."""
    return features._make(part.to(device) for part in features)


def part_of(features: Features, rows: slice) -> Features:
    """Some of the texts or videos."""
    return features._make(values[rows] for values in features)
