"""What a trajectory says, in numbers: shares, ranks, uncertainty, and what the noise decides.

Pure: tensors in, tensors and numbers out. The app, scripts, notebooks and figures.py read trajectories here.
Letters: S seeds, T steps, K candidates. Predictions of the published generator are read through a softmax and
share one winner; those of the open-set generator are probabilities of a match, each candidate for itself. A column
is what may win: a candidate or, with the open-set generator, "no match", the last one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from diffusionret.model import READOUT, Trajectory

PUBLISHED, OPEN_SET = "published", "open-set"


def shares(
    x0_raw: Float[Tensor, "*rest candidate"], form: str = PUBLISHED
) -> Float[Tensor, "*rest candidate"]:
    """Predictions as they are shown, float64 in [0, 1].

    "published": softmax(100 x0), the readout at the temperature of training; sums to 1 over the candidates.
    "open-set": (x0 + 1) / 2, the probability that a candidate matches, which need not sum to 1.
    """
    x0 = x0_raw.double()
    return (READOUT * x0).softmax(dim=-1) if form == PUBLISHED else (x0.clamp(-1, 1) + 1) / 2


def published_shares(x0_raw: Float[Tensor, "*rest candidate"]) -> Float[Tensor, "*rest candidate"]:
    """softmax of the clamped prediction, the readout of the published code: nearly flat over many candidates."""
    return x0_raw.double().clamp(-1, 1).softmax(dim=-1)


def seeds_of(trajectory: Trajectory, every_query: bool = False) -> Tensor:
    """x0_raw [step seed candidate] of one query, with a seed axis where there is one seed only.

    every_query: [step seed query candidate], for a trajectory of several queries.
    """
    x0_raw = trajectory.x0_raw if trajectory.has_seeds else trajectory.x0_raw[:, None]
    return x0_raw if every_query else x0_raw[:, :, 0]


def columns(x0_raw: Float[Tensor, "*rest candidate"], form: str = PUBLISHED) -> Float[Tensor, "*rest column"]:
    """`shares` and, with the open-set generator, behind them the probability that no candidate matches.

    The bits of one prediction are independent given its state, so this is the product of (1 - x0) / 2.
    """
    share = shares(x0_raw, form)
    if form == PUBLISHED:
        return share
    return torch.cat([share, (1 - share).prod(dim=-1, keepdim=True)], dim=-1)


def ranks(values: Float[Tensor, "*rest candidate"]) -> Int[Tensor, "*rest candidate"]:
    """Places from 1, largest first; of equals, the earlier candidate comes first."""
    return values.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1) + 1


def settled(leaders: Int[Tensor, " step"]) -> int:
    """The step, from 1, from which the leader never changes again."""
    other = (leaders != leaders[-1]).nonzero()
    return int(other[-1]) + 2 if len(other) else 1


def changes(leaders: Int[Tensor, " step"]) -> int:
    """How often the lead passes from one candidate to another."""
    return int((leaders[1:] != leaders[:-1]).sum())


def entropy(share: Float[Tensor, "*rest candidate"], form: str = PUBLISHED) -> Float[Tensor, "*rest"]:
    """Uncertainty in bits: of the one winner ("published"), or of all yes-or-no answers together ("open-set")."""
    bits = -torch.xlogy(share, share)
    if form != PUBLISHED:
        bits = bits - torch.xlogy(1 - share, 1 - share)
    return bits.sum(dim=-1) / torch.log(torch.tensor(2.0, dtype=share.dtype))


@dataclass(frozen=True)
class Crowd:
    """What several noises make of one query.

    share [step seed column]: as `columns` reads them. mean, low, high [step column]: over seeds, with the 10 % and
    90 % quantiles. winner: the column that leads the mean at the end. leaders [step seed]: columns. agreeing, bool
    [step seed]: whether a seed is for the winner: it leads there, or, where several may match, is more probable than
    not. agree: how many seeds end so. together: the step, from 1, from which all are, None where they never all are.
    """

    share: Tensor
    mean: Tensor
    low: Tensor
    high: Tensor
    leaders: Tensor
    agreeing: Tensor
    winner: int
    agree: int
    together: int | None

    @property
    def seeds(self) -> int:
        return self.share.shape[1]

    @property
    def spread(self) -> tuple[float, float]:
        """Smallest and largest final share of the winner over seeds."""
        last = self.share[-1, :, self.winner]
        return float(last.min()), float(last.max())


def crowd(trajectory: Trajectory) -> Crowd:
    """The seeds of one query's trajectory; one without a seed axis is a crowd of one."""
    x0_raw = seeds_of(trajectory)
    share = columns(x0_raw, trajectory.form)
    mean = share.mean(dim=1)
    low, high = share.quantile(torch.tensor([0.1, 0.9], dtype=share.dtype), dim=1)
    leaders = share.argmax(dim=-1)
    winner = int(mean[-1].argmax())
    agreeing = leaders == winner if trajectory.form == PUBLISHED else share[..., winner] >= 0.5
    apart = (~agreeing).any(dim=1).nonzero()
    together = int(apart[-1]) + 2 if len(apart) else 1
    return Crowd(
        share=share,
        mean=mean,
        low=low,
        high=high,
        leaders=leaders,
        agreeing=agreeing,
        winner=winner,
        agree=int(agreeing[-1].sum()),
        together=together if together <= len(leaders) else None,
    )


def seed_variance(crowd: Crowd) -> float:
    """The share, in [0, 1], of the variance of the final shares over columns and seeds that the seed explains."""
    last = crowd.share[-1]
    total = float(((last - last.mean()) ** 2).mean())
    return float(last.var(dim=0, correction=0).mean()) / total if total else 0.0
