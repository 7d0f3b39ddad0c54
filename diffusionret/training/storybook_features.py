"""Storybook as training sees it: batches of clips and captions, and what the frozen parts of a model make of them."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from ..config import TrainConfig
from ..datasets.storybook import captions, clips, queries, truth, world
from ..encoders import TextFeatures, VideoFeatures
from ..encoding import encode_clips
from ..evaluate import OMIT
from ..model import DiffusionRet
from ..pool import Pool, make_pool
from .stage import settings_of

logger = logging.getLogger(__name__)
TEXT_PARTS = 4  # parts of like length that a batch of texts is encoded in


class StorybookFeatures:
    """Of one stage's training clips, and of validation. What is cached belongs to frozen parts."""

    def __init__(
        self, config: TrainConfig, model: DiffusionRet, data: clips.TrainingClips, cache: Path
    ) -> None:
        """data: the training clips, drawn for the model. cache: folder of drawn clips, for those of validation."""
        self.config, self.model, self.data, self.cache = config, model, data, cache
        self.device = model.device
        self.settings = settings_of(config, families=len(data.families))

    def rng(self, step: int) -> random.Random:
        """The randomness of a step, the same whenever it is asked for."""
        return random.Random(f"step {self.config.seed} {step}")

    def batch(self, step: int) -> clips.Batch:
        """Clips and captions of a step, the same whenever they are asked for."""
        c = self.config
        return self.data.batch(step, c.batch, c.seed, c.omit, c.relatives)

    def encode_texts(self, texts: list[str]) -> TextFeatures:
        """Features of texts, in parts of like length: positions that nobody uses need not run."""
        ids, mask = self.model.tokenize(texts)
        lengths = mask.sum(1)
        order = lengths.argsort()
        parts = []
        for rows in order.chunk(TEXT_PARTS):
            longest = int(lengths[rows].max())
            text = self.model.encode_token_ids(
                ids[rows, :longest].to(self.device), mask[rows, :longest].to(self.device)
            )
            more = int(lengths.max()) - longest
            parts.append((text.cls, pad(text.tokens, (0, 0, 0, more)), pad(text.mask, (0, more))))
        back = order.argsort().to(self.device)
        return TextFeatures(*(torch.cat(part)[back] for part in zip(*parts, strict=True)))

    @cached_property
    def embeddings(self) -> Float[Tensor, "clip frame dim"]:
        """Of the training clips, by the image tower."""
        return frame_embeddings(self.model, self.data.frames)

    def contextualise(self, indices: np.ndarray) -> VideoFeatures:
        """Features of training clips, by the temporal transformer. indices: int [clip]."""
        embeddings = self.embeddings[torch.from_numpy(indices).to(self.device)]
        return self.model.contextualise(embeddings, torch.ones_like(embeddings[..., 0], dtype=torch.long))

    @cached_property
    def video(self) -> VideoFeatures:
        """Of the training clips, where all that makes them is frozen."""
        with torch.no_grad():
            parts = [self.contextualise(part) for part in np.array_split(np.arange(len(self.data)), 20)]
        return VideoFeatures(*(torch.cat(part) for part in zip(*parts, strict=True)))

    def validation_frames(self) -> np.ndarray:
        """The clips of validation, uint8 [clip frame h w 3]."""
        config = self.model.config
        return clips.split_frames("validation", self.cache, config.frames, config.clip.image_size)

    def validation(self, model: DiffusionRet) -> tuple[TextFeatures, TextFeatures, VideoFeatures]:
        """A model's features of full captions of validation, of natural ones, which leave things out, and of the
        clips."""
        scenes, rng = world.split("validation"), random.Random("validation captions")
        full = model.encode_text([captions.write(s, rng, 0.0).text for s in scenes])
        natural = model.encode_text([captions.write(s, rng, OMIT).text for s in scenes])
        return full, natural, encode_clips(model, self.validation_frames())

    def pool(
        self,
        written: Sequence[captions.Caption | queries.Query],
        scenes: Sequence[world.Scene],
        video: VideoFeatures,
    ) -> Pool:
        """The pool of a text and the features of each clip."""
        with torch.no_grad():
            text = self.encode_texts([text.text for text in written])
        fits = torch.from_numpy(truth.fit_matrix(written, scenes)).to(self.device)
        return make_pool(self.model, text, video, fits)


@torch.no_grad()
def frame_embeddings(model: DiffusionRet, frames: np.ndarray) -> Float[Tensor, "clip frame dim"]:
    """The image tower's embedding of every frame of clips, uint8 [clip frame h w 3]; the tower is then in evaluation
    mode."""
    start, parts = time.monotonic(), []
    model.towers.visual.eval()
    for first in range(0, len(frames), 64):
        x = model.preprocess(torch.from_numpy(np.array(frames[first : first + 64])).to(model.device))
        x = x.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        parts.append(model.towers.visual(x).unflatten(0, (-1, frames.shape[1])))
        if len(parts) % 50 == 0:
            left = (time.monotonic() - start) * (len(frames) / (64 * len(parts)) - 1)
            logger.info("encoded %d of %d clips, %.1f minutes left", 64 * len(parts), len(frames), left / 60)
    return torch.cat(parts)
