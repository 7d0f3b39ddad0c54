"""What a prediction x_0 over candidates means: a readout turns it into shares, and says how uncertain they are.

Published: one winner among the candidates, read through a softmax. Open-set: one candidate that is meant, or none. A
column is what may win: a candidate or, where a readout knows it, "no match", the last one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

# Sharpens the published prediction into shares of the candidates: the temperature that its training uses (eq. 11).
READOUT = 100.0


class Readout(ABC):
    """exclusive: whether one candidate wins, so that shares sum to 1. has_none: whether "no match" is a column."""

    exclusive: ClassVar[bool]
    has_none: ClassVar[bool]

    @abstractmethod
    def shares(self, x0_raw: Float[Tensor, "*rest candidate"]) -> Float[Tensor, "*rest candidate"]:
        """Predictions before the clamp as shares, in [0, 1]."""

    @abstractmethod
    def none(self, x0_raw: Float[Tensor, "*rest candidate"]) -> Float[Tensor, "*rest"] | None:
        """How probable it is that no candidate matches, in [0, 1]; None where that is no column."""

    @abstractmethod
    def order(
        self, x0_raw: Float[Tensor, "seed query candidate"], similarity: Float[Tensor, "query candidate"]
    ) -> Float[Tensor, "query candidate"]:
        """Values, float64, that rank the candidates of a query by predictions alone, larger first."""

    @abstractmethod
    def entropy(self, share: Float[Tensor, "*rest candidate"]) -> Float[Tensor, "*rest"]:
        """Uncertainty of shares in bits, in [0, `most_entropy`]."""

    @abstractmethod
    def most_entropy(self, candidates: int) -> float:
        """Bits of so many candidates, all shares alike."""

    @abstractmethod
    def votes(self, share: Float[Tensor, "*rest column"], winner: int) -> Bool[Tensor, "*rest"]:
        """Whether shares are for the column `winner`."""

    @abstractmethod
    def clean(self, match: Bool[Tensor, "*rest candidate"]) -> Float[Tensor, "*rest candidate"]:
        """x_0 where it is known which candidates match."""

    def columns(self, x0_raw: Float[Tensor, "*rest candidate"]) -> Float[Tensor, "*rest column"]:
        """`shares` in float64 and, where it is a column, "no match" behind them."""
        x0_raw = x0_raw.double()
        share, none = self.shares(x0_raw), self.none(x0_raw)
        return share if none is None else torch.cat([share, none[..., None]], dim=-1)


@dataclass(frozen=True)
class OneWinner(Readout):
    """The generator's share among the candidates, softmax(100 x0): x_0 is a one-hot over them."""

    exclusive: ClassVar[bool] = True
    has_none: ClassVar[bool] = False

    def shares(self, x0_raw: Float[Tensor, "*rest candidate"]) -> Float[Tensor, "*rest candidate"]:
        return (READOUT * x0_raw).softmax(dim=-1)

    def none(self, x0_raw: Float[Tensor, "*rest candidate"]) -> None:
        return None

    def order(
        self, x0_raw: Float[Tensor, "seed query candidate"], similarity: Float[Tensor, "query candidate"]
    ) -> Float[Tensor, "query candidate"]:
        """x0 before the clamp, the mean over seeds: shares may be too small to tell apart, predictions are not."""
        return x0_raw.double().mean(dim=0)

    def entropy(self, share: Float[Tensor, "*rest candidate"]) -> Float[Tensor, "*rest"]:
        return (0.0 - torch.xlogy(share, share).sum(dim=-1)) / math.log(2)  # 0 has no sign here

    def most_entropy(self, candidates: int) -> float:
        return math.log2(candidates)

    def votes(self, share: Float[Tensor, "*rest column"], winner: int) -> Bool[Tensor, "*rest"]:
        return share.argmax(dim=-1) == winner

    def clean(self, match: Bool[Tensor, "*rest candidate"]) -> Float[Tensor, "*rest candidate"]:
        return match.float()


@dataclass(frozen=True)
class OneOrNone(Readout):
    """The probability that a candidate is the one that is meant, (x0 + 1) / 2: x_0 is +1 there and -1 elsewhere, and
    -1 everywhere where none is. Shares and "no match" together sum to 1."""

    exclusive: ClassVar[bool] = True
    has_none: ClassVar[bool] = True

    def shares(self, x0_raw: Float[Tensor, "*rest candidate"]) -> Float[Tensor, "*rest candidate"]:
        return (x0_raw.clamp(-1, 1) + 1) / 2

    def none(self, x0_raw: Float[Tensor, "*rest candidate"]) -> Float[Tensor, "*rest"]:
        return (1 - self.shares(x0_raw).sum(dim=-1)).clamp(min=0)

    def order(
        self, x0_raw: Float[Tensor, "seed query candidate"], similarity: Float[Tensor, "query candidate"]
    ) -> Float[Tensor, "query candidate"]:
        """By share, where the similarity decides ties."""
        return self.shares(x0_raw).mean(dim=0).double() + 1e-6 * similarity.double()

    def entropy(self, share: Float[Tensor, "*rest candidate"]) -> Float[Tensor, "*rest"]:
        """Of the candidates and "no match", whether `share` brings that along as a column or not."""
        rest = (1 - share.sum(dim=-1)).clamp(min=0)
        nats = torch.xlogy(share, share).sum(dim=-1) + torch.xlogy(rest, rest)
        return (0.0 - nats) / math.log(2)

    def most_entropy(self, candidates: int) -> float:
        return math.log2(candidates + 1)

    def votes(self, share: Float[Tensor, "*rest column"], winner: int) -> Bool[Tensor, "*rest"]:
        return share.argmax(dim=-1) == winner

    def clean(self, match: Bool[Tensor, "*rest candidate"]) -> Float[Tensor, "*rest candidate"]:
        return 2 * match.float() - 1


ONE_WINNER, ONE_OR_NONE = OneWinner(), OneOrNone()


def published_shares(x0_raw: Float[Tensor, "*rest candidate"]) -> Float[Tensor, "*rest candidate"]:
    """softmax of the clamped prediction, the readout of the published code: nearly flat over many candidates."""
    return x0_raw.clamp(-1, 1).softmax(dim=-1)
