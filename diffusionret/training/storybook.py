"""Which stage of training on Storybook a preset names."""

from __future__ import annotations

from pathlib import Path

from ..config import TrainConfig
from ..datasets.storybook import clips
from ..model import DiffusionRet
from .stage import Stage
from .storybook_features import StorybookFeatures
from .storybook_stages import (
    FramePretraining,
    StorybookDiscrimination,
    StorybookGeneration,
    StorybookOpenSet,
)
from .storybook_text import StorybookText

STAGES = {1: StorybookDiscrimination, 2: StorybookGeneration, 3: StorybookOpenSet, 4: StorybookText}


def storybook_stage(
    config: TrainConfig, model: DiffusionRet, cache: Path, families: int, compiled: bool = False
) -> Stage:
    """The stage of a preset. cache: folder of drawn clips. families: of training clips, four each. compiled: run the
    image tower compiled where it learns. Raises ValueError where clips must be drawn and skia-python is missing."""
    size, frames = model.config.clip.image_size, model.config.frames
    # Each stage sees clips of its own: it must not learn on features that were fitted to them.
    data = clips.TrainingClips(cache, families, frames, size, 10 * config.seed + config.stage)
    features = StorybookFeatures(config, model, data, cache)
    return FramePretraining(features, compiled) if config.stage == 0 else STAGES[config.stage](features)
