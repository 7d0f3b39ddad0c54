"""A model small enough for any test: every part present, random weights from a seed."""

from __future__ import annotations

from dataclasses import replace

import torch

from diffusionret.config import ClipConfig, GeneratorConfig, ModelConfig, OpenSetConfig
from diffusionret.encoders import TextFeatures, VideoFeatures
from diffusionret.model import DiffusionRet, build_model

CLIP = ClipConfig(
    embed_dim=32, image_size=32, vision_layers=1, vision_width=64, patch_size=16, context_length=24,
    text_width=32, text_heads=1, text_layers=1,
)  # fmt: skip
CONFIG = ModelConfig(
    clip=CLIP, generator=GeneratorConfig(steps=10, candidates=8), temporal_layers=1, words=16, frames=4,
    feature_norm=10.0, frame_rule="even", name="tiny",
)  # fmt: skip
SMALL = OpenSetConfig(steps=10, candidates=8, sampling_steps=10, width=16, layers=1, heads=2)
BOTH = replace(CONFIG, openset=SMALL, form="open-set")  # the open-set generator answers


def tiny_model(seed: int = 0, config: ModelConfig = CONFIG) -> DiffusionRet:
    torch.manual_seed(seed)
    return build_model(config).eval()


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def features(
    texts: int, videos: int, dim: int = 32, words: int = 6, frames: int = 4, seed: int = 0
) -> tuple[TextFeatures, VideoFeatures]:
    """Random features of norm 10 in which the last token and frame of every other item are padding."""
    g = torch.Generator().manual_seed(seed)

    def unit(*shape: int) -> torch.Tensor:
        return 10 * torch.nn.functional.normalize(torch.randn(*shape, generator=g), dim=-1)

    text_mask, video_mask = torch.ones(texts, words).long(), torch.ones(videos, frames).long()
    text_mask[1::2, -1] = 0
    video_mask[1::2, -1] = 0
    text = TextFeatures(unit(texts, dim), unit(texts, words, dim), text_mask)
    return text, VideoFeatures(unit(videos, frames, dim), video_mask)
