"""Training sets of the open-set generator: who is asked, what the gallery holds, which candidates come of it.

The generator's samples can only mean what they say if training asks as a search does. So the candidates are the most
similar of a gallery of varying size, several may fit, and for a share of the queries nothing that fits is there. The
same holds of validation, which judges the probabilities and chooses the weight `alpha` beside the similarity.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from ..encoders import TextFeatures, VideoFeatures
from ..generators.openset import OpenSetDenoiser, Pairs, bit_loss, candidate_sets, make_pairs
from ..metrics import reliability
from ..model import DIRECTIONS, DiffusionRet
from .stage import Validation

# (network, context, match, u, noise) -> loss, as `bit_loss`
Objective = Callable[[OpenSetDenoiser, Tensor, Tensor, Tensor, Tensor], Tensor]

ABSENT = 0.3  # share of queries whose matches are taken out
# Weights of the probability that validation tries; the last ranks by probability, and similarity decides ties.
ALPHAS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
SEEDS, STEPS = 8, 8  # noises of a validation query, steps of their denoising at most


@dataclass(frozen=True)
class SetConfig:
    """absent: share of queries, 0 to 1, for which nothing that fits is in the gallery. smallest: least share of the
    pool that a gallery holds. draws: of the noise for every set. objective: the loss of a set."""

    absent: float = ABSENT
    smallest: float = 0.2
    draws: int = 4
    objective: Objective = bit_loss


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


def set_loss(
    network: OpenSetDenoiser,
    queries: Queries,
    certain: Bool[Tensor, "query gallery"],
    count: int,
    generator: torch.Generator,
    config: SetConfig = SetConfig(),
) -> Float[Tensor, ""]:
    """The objective of the bits of one set of candidates a query.

    certain: what the gallery holds whatever its size, as each query's own pair. count: candidates, at most as many as
    the gallery has. generator: of galleries, absence and noise, on the CPU.
    """
    fits, size = queries.fits, queries.fits.shape
    share = config.smallest + (1 - config.smallest) * torch.rand(size[0], 1, generator=generator)
    gallery = (torch.rand(size, generator=generator) < share).to(fits.device) | certain
    absent = (torch.rand(size[0], 1, generator=generator) < config.absent).to(fits.device)
    candidates = candidate_sets(queries.scores, gallery & ~(absent & fits), count)
    strata = torch.arange(config.draws)[:, None]  # every noise level gets its share of the draws
    u = (strata + torch.rand(config.draws, size[0], generator=generator)) / config.draws
    noise = torch.randn(config.draws, *candidates.shape, generator=generator)
    context = network.context(queries.pairs(candidates), queries.direction)
    match = fits.gather(1, candidates)
    return config.objective(network, context, match, u.to(fits.device), noise.to(fits.device))


def absent_queries(count: int) -> Bool[Tensor, " query"]:
    """Which of the queries of a validation have nothing that fits in the gallery: ABSENT of every ten, the first ones.
    Of fewer than ten it is the last, so that some with a match are always left."""
    queries = torch.arange(count)
    return queries % 10 < 10 * ABSENT if count >= 10 else queries >= count - int(ABSENT * count)


def validation_sets(queries: Queries, count: int) -> tuple[Int[Tensor, "query candidate"], Tensor]:
    """At most `count` candidates of each query, and which queries are absent, bool [query]."""
    absent = absent_queries(len(queries.fits)).to(queries.fits.device)
    there = ~(absent[:, None] & queries.fits)
    return candidate_sets(queries.scores, there, min(count, there.shape[1])), absent


class Answers(NamedTuple):
    """What the generator says of validation queries, and what is true.

    probability, match: of each candidate, [query*candidate]. no_match, empty: of each query, that none matches.
    first: whether the first fits (0, 1) by similarity and by each of ALPHAS, of the queries that are not absent,
    [rule query].
    """

    probability: Tensor
    match: Tensor
    no_match: Tensor
    empty: Tensor
    first: Tensor


@torch.no_grad()
def answers(model: DiffusionRet, queries: Queries) -> Answers:
    """The open-set generator's answers to queries, SEEDS noises each."""
    openset = model.choose("open-set")
    config = openset.config
    candidates, absent = validation_sets(queries, config.candidates)
    noise = torch.randn(SEEDS, *candidates.shape, generator=seeded(f"validation {queries.direction}"))
    trajectory = openset.generate(
        queries.text, queries.video, candidates, queries.direction, min(STEPS, config.steps),
        noise=noise.to(candidates.device), respace_from=config.steps,
    )  # fmt: skip
    match, no_match = queries.fits.gather(1, candidates).float(), trajectory.no_match
    assert no_match is not None
    similarity, probability = queries.scores.gather(1, candidates), trajectory.probability
    rules = [similarity, *(similarity + alpha * probability for alpha in ALPHAS)]
    first = [match.gather(1, rule.argmax(dim=1, keepdim=True))[~absent, 0] for rule in rules]
    empty = 1 - match.amax(dim=1)
    return Answers(probability.flatten(), match.flatten(), no_match, empty, torch.stack(first))


@torch.no_grad()
def validate_sets(model: DiffusionRet, pool: Pool, indices: Int[Tensor, " query"]) -> Validation:
    """How good the probabilities are, both directions together, and the ranking that they give.

    indices: the texts and videos of the pool that are asked. The model's config keeps the alpha that puts the most
    queries right. The score is how probable the truth about a candidate is, by geometric mean, in (0, 1]. log_loss
    (nats), calibration_error: of the probability that a candidate matches; no_match_error: of the probability that
    none does. top1_fits: percent of the queries with a match whose first fits, by similarity, by probability alone,
    and by both with that alpha.
    """
    parts = [answers(model, pool.queries(direction, indices)) for direction in DIRECTIONS]
    probability, match, no_match, empty = (
        torch.cat(part) for part in zip(*(p[:4] for p in parts), strict=True)
    )
    first = torch.cat([part.first for part in parts], dim=1).mean(dim=1)  # [similarity, each alpha]
    best = int(first[1:].argmax())
    assert model.config.openset is not None
    model.config = replace(model.config, openset=replace(model.config.openset, alpha=ALPHAS[best]))
    log_loss = binary_cross_entropy(probability.clamp(0.001, 0.999), match)
    return Validation(log_loss.neg().exp().item(), dict(
        log_loss=log_loss.item(),
        calibration_error=reliability(probability, match).error,
        no_match_error=reliability(no_match, empty).error,
        top1_fits_similarity=100 * first[0].item(),
        top1_fits_alone=100 * first[-1].item(),
        top1_fits_fused=100 * first[1 + best].item(),
        alpha=ALPHAS[best],
    ))  # fmt: skip
