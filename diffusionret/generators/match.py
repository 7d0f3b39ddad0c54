"""Match: how probable it is that candidates match a query, and that nothing in the gallery does."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

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


def match_of(none: Float[Tensor, " query"], given: Float[Tensor, "query candidate"]) -> Match:
    """The match from p(no video matches) and p(candidate matches | some video does).

    Where the latter sum to less than 1 they are scaled up to it: if some video matches, one of those shown does, as
    far as the numbers go.
    """
    none = none.clamp(LEAST, 1 - LEAST)
    given = given.clamp(LEAST, 1.0)
    given = given / given.sum(dim=1, keepdim=True).clamp(max=1.0)
    return Match((1 - none)[:, None] * given, none)


def at_prior(none: Float[Tensor, " query"], absent: float, learned: float = TRAINED_ABSENT) -> Tensor:
    """p(no match) where another share of the queries has none: the odds times the ratio of the prior odds.

    absent, learned: shares in (0, 1), of the queries that are asked and of those that the probability was learned from.
    """
    if not 0 < absent < 1:
        raise ValueError(f"absent is {absent}: the share of queries without a match lies between 0 and 1.")
    ratio = absent / (1 - absent) / (learned / (1 - learned))
    return torch.sigmoid(torch.logit(none.double(), eps=LEAST) + torch.tensor(ratio).log()).to(none.dtype)
