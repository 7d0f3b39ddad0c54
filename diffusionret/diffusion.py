"""Noise schedules, forward noising, and DDIM as a generator of steps over any `denoise(x, t)`.

Notation of Ho et al. 2020 and Song et al. 2021: alpha_bar is the share of signal variance left at a step.
Steps are numbered 0 (almost clean) to T - 1 (almost noise).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class Schedule:
    """A noise schedule.

    alpha_bar: float64 [step], decreasing, in (0, 1). timesteps: int64 [step], the step numbers that the
    network's time embedding sees; they differ from 0..T-1 where a longer schedule was respaced.
    trained: False for a schedule that the model at hand was not trained with.
    """

    name: str
    alpha_bar: Tensor
    timesteps: Tensor

    @property
    def steps(self) -> int:
        return len(self.timesteps)

    def respaced(self, steps: int) -> Schedule:
        """`steps` of this schedule's steps, evenly spread, first and last included (improved DDPM, section 4)."""
        if not 1 <= steps <= self.steps:
            raise ValueError(f"This schedule has {self.steps} steps: it cannot be respaced to {steps}.")
        if steps == 1:  # one step must start from the noisiest state
            kept = torch.tensor([self.steps - 1])
        else:
            kept = torch.linspace(0, self.steps - 1, steps, dtype=torch.float64).round().long()
        return Schedule(self.name, self.alpha_bar[kept], self.timesteps[kept])


@lru_cache(maxsize=64)
def make_schedule(name: str, steps: int) -> Schedule:
    """A fresh schedule of `steps` steps.

    "cosine": beta from alpha_bar(u) = cos^2((u + 0.008) / 1.008 * pi / 2), at most 0.999 (Nichol 2021).
    "linear": beta from 1e-4 to 0.02, scaled by 1000 / steps; raises ValueError at 20 steps or fewer,
    where beta would reach 1.
    """
    if steps < 1:
        raise ValueError(f"A schedule needs at least 1 step, not {steps}.")
    if name == "cosine":
        level = [math.cos((i / steps + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(steps + 1)]
        beta = torch.tensor([min(1 - b / a, 0.999) for a, b in pairwise(level)], dtype=torch.float64)
    elif name == "linear":
        if steps <= 20:
            raise ValueError(
                f"A fresh linear schedule of {steps} steps has beta >= 1: use more than 20 steps, or respace a "
                "longer one."
            )
        scale = 1000 / steps
        beta = torch.linspace(scale * 1e-4, scale * 0.02, steps, dtype=torch.float64)
    else:
        raise ValueError(f"There is no schedule {name!r}: choose cosine or linear.")
    return Schedule(name, torch.cumprod(1 - beta, 0), torch.arange(steps))


def add_noise(x0: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """q(x_t | x_0) = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) noise.

    x0, noise [query candidate]; alpha_bar [query] or a number, at the step of each query.
    """
    alpha_bar = alpha_bar.to(x0.dtype)
    if alpha_bar.ndim:
        alpha_bar = alpha_bar[:, None]
    return alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise


class Step(NamedTuple):
    """One step of sampling: the step number t that the network saw, the prediction, and the state after it."""

    t: int
    x0_raw: Tensor  # as predicted
    x0: Tensor  # clamped to [-1, 1]
    x: Tensor  # the next, less noisy state


def ddim(
    denoise: Callable[[Tensor, int], Tensor],
    noise: Tensor,
    schedule: Schedule,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
) -> Iterator[Step]:
    """Sample with DDIM (Song et al. 2021, eq. 12), yielding every step; the last `x` is the sample.

    denoise(x, t) -> x0_raw, shaped as x. noise: x_T, any shape. eta: 0 deterministic, 1 ancestral (DDPM).
    generator: source of the noise that eta > 0 adds; required then, so that results can be repeated.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta is {eta}: choose a value from 0 (deterministic) to 1 (ancestral).")
    if eta and generator is None:
        raise ValueError("eta > 0 draws noise at every step: pass a torch.Generator.")
    x = noise
    for i in reversed(range(schedule.steps)):
        t, a = int(schedule.timesteps[i]), float(schedule.alpha_bar[i])
        a_prev = float(schedule.alpha_bar[i - 1]) if i else 1.0
        x0_raw = denoise(x, t)
        x0 = x0_raw.clamp(-1, 1)
        eps = (x - math.sqrt(a) * x0) / math.sqrt(1 - a)
        sigma = eta * math.sqrt((1 - a_prev) / (1 - a) * (1 - a / a_prev))
        x = math.sqrt(a_prev) * x0 + math.sqrt(max(1 - a_prev - sigma**2, 0.0)) * eps
        if sigma:
            assert generator is not None  # sigma > 0 needs eta > 0
            z = torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype)
            x = x + sigma * z.to(x.device)
        yield Step(t, x0_raw, x0, x)
