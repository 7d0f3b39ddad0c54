"""Training sets of the open-set generator: who is asked, what the gallery holds, which candidates come of it.

The generator's samples can only mean what they say if training asks as a search does. So the candidates are the most
similar of a gallery of varying size, several may fit, and for a share of the queries nothing that fits is there. The
same holds of validation, which judges the probabilities and chooses the weight `alpha` beside the similarity.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from ..generators.match import ABSENT, TRAINED_ABSENT, at_prior, match_of
from ..generators.openset import (
    Answers,
    OpenSetNetwork,
    candidate_sets,
    each_loss,
    match_loss,
)
from ..metrics import reliability
from ..model import DIRECTIONS, DiffusionRet
from ..pool import Pool, Queries, galleries
from .stage import Validation

# Weights of p(match) that validation tries; the last ranks by probability, and similarity decides ties.
ALPHAS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
CLOSE = 0.005  # share of first results that two weights may differ in and be called equal
FEW = 0.4  # share of the steps whose galleries hold few videos, down to one
MIXED = 0.3  # share of the steps that have candidates of other queries among their own


@dataclass(frozen=True)
class SetConfig:
    """absent: largest share of queries, 0 to 1, for which nothing that fits is in the gallery; a step draws its own.
    smallest: least share of the pool that a gallery of many holds."""

    absent: float = 2 * TRAINED_ABSENT
    smallest: float = 0.2


def gallery_size(pool: int, generator: torch.Generator, smallest: float) -> int:
    """How many videos the galleries of a step hold: mostly many, for some steps few, down to one."""
    few, place = torch.rand(2, generator=generator).tolist()
    least = 1 / pool if few < FEW else smallest
    size = pool * least ** (1 - place) if few < FEW else pool * (least + (1 - least) * place)
    return min(max(round(size), 1), pool)


def mixed_candidates(
    scores: Float[Tensor, "query gallery"], there: Bool[Tensor, "query gallery"], count: int, others: int
) -> Int[Tensor, "query candidate"]:
    """`count` candidates of each query, of which `others` are the best for the query after it. In a search the parts of
    a query are judged among such, too."""
    own = candidate_sets(scores, there, count - others)
    if not others:
        return own
    of_next = scores.roll(-1, dims=0).scatter(1, own, float("-inf"))
    mixed = torch.cat([own, candidate_sets(of_next, there, others)], dim=1)
    return mixed.gather(1, candidate_sets(scores.gather(1, mixed), there.gather(1, mixed), count))


def set_loss(
    network: OpenSetNetwork,
    queries: Queries,
    certain: Bool[Tensor, "query gallery"],
    count: int,
    generator: torch.Generator,
    config: SetConfig = SetConfig(),
) -> Float[Tensor, ""]:
    """The objective of one set of candidates a query; where candidates are mixed, `each_loss` alone.

    certain: what the gallery holds whatever its size, as each query's own pair. count: candidates, at most as many as
    the gallery has. generator: of galleries and absence, on the CPU.
    """
    fits = queries.fits
    size = gallery_size(fits.shape[1], generator, config.smallest)
    absent_share = config.absent * torch.rand((), generator=generator)
    absent = (torch.rand(len(fits), generator=generator) < absent_share).to(fits.device)
    there = galleries(fits, certain, absent, size, generator)
    kept = there.any(dim=1)  # a gallery of nothing asks nothing
    mixed, others_share = torch.rand(2, generator=generator).tolist()
    most = min(count, size)
    others = int(others_share * most) if mixed < MIXED else 0
    candidates = mixed_candidates(queries.scores, there, most, others)
    answers = network(queries.pairs(candidates), queries.scores, queries.direction, there)
    held = there.gather(1, candidates)
    match = fits.gather(1, candidates) & held
    answers = Answers(*(part[kept] for part in answers))
    if others:  # of the parts of a query nothing else is asked
        return each_loss(answers, match[kept])
    return match_loss(answers, match[kept], (fits & there).any(dim=1)[kept])


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


class Said(NamedTuple):
    """What the generator says of validation queries, and what is true.

    probability, match: of each candidate, [query*candidate]. none, empty: of each query, that none matches. first:
    whether the first fits (0, 1) by similarity and by each of ALPHAS, of the queries that are not absent, [rule query].
    """

    probability: Tensor
    match: Tensor
    none: Tensor
    empty: Tensor
    first: Tensor


@torch.no_grad()
def said(model: DiffusionRet, queries: Queries) -> Said:
    """The open-set generator's answers to queries, where ABSENT of them have no match."""
    openset = model.choose("open-set")
    candidates, absent = validation_sets(queries, openset.config.candidates)
    there = ~(absent[:, None] & queries.fits)
    answers = openset.network(queries.pairs(candidates), queries.scores, queries.direction, there)
    found = match_of(at_prior(answers.none.sigmoid(), ABSENT), answers.match, answers.none, answers.choice)
    match = queries.fits.gather(1, candidates) & ~absent[:, None]
    similarity, probability = queries.scores.gather(1, candidates), found.probability
    rules = [similarity, *(similarity + alpha * probability for alpha in ALPHAS)]
    present = ~absent & queries.fits.any(dim=1)
    first = [match.float().gather(1, rule.argmax(dim=1, keepdim=True))[present, 0] for rule in rules]
    empty = 1 - present.float()
    return Said(probability.flatten(), match.float().flatten(), found.none, empty, torch.stack(first))


@torch.no_grad()
def validate_sets(model: DiffusionRet, pool: Pool, indices: Int[Tensor, " query"]) -> Validation:
    """How good the probabilities are, both directions together, and the ranking that they give.

    indices: the texts and videos of the pool that are asked. The model's config keeps the alpha that puts the most
    queries right. The score is how probable the truth about a query is, that it has a match or none, by geometric mean,
    times the same of a candidate, in (0, 1]. log_loss, none_log_loss (nats), calibration_error, no_match_error: of the
    probability that a candidate matches, and that none does. top1_fits: percent of the queries with a match whose first
    fits, by similarity, by probability alone, and by both with that alpha.
    """
    parts = [said(model, pool.queries(direction, indices)) for direction in DIRECTIONS]
    probability, match, none, empty = (torch.cat(part) for part in zip(*(p[:4] for p in parts), strict=True))
    first = torch.cat([part.first for part in parts], dim=1).mean(dim=1)  # [similarity, each alpha]
    # As much weight as costs nothing: the order of results is then that of their probabilities.
    best = int((first[1:] >= first[1:].max() - CLOSE).nonzero().max())
    assert model.config.openset is not None
    model.config = replace(model.config, openset=replace(model.config.openset, alpha=ALPHAS[best]))
    log_loss = binary_cross_entropy(probability.clamp(0.001, 0.999), match)
    none_log_loss = binary_cross_entropy(none.clamp(0.001, 0.999), empty)
    return Validation((-log_loss - none_log_loss).exp().item(), dict(
        log_loss=log_loss.item(),
        none_log_loss=none_log_loss.item(),
        calibration_error=reliability(probability, match).error,
        no_match_error=reliability(none, empty).error,
        top1_fits_similarity=100 * first[0].item(),
        top1_fits_alone=100 * first[-1].item(),
        top1_fits_fused=100 * first[1 + best].item(),
        alpha=ALPHAS[best],
    ))  # fmt: skip
