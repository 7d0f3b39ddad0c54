"""A video in words: the captions that fit it best, of those that are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from .encoders import VideoFeatures
from .model import DiffusionRet
from .similarity import mean_frame

BATCH = 128  # captions encoded together
KEPT = 256  # captions that are compared frame by frame, the nearest by pooled features


class Description(NamedTuple):
    """A caption, and how similar it is to the video, in [-1, 1]."""

    text: str
    similarity: float


class Describer:
    """A model and a list of captions, of which the fitting ones are chosen. Captions are encoded once, when the first
    video is described."""

    def __init__(self, model: DiffusionRet, texts: Sequence[str]) -> None:
        """texts: the captions, any number; the same one counts once."""
        self.model = model
        self.texts = [*dict.fromkeys(texts)]
        self._directions: Float[Tensor, "text dim"] | None = None

    @torch.no_grad()
    def describe(self, video: VideoFeatures, k: int = 3, but: str = "") -> list[Description]:
        """The `k` captions most similar to one video, [1 frame dim], the best one first. but: a caption that is left
        out, as what its own gallery says of it. Raises ValueError where no caption is known."""
        if not any(text != but for text in self.texts):
            raise ValueError(
                "No caption is known to describe a video with: index captions, or calibrate the model."
            )
        if self._directions is None:
            parts = [
                normalize(self.model.encode_text(self.texts[i : i + BATCH]).cls, dim=-1)
                for i in range(0, len(self.texts), BATCH)
            ]
            self._directions = torch.cat(parts).cpu()
        coarse = self._directions @ normalize(mean_frame(video)[0].cpu(), dim=-1)
        near = coarse.topk(min(KEPT, len(coarse))).indices.tolist()
        texts = [self.texts[i] for i in near if self.texts[i] != but]
        video = VideoFeatures(video.frames.to(self.model.device), video.mask.to(self.model.device))
        fit = torch.cat(
            [
                self.model.similarity(self.model.encode_text(texts[i : i + BATCH]), video)[:, 0].cpu()
                for i in range(0, len(texts), BATCH)
            ]
        )
        best = fit.sort(descending=True, stable=True).indices[:k].tolist()
        return [Description(texts[i], float(fit[i])) for i in best]
