"""The distribution over candidates at every step of denoising, and what can be read from it.

The app, the command line, evaluation and analysis all read trajectories here, so that a name means one number. Pure:
tensors in, tensors and numbers out. Predictions are read through the trajectory's `Readout`. A leader is the column
that is largest at a step; which columns there are is the caller's choice: the candidates alone, or "no match" too.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .readout import ONE_WINNER, Readout


@dataclass(frozen=True)
class Trajectory:
    """The distribution over candidates at every step of denoising.

    candidates [query candidate]: indices into the gallery. x [step+1 query candidate]: the states; row 0 is
    the noise, the last row the sample. x0 [step query candidate]: the predictions, clamped to [-1, 1];
    x0_raw: before the clamp. With S seeds a seed axis follows the step axis. timesteps and alpha_bar [step]:
    in the order of sampling, noisiest first. form: the name of the generator; readout: what its x0 means.
    """

    direction: str
    candidates: Tensor
    x: Tensor
    x0: Tensor
    x0_raw: Tensor
    timesteps: Tensor
    alpha_bar: Tensor
    schedule: str
    form: str = "published"
    readout: Readout = ONE_WINNER

    @property
    def probability(self) -> Float[Tensor, "query candidate"]:
        """In [0, 1], with seeds the mean over them. Open-set: how probable it is that the candidate matches.
        Published: the generator's share among the candidates. See `Readout.shares`."""
        return self.readout.shares(self.predictions[-1]).mean(dim=0)

    @property
    def no_match(self) -> Float[Tensor, " query"] | None:
        """How probable it is that no candidate matches; None for the published form, which cannot say."""
        none = self.readout.none(self.predictions[-1])
        return None if none is None else none.mean(dim=0)

    @property
    def sample(self) -> Tensor:
        """The generated x_0 [(seed) query candidate]."""
        return self.x[-1]

    @property
    def has_seeds(self) -> bool:
        """Whether there is a seed axis after that of the steps."""
        return self.x.ndim == 4

    @property
    def states(self) -> Float[Tensor, "state seed query candidate"]:
        """`x`, with a seed axis also where there is one seed only."""
        return self.x if self.has_seeds else self.x[:, None]

    @property
    def predictions(self) -> Float[Tensor, "step seed query candidate"]:
        """`x0_raw`, with a seed axis also where there is one seed only."""
        return self.x0_raw if self.has_seeds else self.x0_raw[:, None]


# --- readings of leaders and values ---------------------------------------------------------------------


def places(values: Float[Tensor, "*rest candidate"]) -> Int[Tensor, "*rest candidate"]:
    """Places from 1, largest first; of equals, the earlier candidate comes first."""
    return values.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1) + 1


def settled(leaders: Int[Tensor, "step *rest"]) -> Int[Tensor, "*rest"]:
    """The step, from 1 to their number, from which the leader never changes again."""
    other = leaders != leaders[-1]
    number = torch.arange(1, len(leaders) + 1, device=leaders.device).view(-1, *[1] * (leaders.ndim - 1))
    return (other * number).amax(dim=0) + 1


def changes(leaders: Int[Tensor, "step *rest"]) -> Int[Tensor, "*rest"]:
    """How often the lead passes from one column to another."""
    return (leaders[1:] != leaders[:-1]).sum(dim=0)


def agreement(winners: Int[Tensor, "seed query"]) -> Float[Tensor, " query"]:
    """Share of the seeds whose winner is the most frequent one, float64 in (0, 1]."""
    return (winners == winners.mode(dim=0).values).double().mean(dim=0)


def seed_variance(x0_raw: Float[Tensor, "seed query candidate"]) -> float:
    """The share of the variance of x0, in [0, 1], that the initial noise causes, all queries together.

    Within: the variance over seeds. Total: over seeds and candidates, about each seed's mean over the candidates, for
    cross entropy ignores the level of x0. 0 for one seed, and where nothing varies.
    """
    if len(x0_raw) < 2:
        return 0.0
    x0 = x0_raw - x0_raw.mean(dim=2, keepdim=True)
    within, total = x0.var(dim=0).mean(), x0.var(dim=(0, 2)).mean()
    return (within / total.clamp(min=1e-12)).item()


def gap(x0_raw: Float[Tensor, "*rest candidate"]) -> Float[Tensor, "*rest"]:
    """How far the largest prediction is ahead of the second; 0 where there is one candidate only."""
    best = x0_raw.topk(min(2, x0_raw.shape[-1]), dim=-1).values
    return best[..., 0] - best[..., -1]


def path_length(x: Float[Tensor, "step *rest candidate"]) -> Float[Tensor, "*rest"]:
    """How far the state travels: mean over candidates of the sum of its absolute steps."""
    return x.diff(dim=0).abs().sum(dim=0).mean(dim=-1)


def sharp_entropy(x0_raw: Float[Tensor, "*rest candidate"]) -> Float[Tensor, "*rest"]:
    """Bits of softmax(100 x0), whatever the generator: as if one candidate had to win. In [0, log2 candidates]."""
    return ONE_WINNER.entropy(ONE_WINNER.shares(x0_raw.double()))


# --- an ensemble of seeds -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ensemble:
    """What several seeds make of one query.

    share [step seed column]: as `Readout.columns` reads them. mean, low, high [step column]: over seeds, with the 10 %
    and 90 % quantiles. winner: the column that leads the mean at the end. leaders [step seed]: columns. agreeing [step
    seed]: whether a seed is for the winner, see `Readout.votes`. agree: how many seeds end so. together: the step,
    from 1, from which all are, None where they never all are.
    """

    share: Float[Tensor, "step seed column"]
    mean: Float[Tensor, "step column"]
    low: Float[Tensor, "step column"]
    high: Float[Tensor, "step column"]
    leaders: Int[Tensor, "step seed"]
    agreeing: Bool[Tensor, "step seed"]
    winner: int
    agree: int
    together: int | None

    @classmethod
    def of(cls, trajectory: Trajectory) -> Ensemble:
        """The seeds of one query's trajectory; one without a seed axis is an ensemble of one."""
        share = trajectory.readout.columns(trajectory.predictions[:, :, 0])
        mean = share.mean(dim=1)
        low, high = share.quantile(torch.tensor([0.1, 0.9], dtype=share.dtype), dim=1)
        winner = int(mean[-1].argmax())
        agreeing = trajectory.readout.votes(share, winner)
        apart = (~agreeing).any(dim=1).nonzero()
        together = int(apart[-1]) + 2 if len(apart) else 1
        return cls(
            share=share,
            mean=mean,
            low=low,
            high=high,
            leaders=share.argmax(dim=-1),
            agreeing=agreeing,
            winner=winner,
            agree=int(agreeing[-1].sum()),
            together=together if together <= len(share) else None,
        )

    @property
    def seeds(self) -> int:
        return self.share.shape[1]

    @property
    def spread(self) -> tuple[float, float]:
        """Smallest and largest final share of the winner over seeds."""
        last = self.share[-1, :, self.winner]
        return float(last.min()), float(last.max())
