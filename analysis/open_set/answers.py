"""The generator's answers to a split's queries, with and without the clips that fit."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from diffusionret.evaluate import common_noise
from diffusionret.trajectory import Trajectory

from .. import measure

CANDIDATES, SEEDS = 32, 16
ABSENT = 3  # of ten queries ask for what is not there, where calibration is measured


class Answers(NamedTuple):
    """Queries with their candidates. scores [query gallery]; similarity, match [query candidate]."""

    scores: Tensor
    trajectory: Trajectory
    similarity: Tensor
    match: Tensor

    def some(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Probability, similarity and match of some queries."""
        return self.trajectory.probability[rows], self.similarity[rows], self.match[rows]


def ask(
    test: measure.Test,
    direction: str = "t2v",
    form: str = "open-set",
    absent: bool = False,
    steps: int | None = None,
    seeds: int = SEEDS,
    queries: int | None = None,
) -> Answers:
    """The generation of the queries over the most similar of the gallery.

    form: the generator. absent: without the clips that fit. steps: of its schedule, its usual number when None.
    seeds: noises a query. queries: so many of the first, all when None.
    """
    scores, fits = test.similarity[:queries], test.fits.to(test.similarity.device)[:queries]
    text = test.text._make(part[:queries] for part in test.text)
    video = test.video
    if direction == "v2t":
        scores, fits = test.similarity.T[:queries].contiguous(), test.fits.T[:queries].to(scores.device)
        text, video = test.text, video._make(part[:queries] for part in video)
    chosen = torch.where(fits, scores - 1e3, scores) if absent else scores
    candidates = chosen.topk(min(CANDIDATES, scores.shape[1]), dim=1).indices
    config = test.model.choose(form).config
    noise = torch.stack([common_noise(candidates.shape[1], s, len(scores)) for s in range(seeds)])
    trajectory = test.model.generate(
        text,
        video,
        candidates,
        direction,
        steps or config.usual_steps,
        noise=noise.to(scores.device),
        respace_from=config.steps,
        form=form,
    )
    return Answers(scores, trajectory, scores.gather(1, candidates), fits.gather(1, candidates).double())


class Mixture(NamedTuple):
    """Queries of which some are without their matches. probability, similarity, match [query candidate]; none [query],
    the probability that nothing matches, None where the generator has none."""

    probability: Tensor
    similarity: Tensor
    match: Tensor
    none: Tensor | None


def blend(present: Tensor, absent: Tensor) -> Tensor:
    """Rows of both [query ...]: ABSENT of ten from `absent`, behind the others."""
    away = torch.arange(len(present), device=present.device) % 10 < ABSENT
    return torch.cat([present[~away], absent[away]])


def mixture(present: Answers, absent: Answers) -> Mixture:
    """ABSENT of ten queries without their matches.

    present, absent: the answers to the same queries with and without what fits.
    """
    one, other = present.trajectory, absent.trajectory
    none = one.no_match
    if none is not None and other.no_match is not None:
        none = blend(none, other.no_match)
    return Mixture(
        blend(one.probability, other.probability),
        blend(present.similarity, absent.similarity),
        blend(present.match, absent.match),
        none,
    )


def last_x0(present: Answers, absent: Answers) -> Tensor:
    """The first seed's last prediction before the clamp, [query candidate], in the mixture's order."""
    return blend(present.trajectory.x0_raw[-1, 0], absent.trajectory.x0_raw[-1, 0])
