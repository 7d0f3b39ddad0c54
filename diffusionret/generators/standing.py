"""How candidates stand in their gallery: what the similarity of one pair means beside all the others.

An absolute similarity falls with brevity and with what a query asks for. How far a candidate is ahead of the rest of
the gallery, and of what it is to any caption, is what tells a match from the best of a bad lot. Nothing here needs
other queries of the same test, and all of it is defined for a gallery of one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from ..encoders import VideoFeatures
from ..similarity import mean_frame

PAIR, QUERY = 5, 7  # numbers of a candidate, and of a query
NEAREST = 10  # captions of the bank that say how much of a hub a video is
FLOOR = 0.02  # least standard deviation of a row, so that a gallery of one or of equals divides by something


class Standing(NamedTuple):
    """pair [query candidate PAIR], query [query QUERY]: about 1 in size, float32."""

    pair: Tensor
    query: Tensor


def standing(
    row: Float[Tensor, "query gallery"],
    candidates: Float[Tensor, "query candidate"],
    hub: Float[Tensor, "query candidate"],
    there: Bool[Tensor, "query gallery"] | None = None,
) -> Standing:
    """The standing of candidates.

    row: similarity of each query with the whole gallery, in any order; candidates: with the candidates, which are the
    most similar of it, best first. hub: as `hubness`, 0 where it means nothing. there: what the gallery of each query
    holds, None for all of it; the candidates do.
    """
    there = torch.ones_like(row, dtype=torch.bool) if there is None else there
    held = there.sum(1, keepdim=True).clamp(min=1)
    mean = (row * there).sum(1, keepdim=True) / held
    spread = (((row - mean) * there).square().sum(1, keepdim=True) / held).sqrt().clamp(min=FLOOR)
    best = candidates.amax(dim=1, keepdim=True)
    second = candidates.topk(2, dim=1).values[:, 1:] if candidates.shape[1] > 1 else best
    rival = torch.where(candidates >= best, second, best)
    z = (candidates - mean) / spread
    alone = candidates - hub
    pair = torch.stack(
        [z / 4, 10 * (candidates - rival), 10 * hub, 10 * alone, 10 * (alone - alone.amax(1, keepdim=True))],
        dim=-1,
    )
    size = held.log() / math.log(1000)
    near = ((best - row) < 0.05).logical_and(there).sum(1, keepdim=True).log1p() / math.log(1000)
    query = torch.cat(
        [10 * best, 10 * (best - second), (best - mean) / spread / 4, 10 * mean, 10 * spread, size, near],
        dim=1,
    )
    return Standing(pair.float(), query.float())


def hubness(
    bank: Float[Tensor, "caption dim"], video: VideoFeatures, nearest: int = NEAREST
) -> Float[Tensor, " video"]:
    """How similar a video is to captions in general: the mean cosine of its mean frame with the nearest ones.

    bank: end tokens of ordinary captions, of norm 1. What is near to many queries is near to the wrong ones, too
    (Radovanovic et al. 2010).
    """
    cosine = normalize(mean_frame(video), dim=-1) @ bank.T
    return cosine.topk(min(nearest, len(bank)), dim=1).values.mean(dim=1)
