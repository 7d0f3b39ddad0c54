"""Combination: the p(match) of a query and of its parts, made one.

A clip fits "a dog, less: night" as far as it fits "a dog" and does not fit "night": p = p(dog) (1 - p(night)). With
weights p = p(text) prod p(more)^w prod (1 - p(less))^w. Who ranks by similarity alone adds and subtracts similarities.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import logsigmoid

from .composition import Part
from .encoders import TextFeatures
from .generators.match import LEAST
from .generators.openset import Answers
from .matching import Candidates, Matcher
from .model import DiffusionRet
from .ood.scores import head_score
from .reading import Reading

# How much of the similarity with a part of weight 1 counts beside the similarity with the text.
SIMILARITY_WEIGHT = 0.5


class Parts(NamedTuple):
    """What queries weigh beside their text. text: features of all parts. of [part]: the query that each belongs to.
    weights [part]: more above 0, less below. said [part]: whether the visitor said it so, else it is a member. All on
    the CPU but the features."""

    text: TextFeatures
    of: Tensor
    weights: Tensor
    said: Tensor


class Request(NamedTuple):
    """Features of queries, and of their parts; None where no query has any."""

    text: TextFeatures
    parts: Parts | None


class Judgement(NamedTuple):
    """What the match head says of queries with all that they weigh. members, parts [query]: the log share of the best
    candidate's p(match) that is left by the members, and by the parts; float64, at most 0."""

    answers: Answers
    members: Tensor
    parts: Tensor

    def scores(self) -> dict[str, Tensor]:
        """As scores of the queries."""
        return {"head": head_score(self.answers.none), "members": self.members, "parts": self.parts}


def ask(model: DiffusionRet, readings: Sequence[Reading]) -> Request:
    """The features of what queries ask for, all encoded together."""
    weighed = [
        (q, part, said)
        for q, reading in enumerate(readings)
        for parts, said in ((reading.parts, True), ([Part(member, 1.0) for member in reading.members], False))
        for part in parts
    ]
    texts = [reading.searched for reading in readings]
    features = model.encode_text([*texts, *(part.text for _, part, _ in weighed)])
    if not weighed:
        return Request(features, None)
    own, others = (
        TextFeatures(*(f[rows] for f in features)) for rows in (slice(len(texts)), slice(len(texts), None))
    )
    return Request(
        own,
        Parts(
            others,
            torch.tensor([q for q, *_ in weighed]),
            torch.tensor([part.weight for _, part, _ in weighed]),
            torch.tensor([said for *_, said in weighed]),
        ),
    )


def candidates_of(matcher: Matcher, asked: Request, part: Int[Tensor, " video"] | None = None) -> Candidates:
    """As `Matcher.candidates`, in the order of the similarity with all that queries weigh; the similarities that come
    with it are those with their texts. So the best of all is among the first where the text alone does not find it; of
    a large gallery only among those that the text alone keeps."""
    found = matcher.candidates(asked.text, part)
    if asked.parts is None:
        return found
    order = (found.similarity + similarity_of_parts(matcher, asked.parts, found.positions)).sort(
        dim=1, descending=True, stable=True
    )
    return found._replace(
        positions=found.positions.gather(1, order.indices),
        similarity=found.similarity.gather(1, order.indices),
    )


def similarity_of_parts(
    matcher: Matcher, parts: Parts, positions: Int[Tensor, "query kept"]
) -> Float[Tensor, "query kept"]:
    """What the similarities of parts with a query's videos add to its own. positions: of the videos."""
    return weighed_similarity(matcher.similarity(parts.text, positions[parts.of]), parts, len(positions))


def weighed_similarity(
    similarity: Float[Tensor, "part video"], parts: Parts, queries: int
) -> Float[Tensor, "query video"]:
    """The sum over the parts of each query."""
    added = SIMILARITY_WEIGHT * parts.weights.to(similarity)[:, None] * similarity
    total = torch.zeros(queries, similarity.shape[1], device=similarity.device)
    return total.index_add_(0, parts.of.to(similarity.device), added)


def judgement(
    answers: Answers, parts: Parts | None, odds: Float[Tensor, "part candidate"] | None
) -> Judgement:
    """What is said of queries, from what a match head says of their texts and of their parts.

    odds: log odds that a query's candidate matches the part; None without parts.
    """
    nothing = torch.zeros(len(answers.none), dtype=torch.float64)
    if parts is None or odds is None:
        return Judgement(answers, nothing, nothing)
    p = answers.match.double().sigmoid().cpu()
    with_members = p * share_left(odds, parts, ~parts.said, len(p))
    left = with_members * share_left(odds, parts, parts.said, len(p))
    best, best_members, best_left = (values.amax(dim=1).log() for values in (p, with_members, left))
    share = (left / p).clamp(min=LEAST).to(answers.choice)
    match = torch.logit(left, eps=LEAST).to(answers.match)
    return Judgement(
        Answers(answers.choice + share.log(), match, answers.none),
        (best_members - best).clamp(max=0.0),
        (best_left - best_members).clamp(max=0.0),
    )


def share_left(
    odds: Float[Tensor, "part candidate"], parts: Parts, chosen: Bool[Tensor, " part"], queries: int
) -> Float[Tensor, "query candidate"]:
    """The share of p(match) that chosen parts leave to each candidate of a query, float64 in (0, 1]; 1 without parts.

    odds: as in `judgement`.
    """
    odds, weights = odds.double().cpu(), parts.weights.double()[:, None]
    # log p for more, log (1 - p) for less
    logs = logsigmoid(torch.where(weights > 0, odds, -odds)) * weights.abs() * chosen[:, None]
    total = torch.zeros(queries, odds.shape[1], dtype=torch.float64).index_add_(0, parts.of, logs)
    return total.exp().clamp(min=LEAST)
