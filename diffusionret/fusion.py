"""Fusion: what generation adds to the similarity of many queries at once, in the way a search adds it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .encoders import TextFeatures, VideoFeatures
from .model import DiffusionRet
from .trajectory import Trajectory


class Fusion(NamedTuple):
    """How candidates are ranked beside the similarity. candidates, boost [query candidate]: indices into the gallery,
    and what is added to their similarity. order [query candidate]: what ranks them by the generator alone."""

    candidates: Tensor
    boost: Tensor
    order: Tensor

    def added(self, scores: Tensor) -> Tensor:
        """Scores + boost on the candidates, [query gallery]; the rest keeps its score."""
        return scores.scatter_add(1, self.candidates, self.boost.to(scores.dtype))

    def alone(self, scores: Tensor) -> Tensor:
        """Float64 [query gallery]: candidates by the generator alone, everything else after them by `scores`."""
        below = scores.double() - scores.max() + self.order.min() - 1.0
        return below.scatter(1, self.candidates, self.order)


@torch.no_grad()
def fuse(
    model: DiffusionRet, text: TextFeatures, video: VideoFeatures, scores: Tensor, trajectory: Trajectory
) -> Fusion:
    """The fusion of queries over their candidates.

    scores: the similarity of each query with the whole gallery, [query gallery]. trajectory: of these queries; a
    generator with a match head needs none of its draws, as in a search: its probability of a match is what counts.
    """
    generator, chosen = model.choose(trajectory.form), trajectory.candidates
    similarity = scores.gather(1, chosen)
    match = generator.match(text, video, chosen, trajectory.direction, scores)
    if match is not None:
        boost = generator.config.alpha * match.probability
        return Fusion(chosen, boost, match.probability.double() + 1e-6 * similarity.double())
    boost = generator.boost(trajectory, generator.config.alpha)
    return Fusion(chosen, boost, trajectory.readout.order(trajectory.predictions[-1], similarity))
