"""What the seeds of an ensemble visit, and what they decide.

match: whether a candidate fits its query, float (0, 1).
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from diffusionret.trajectory import Trajectory, agreement, seed_variance

from .quality import Numbers


def visits(x0: Float[Tensor, "seed query candidate"]) -> Numbers:
    """How the seeds share themselves out: each spreads one visit evenly over the candidates that it takes to match,
    and a seed that takes none to match makes none. Sums to the share of seeds that visit."""
    bits = (x0 > 0).double()
    return (bits / bits.sum(dim=-1, keepdim=True).clamp(min=1)).mean(dim=0)


def evenness(visit: Numbers, match: Numbers) -> tuple[Tensor, Tensor, Tensor]:
    """[query]: the number m of candidates that match, the entropy (nats) of the visits among them, at most log m, and
    the share of all visits that they get. Queries without visits to a match have entropy 0."""
    among = visit * match
    share = among / among.sum(dim=1, keepdim=True).clamp(min=1e-12)
    entropy = -(share * share.clamp(min=1e-12).log()).sum(dim=1)
    return match.sum(dim=1).long(), entropy, among.sum(dim=1) / visit.sum(dim=1).clamp(min=1e-12)


def same_set(x0: Float[Tensor, "seed query candidate"]) -> Float[Tensor, " query"]:
    """Share of the seeds whose set of matches is the query's most frequent one."""
    bits = (x0 > 0).permute(1, 0, 2)  # [query seed candidate]
    equal = (bits[:, :, None] == bits[:, None]).all(-1)  # [query seed seed]
    return equal.double().mean(-1).amax(-1)


def noise_levels(trajectory: Trajectory) -> list[dict]:
    """Step by step, noisiest first: the share of the variance of x0 that the seeds cause (about each query's mean over
    candidates), the share of seeds whose leader ("none" may lead) is their final winner, and of seeds that lead with
    the query's most frequent leader."""
    x0 = trajectory.predictions
    leaders = trajectory.readout.columns(x0).argmax(-1)
    rows = []
    for prediction, leader, level in zip(x0, leaders, trajectory.alpha_bar.tolist(), strict=True):
        rows.append(
            {
                "noise": 1 - level, "seed_variance": seed_variance(prediction),
                "winner_is_final": float((leader == leaders[-1]).double().mean()),
                "seeds_agree": float(agreement(leader).mean()),
            }
        )  # fmt: skip
    return rows
