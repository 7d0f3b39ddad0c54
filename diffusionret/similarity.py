"""Weighted token interaction, the similarity of the paper (section 3.2; Wang et al. 2022, DRL)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize

from .encoders import TextFeatures, VideoFeatures


class TokenWeights(nn.Sequential):
    """How much each token (or frame) counts: softmax over the real ones of a small MLP."""

    def __init__(self, dim: int) -> None:
        super().__init__(nn.Linear(dim, 2 * dim), nn.ReLU(inplace=True), nn.Linear(2 * dim, 1))

    def weigh(
        self, tokens: Float[Tensor, "item token dim"], mask: Int[Tensor, "item token"]
    ) -> Float[Tensor, "item token"]:
        logits = self(tokens).squeeze(-1).masked_fill(mask == 0, float("-inf"))
        return logits.softmax(dim=-1)


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
    cosine = torch.einsum("atd,bfd->abtf", tokens, frames)
    t2v = torch.einsum("abt,at->ab", cosine.amax(dim=3), text_weights)
    v2t = torch.einsum("abf,bf->ab", cosine.amax(dim=2), video_weights)
    return (t2v + v2t) / 2


def cls_similarity(text: TextFeatures, video: VideoFeatures) -> Float[Tensor, "text video"]:
    """Zero-shot CLIP: cosine of the end token with each real frame, averaged over frames. In [-1, 1]."""
    return normalize(text.cls, dim=-1) @ mean_frame(video).T


def mean_frame(video: VideoFeatures) -> Float[Tensor, "video dim"]:
    """Mean over the real frames of the frames' directions (norm at most 1)."""
    mask = video.mask[..., None].to(video.frames.dtype)
    return (normalize(video.frames, dim=-1) * mask).sum(1) / mask.sum(1).clamp(min=1)
