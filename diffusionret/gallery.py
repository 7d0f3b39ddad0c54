"""A gallery: the videos that can be found, with their features, captions and posters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from .encoders import VideoFeatures
from .similarity import mean_frame


class Gallery:
    """Videos and their features, in the order of their ids. Positions in it are what `candidates` index.

    ids, captions ("" where unknown), durations (seconds) and timestamps (seconds of every frame, padding
    included) have one entry a video. pooled [video dim]: float32, the mean direction of its frames.
    """

    def __init__(
        self,
        features: VideoFeatures,
        ids: Sequence[str],
        captions: Sequence[str],
        durations: Sequence[float],
        timestamps: Sequence[Sequence[float]],
        paths: Sequence[Path | None],
        posters: Sequence[Path | None],
    ) -> None:
        self.ids, self.captions = list(ids), list(captions)
        self.durations, self.timestamps = list(durations), list(timestamps)
        self._paths, self._posters = list(paths), list(posters)
        self._features = features
        self.pooled: Float[Tensor, "video dim"] = mean_frame(features)
        self._position = {id: i for i, id in enumerate(self.ids)}

    @classmethod
    def in_memory(
        cls,
        features: VideoFeatures,
        ids: Sequence[str] | None = None,
        captions: Sequence[str] | None = None,
        durations: Sequence[float] | None = None,
        timestamps: Sequence[Sequence[float]] | None = None,
    ) -> Gallery:
        """A gallery without files. Frames are one second apart unless `timestamps` says otherwise."""
        count, frames = features.frames.shape[:2]
        return cls(
            features,
            ids=ids or [f"{i:04d}" for i in range(count)],
            captions=captions or [""] * count,
            durations=durations or [float(frames)] * count,
            timestamps=timestamps or [[float(f) for f in range(frames)]] * count,
            paths=[None] * count,
            posters=[None] * count,
        )

    def __len__(self) -> int:
        return len(self.ids)

    def position(self, id: str) -> int:
        """Where the video `id` stands in this gallery. Raises ValueError for an unknown id."""
        if id not in self._position:
            raise ValueError(f"The gallery has no video {id!r}.")
        return self._position[id]

    def path(self, position: int) -> Path | None:
        """The video file, None where the gallery lives in memory only."""
        return self._paths[position]

    def poster(self, position: int) -> Path | None:
        """The poster, a JPEG; None where there is none."""
        return self._posters[position]

    def features(self, positions: Tensor | None = None) -> VideoFeatures:
        """Features of the videos at `positions` (of all when None): float32, on the CPU."""
        if positions is None:
            return self._features
        return VideoFeatures(self._features.frames[positions], self._features.mask[positions])


def empty_features(frames: int, dim: int) -> VideoFeatures:
    """The features of no video."""
    return VideoFeatures(torch.zeros(0, frames, dim), torch.zeros(0, frames, dtype=torch.long))
