"""Match: how probable it is that candidates match a query, and that nothing in the gallery does."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

TRAINED_ABSENT = 0.35  # mean share of queries without a match, as training asks them
ABSENT = 0.3  # the share that is assumed where nobody says another
LEAST = 1e-6  # no probability is 0 or 1


class Match(NamedTuple):
    """What the match head says, all in (0, 1).

    probability [query candidate]: that the candidate matches. none [query]: that no video of the gallery does, of the
    whole gallery and not only of the candidates. They agree: max probability <= 1 - none <= sum of probability.
    """

    probability: Tensor
    none: Tensor


def match_of(
    none: Float[Tensor, " query"],
    odds: Float[Tensor, "query candidate"],
    head: Float[Tensor, " query"],
    choice: Float[Tensor, "query candidate"],
) -> Match:
    """The match from p(no video matches), whoever says it, and what the head says.

    odds: log odds that each candidate matches. head: log odds that none does. choice: logits of which one is meant,
    given that one matches. What the head says of candidates is scaled by what p(any matches) is said to be instead of
    what the head says of it, so that all of it agrees. The latter counts as at most 1 - product of (1 - p_i), as if
    candidates matched independently of each other: where something is ruled out, less is left of p_i than the head
    knows. What is meant matches, so that given any match p_i is at least the share of candidate i in `choice`: of two
    candidates of which just one matches, independence knows less than that.
    """
    none = none.clamp(LEAST, 1 - LEAST)
    alone = odds.sigmoid().clamp(min=LEAST)
    together = -torch.expm1(-softplus(odds).sum(dim=1, keepdim=True))
    together = torch.minimum(together, torch.sigmoid(-head)[:, None].to(odds))
    given = alone / torch.maximum(together, alone.amax(dim=1, keepdim=True))
    given = torch.maximum(given, choice.to(given).softmax(dim=1))
    given = given / given.sum(dim=1, keepdim=True).clamp(max=1.0)  # rounding
    return Match((1 - none)[:, None] * given, none)


def at_prior(none: Float[Tensor, " query"], absent: float, learned: float = TRAINED_ABSENT) -> Tensor:
    """p(no match) where another share of the queries has none: the odds times the ratio of the prior odds.

    absent, learned: shares in (0, 1), of the queries that are asked and of those that the probability was learned from.
    """
    return torch.sigmoid(torch.logit(none.double(), eps=LEAST) + prior_shift(absent, learned)).to(none.dtype)


def prior_shift(absent: float, learned: float) -> float:
    """What another share of queries without a match adds to the log odds that nothing matches; see `at_prior`.

    Raises ValueError where `absent` is no share between 0 and 1.
    """
    if not 0 < absent < 1:
        raise ValueError(f"absent is {absent}: the share of queries without a match lies between 0 and 1.")
    return math.log(absent / (1 - absent)) - math.log(learned / (1 - learned))
