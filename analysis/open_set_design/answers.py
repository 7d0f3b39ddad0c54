"""What a variant says of validation queries, and what is true."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from diffusionret.diffusion import ddim, make_schedule
from diffusionret.generators.openset import OpenSetDenoiser
from diffusionret.metrics import reliability
from diffusionret.readout import BITS
from diffusionret.training.openset_sets import validation_sets
from diffusionret.training.storybook_stages import StorybookOpenSet

from ..open_set.quality import first
from .networks import SelfConditioned
from .objectives import wide
from .variants import USUAL

SAMPLING = 8  # steps of denoising, which give the figures of 50


class Answers(NamedTuple):
    """Of validation queries: the probability that a candidate matches and whether it does, both [query candidate], and
    none [query], the probability that nothing matches."""

    probability: np.ndarray
    match: np.ndarray
    none: np.ndarray

    @property
    def loss(self) -> np.ndarray:
        """Log loss (nats) of every query, the mean over its candidates."""
        p = np.clip(self.probability, 1e-3, 1 - 1e-3)
        return -np.where(self.match > 0, np.log(p), np.log1p(-p)).mean(axis=1)

    def summary(self) -> dict[str, float]:
        """The figures of merit, by name; errors of calibration are expected ones."""
        top, hit = first(torch.from_numpy(self.probability), torch.from_numpy(self.match))
        empty = self.match.max(axis=1) == 0
        return {
            "log_loss": float(self.loss.mean()),
            "candidate_error": reliability(self.probability, self.match).error,
            "first_error": reliability(top.numpy(), hit.numpy()).error,
            "no_match_error": reliability(self.none, empty).error,
            "first_fits": 100 * float(hit.numpy()[~empty].mean()),
        }


@torch.no_grad()
def ask(
    stage: StorybookOpenSet,
    network: OpenSetDenoiser,
    steps: int = SAMPLING,
    eta: float = 0.0,
    count: int = USUAL.candidates,
) -> Answers:
    """The network's answers to every fourth validation query, a share of them without what fits.

    stage: of training, whose features and validation are taken. steps, eta: of sampling. count: candidates a query.
    """
    pool = stage.features.validation_pool
    queries = pool.queries("t2v", torch.arange(0, len(pool.fits), 4))
    candidates, _ = validation_sets(queries, count)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(USUAL.seeds, *candidates.shape, generator=generator)
    context = network.context(queries.pairs(candidates), "t2v")
    context = wide(context, noise)
    plan = make_schedule(USUAL.schedule, USUAL.steps).respaced(steps)
    level = dict(zip(plan.timesteps.tolist(), plan.alpha_bar.tolist(), strict=True))

    def denoise(x: Tensor, t: int) -> Tensor:
        flat = x.flatten(0, 1)
        said = (network(context, flat, flat.new_full((len(flat),), level[t])) / 2).tanh()
        if isinstance(network, SelfConditioned):
            network.last = said
        return said.view_as(x)

    *_, last = ddim(denoise, noise, plan, eta, generator)
    if isinstance(network, SelfConditioned):
        network.last = None
    match = queries.fits.gather(1, candidates).double()
    said, none = BITS.shares(last.x0).mean(dim=0), BITS.none(last.x0).mean(dim=0)
    return Answers(said.double().numpy(), match.numpy(), none.double().numpy())
