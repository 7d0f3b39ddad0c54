"""Pools: texts and videos of which it is known what is true of what, and the galleries that are drawn from them."""

from __future__ import annotations

import random
from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from .encoders import TextFeatures, VideoFeatures
from .generators.openset import Pairs, make_pairs
from .model import DiffusionRet


class Queries(NamedTuple):
    """Some queries of one direction and the gallery of all that a pool has on the other side.

    scores, fits: [query gallery]. Features and weights of texts and videos are those of `Pairs`: the queries' rows on
    their side, the gallery's on the other.
    """

    direction: str
    scores: Tensor
    fits: Tensor
    text: TextFeatures
    video: VideoFeatures
    token_weights: Tensor
    frame_weights: Tensor

    def pairs(self, candidates: Int[Tensor, "query candidate"]) -> Pairs:
        """What the network sees of the queries and these candidates, indices into the gallery."""
        return make_pairs(
            self.text, self.video, self.token_weights, self.frame_weights, candidates, self.direction
        )


class Pool(NamedTuple):
    """Texts, videos, and what holds between them. The weights are those of the similarity.

    similarity, fits (whether the text is true of the video): [text video].
    """

    text: TextFeatures
    video: VideoFeatures
    token_weights: Tensor
    frame_weights: Tensor
    similarity: Tensor
    fits: Tensor

    def queries(self, direction: str, indices: Int[Tensor, " query"]) -> Queries:
        """Some texts ("t2v") or videos ("v2t") as queries."""
        text, video, weights = self.text, self.video, (self.token_weights, self.frame_weights)
        if direction == "t2v":
            scores, fits = self.similarity[indices], self.fits[indices]
            text = TextFeatures(*(part[indices] for part in text))
            weights = weights[0][indices], weights[1]
        else:
            scores, fits = self.similarity.T[indices], self.fits.T[indices]
            video = VideoFeatures(*(part[indices] for part in video))
            weights = weights[0], weights[1][indices]
        return Queries(direction, scores, fits, text, video, *weights)


@torch.no_grad()
def make_pool(
    model: DiffusionRet, text: TextFeatures, video: VideoFeatures, fits: Bool[Tensor, "text video"]
) -> Pool:
    """The pool of features and of which text is true of which video. The model needs the weighted interaction."""
    assert model.text_weights is not None and model.video_weights is not None
    return Pool(
        text,
        video,
        model.text_weights.weigh(text.tokens, text.mask),
        model.video_weights.weigh(video.frames, video.mask),
        model.similarity(text, video),
        fits,
    )


def seeded(seed: str) -> torch.Generator:
    """Randomness that a text names."""
    return torch.Generator().manual_seed(random.Random(seed).getrandbits(31))


def galleries(
    fits: Bool[Tensor, "query gallery"],
    certain: Bool[Tensor, "query gallery"],
    absent: Bool[Tensor, " query"],
    size: int,
    generator: torch.Generator,
) -> Bool[Tensor, "query gallery"]:
    """What the gallery of each query holds: `size` of a pool, so that its size says nothing of what is in it.

    certain: what is in it unless the query is absent, as its own pair. absent: for which queries nothing that fits is.
    Where too little that does not fit is left, the gallery of an absent query is smaller.
    """
    order = torch.rand(fits.shape, generator=generator).to(fits.device)
    order = order + 2.0 * (certain & ~absent[:, None]) - 4.0 * (fits & absent[:, None])
    chosen = torch.zeros_like(fits).scatter_(1, order.topk(size, dim=1).indices, True)
    return chosen & ~(fits & absent[:, None])
