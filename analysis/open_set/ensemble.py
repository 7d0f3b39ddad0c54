"""What an ensemble of draws visits, and what its noise decides.

Draws are shares [seed query candidate] at the last step; what is left of 1 is none's. match: bool [query candidate].
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from diffusionret.diffusion import Schedule
from diffusionret.generators.openset import draw
from diffusionret.readout import ONE_OR_NONE

SEEDS = 1000
BYTES = 2**28  # that the states of a part may take


def draws(choice: Tensor, none: Tensor, schedule: Schedule, seeds: int = SEEDS) -> Tensor:
    """Shares [seed query candidate] of denoised noises, the same for every query, as a search's are.

    choice [query candidate], none [query]: as `generators.openset.draw` takes them.
    """
    count = choice.shape[1]
    noise = torch.stack(
        [torch.randn(count, generator=torch.Generator().manual_seed(s)) for s in range(seeds)]
    )
    size = max(BYTES // (8 * schedule.steps * seeds * count), 1)
    parts = zip(choice.float().split(size), none.float().split(size), strict=True)
    return torch.cat(
        [
            ONE_OR_NONE.shares(draw(c, n, schedule, noise[:, None].expand(-1, len(c), -1))[1][-1])
            for c, n in parts
        ],
        dim=1,
    )


def frequencies(shares: Tensor) -> Tensor:
    """How often each candidate and, last, none is drawn: [query column], rows sum to 1."""
    won = ONE_OR_NONE.columns(2 * shares - 1).argmax(dim=-1)
    return torch.stack(
        [(won == column).double().mean(dim=0) for column in range(shares.shape[-1] + 1)], dim=1
    )


def evenness(visit: Tensor, match: Tensor) -> Tensor:
    """[query]: the entropy of the visits to candidates that match, renormalised, over the log of how many match, in
    [0, 1]. visit: as `frequencies`. Of queries of which two at least match."""
    among = visit[:, :-1] * match
    share = among / among.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return -torch.xlogy(share, share).sum(dim=1) / match.double().sum(dim=1).log()


def hits(visit: Tensor, match: Tensor) -> Tensor:
    """[query]: share of the draws that fit."""
    return (visit[:, :-1] * match).sum(dim=1)


def first_step(choice: Tensor, none: Tensor) -> Tensor:
    """What the network alone says before any step: [query column], none last."""
    share = (1 - none.double())[:, None] * choice.double().softmax(dim=1)
    return torch.cat([share, none.double()[:, None]], dim=1)


def distance(visit: Tensor, wanted: Tensor) -> Tensor:
    """Total variation between distributions, [query], in [0, 1]."""
    return (visit - wanted).abs().sum(dim=1) / 2


def noise_share(shares: Tensor) -> float:
    """Mean over queries of the sum over candidates of the variance over seeds, by the total variance over queries,
    candidates and seeds (times the number of candidates, so that it lies in [0, 1])."""
    shares = shares.double()
    within = shares.var(dim=0, unbiased=False).sum(dim=1).mean()
    return float(within / (shares.var(unbiased=False) * shares.shape[2]).clamp(min=1e-12))


def fact_share(match: Tensor) -> float:
    """The same of a sampler that knows the facts: it draws one of what matches, all alike, and none where nothing
    does."""
    return drawn_share(match.double() / match.sum(dim=1, keepdim=True).clamp(min=1))


def drawn_share(p: Tensor) -> float:
    """The same of a sampler that draws candidates with the probabilities p [query candidate], whatever is left none."""
    within = (p * (1 - p)).sum(dim=1).mean()
    mean = p.mean()
    return float(within / (mean * (1 - mean) * p.shape[1]).clamp(min=1e-12))


def one_of_independent(p: Tensor) -> Tensor:
    """Which candidate is drawn, [query candidate], where each matches with probability p by itself and one of those
    that match is drawn, all alike; given that any does. What a sampler could do that knows p(match) of each, and no
    more.

    Exact: p_i times the integral over t in [0, 1] of the product over the others of 1 - p_j (1 - t), a polynomial.
    """
    nodes, weights = np.polynomial.legendre.leggauss(p.shape[1] // 2 + 1)
    left = torch.from_numpy(1 - (nodes + 1) / 2)
    logs = (1 - p.double()[..., None] * left).clamp(min=1e-12).log()
    among = (logs.sum(dim=1, keepdim=True) - logs).exp() @ torch.from_numpy(weights / 2)
    drawn = p.double() * among
    return drawn / drawn.sum(dim=1, keepdim=True).clamp(min=1e-12)
