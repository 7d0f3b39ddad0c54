"""From frames to features: normalise, blank the padding, encode. The same for indexing, evaluation and training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from .encoders import Mask, VideoFeatures, folded
from .model import DiffusionRet
from .video import VideoFrames

BATCH = 64  # clips encoded together


def encode_batch(
    model: DiffusionRet,
    frames: UInt8[Tensor, "video frame h w 3"],
    mask: Mask[Tensor, "video frame"],
    tower: nn.Module | None = None,
) -> VideoFeatures:
    """Features of a batch of clips, float32 on the model's device, with gradients.

    frames: RGB, read with the model's own rule and number of frames. mask: which of them are real; the others may
    hold anything. tower: see `DiffusionRet.encode_frames`.
    """
    real = mask.to(model.device)
    pictures = model.preprocess(frames.to(model.device))
    pictures = pictures * real[..., None, None, None]  # as published, padding is zero after normalisation too
    video = model.encode_frames(pictures, real.long(), tower)
    return VideoFeatures(video.frames.float(), video.mask)


@torch.no_grad()
def encode_clips(
    model: DiffusionRet, frames: np.ndarray, mask: np.ndarray | None = None, tower: nn.Module | None = None
) -> VideoFeatures:
    """Features of any number of clips, some at a time, on the model's device.

    frames: uint8 [video frame h w 3], may be mapped from a file. mask: bool [video frame], None where all frames are
    real. tower: the model's image tower made for inference (`encoders.folded`), None to make it here.
    """
    tower = folded(model.towers.visual) if tower is None else tower
    mask = np.ones(frames.shape[:2], dtype=bool) if mask is None else mask
    parts = [
        encode_batch(
            model,
            torch.from_numpy(np.array(frames[i : i + BATCH])),
            torch.from_numpy(mask[i : i + BATCH]),
            tower,
        )
        for i in range(0, len(frames), BATCH)
    ]
    return VideoFeatures(*(torch.cat(part) for part in zip(*parts, strict=True)))


def encode_videos(
    model: DiffusionRet, videos: Sequence[VideoFrames], tower: nn.Module | None = None
) -> VideoFeatures:
    """As `encode_clips`, of videos that were read, one at least; on the CPU, to be stored."""
    frames, mask = np.stack([video.frames for video in videos]), np.stack([video.mask for video in videos])
    features = encode_clips(model, frames, mask, tower)
    return VideoFeatures(features.frames.cpu(), features.mask.cpu())
