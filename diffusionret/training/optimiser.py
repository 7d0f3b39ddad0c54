"""AdamW with its schedule of the learning rate, and the average of the weights."""

from __future__ import annotations

import copy
import math
from typing import Generic, TypeVar

import torch
from torch import nn

from ..config import Optimisation

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def lr_scale(step: int, steps: int, warmup: float) -> float:
    """The learning rate at a step as a share of the highest, 0 to 1: linear warm-up, then cosine decay to 0.

    step: from 0. steps: of the whole training. warmup: share of the steps, 0 to 1.
    """
    first = max(1, int(steps * warmup))
    if step < first:
        return (step + 1) / first
    return 0.5 * (1 + math.cos(math.pi * (step - first) / max(1, steps - first)))


def make_optimiser(module: nn.Module, optimisation: Optimisation) -> torch.optim.AdamW:
    """AdamW over the parameters that require a gradient; each group keeps its highest rate under "peak".

    With a rate of their own, CLIP's towers (parameters below `towers`) learn slowly, the new parts fast.
    """
    named = [(f".{name}", p) for name, p in module.named_parameters() if p.requires_grad]
    parts = [([p for _, p in named], optimisation.lr)]
    if optimisation.tower_lr is not None:
        parts = [
            ([p for name, p in named if (".towers." in name) == tower], lr)
            for tower, lr in ((True, optimisation.tower_lr), (False, optimisation.lr))
        ]
    groups = [
        {
            "params": [p for p in parameters if (p.ndim >= 2) == matrices],
            "lr": lr,
            "peak": lr,
            "weight_decay": optimisation.weight_decay if matrices else 0.0,
        }
        for parameters, lr in parts
        for matrices in (True, False)
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], betas=(0.9, 0.98))


def set_rate(optimiser: torch.optim.Optimizer, scale: float) -> None:
    """The rate of every group, as a share of its highest."""
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * scale


class Average(Generic[ModuleT]):
    """The exponential average of a module's weights and batch statistics, in `module`, a copy."""

    def __init__(self, module: ModuleT, optimisation: Optimisation) -> None:
        self.module = copy.deepcopy(module)
        self.ema, self.rises = optimisation.ema, optimisation.ema_rises

    def decay(self, step: int) -> float:
        """The share of the old average that is left after step number `step`, from 0."""
        if self.rises:
            return min(self.ema, (1 + step) / (10 + step))
        return self.ema if step else 0.0

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Move the average towards the weights after step number `step`."""
        decay, new = self.decay(step), module.state_dict()
        for name, old in self.module.state_dict().items():
            if old.is_floating_point():
                old.lerp_(new[name], 1 - decay)
            else:
                old.copy_(new[name])
