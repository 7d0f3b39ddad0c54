"""Weighted token interaction, the similarity of the paper (section 3.2; Wang et al. 2022, DRL)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize

from .encoders import Mask, TextFeatures, VideoFeatures

MEMORY = 32 << 20  # bytes of the largest tensor that `wti_in_blocks` makes besides its result
VIDEOS = 512  # in a block: enough for a fast matrix product


class TokenWeights(nn.Sequential):
    """How much each token (or frame) counts: softmax over the real ones of a small MLP."""

    def __init__(self, dim: int) -> None:
        super().__init__(nn.Linear(dim, 2 * dim), nn.ReLU(inplace=True), nn.Linear(2 * dim, 1))

    def weigh(
        self, tokens: Float[Tensor, "item token dim"], mask: Mask[Tensor, "item token"]
    ) -> Float[Tensor, "item token"]:
        logits = self(tokens).squeeze(-1).masked_fill(mask == 0, float("-inf"))
        return logits.softmax(dim=-1)


@runtime_checkable
class Weights(Protocol):
    """What says how much each token (or frame) counts: a network, or weights that are known already."""

    def weigh(
        self, tokens: Float[Tensor, "item token dim"], mask: Mask[Tensor, "item token"]
    ) -> Float[Tensor, "item token"]: ...


@dataclass(frozen=True)
class KnownWeights:
    """Weights [item token] that were computed beforehand, for these very items."""

    values: Tensor

    def weigh(
        self, tokens: Float[Tensor, "item token dim"], mask: Mask[Tensor, "item token"]
    ) -> Float[Tensor, "item token"]:
        """The weights. Raises ValueError for items of another number or length."""
        if mask.shape != self.values.shape:
            raise ValueError(f"The weights are {tuple(self.values.shape)}, the items {tuple(mask.shape)}.")
        return self.values


def wti(
    text: TextFeatures,
    video: VideoFeatures,
    text_weights: Float[Tensor, "text token"],
    video_weights: Float[Tensor, "video frame"],
) -> Float[Tensor, "text video"]:
    """Mean of text-to-video (each token's best frame, weighted) and video-to-text (its mirror image).

    In [-1, 1]. Padded pairs count as 0 in the maximum, as published (not as -inf).
    """
    tokens = normalize(text.tokens, dim=-1) * text.mask[..., None]
    frames = normalize(video.frames, dim=-1) * video.mask[..., None]
    # Tokens first, and max for amax: the backward pass takes less than half the time.
    cosine = tokens.transpose(0, 1).flatten(0, 1) @ frames.flatten(0, 1).T
    cosine = cosine.view(tokens.shape[1], len(tokens), len(frames), -1)
    t2v = (cosine.max(dim=3).values * text_weights.T[:, :, None]).sum(dim=0)
    v2t = (cosine.max(dim=0).values * video_weights).sum(dim=2)
    return (t2v + v2t) / 2


def wti_pairs(
    text: TextFeatures,
    video: VideoFeatures,
    text_weights: Float[Tensor, "pair token"],
    video_weights: Float[Tensor, "pair frame"],
) -> Float[Tensor, " pair"]:
    """`wti` of text i with video i alone."""
    tokens = normalize(text.tokens, dim=-1) * text.mask[..., None]
    frames = normalize(video.frames, dim=-1) * video.mask[..., None]
    cosine = tokens @ frames.transpose(1, 2)
    t2v = (cosine.max(dim=2).values * text_weights).sum(dim=1)
    v2t = (cosine.max(dim=1).values * video_weights).sum(dim=1)
    return (t2v + v2t) / 2


@torch.no_grad()
def wti_in_blocks(
    text: TextFeatures,
    video: VideoFeatures,
    text_weights: Float[Tensor, "text token"],
    video_weights: Float[Tensor, "video frame"],
    memory: int = MEMORY,
    scale: Float[Tensor, "video frame"] | None = None,
) -> Float[Tensor, "text video"]:
    """`wti` without gradients, for galleries of any size: equal up to rounding, and faster.

    memory: bytes of the largest tensor besides the result (of one text and one video at least). scale: as `frame_scale`
    gives it, where it is known. Frames are not copied; positions that are padding in every text, mostly half of them,
    are left out but for one, which stands for all their zeros in the maximum.
    """
    kept = counting_positions(text.mask)
    words = normalize(text.tokens[:, kept], dim=-1) * text.mask[:, kept, None]
    text_weights = text_weights[:, kept]
    scale = frame_scale(video) if scale is None else scale
    (texts, tokens), (videos, frames) = words.shape[:2], scale.shape
    pair = max(words.element_size() * tokens * frames, 1)
    wide = max(min(memory // pair, VIDEOS if texts > 1 else videos), 1)
    high = max(memory // (pair * wide), 1)
    result = words.new_empty(texts, videos)
    for b in (slice(i, i + wide) for i in range(0, videos, wide)):
        block = video.frames[b].flatten(0, 1).T
        for a in (slice(i, i + high) for i in range(0, texts, high)):
            some = words[a].transpose(0, 1)  # tokens first, so that the maximum over them reads whole rows
            cosine = (some.reshape(-1, some.shape[2]) @ block).view(tokens, -1, *scale[b].shape)
            cosine *= scale[b]
            t2v = (cosine.amax(dim=3) * text_weights[a].T[:, :, None]).sum(dim=0)
            v2t = (cosine.amax(dim=0) * video_weights[b]).sum(dim=2)
            result[a, b] = (t2v + v2t) / 2
    return result


def frame_scale(video: VideoFeatures) -> Float[Tensor, "video frame"]:
    """What makes directions of frames, and 0 of those that are padding."""
    return video.mask / video.frames.norm(dim=-1).clamp(min=1e-12)


def counting_positions(mask: Mask[Tensor, "text token"]) -> Int[Tensor, " kept"]:
    """Positions that are real in some text, and one of the others where there are any: padding counts as 0 in the
    maximum over tokens, and one stands for all."""
    real = (mask != 0).any(dim=0)
    padding = (~real).nonzero()[:1, 0]
    return torch.cat([real.nonzero()[:, 0], padding])


def cls_similarity(text: TextFeatures, video: VideoFeatures) -> Float[Tensor, "text video"]:
    """Zero-shot CLIP: cosine of the end token with each real frame, averaged over frames. In [-1, 1]."""
    return normalize(text.cls, dim=-1) @ mean_frame(video).T


def mean_frame(video: VideoFeatures) -> Float[Tensor, "video dim"]:
    """Mean over the real frames of the frames' directions (norm at most 1)."""
    mask = video.mask[..., None].to(video.frames.dtype)
    return (normalize(video.frames, dim=-1) * mask).sum(1) / mask.sum(1).clamp(min=1)
