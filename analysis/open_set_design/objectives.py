"""Other objectives than the cross entropy of the bits."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from diffusionret.generators.openset import OpenSetDenoiser, bit_loss, noised

Loss = Callable[[OpenSetDenoiser, Tensor, Tensor, Tensor, Tensor], Tensor]


def wide(context: Tensor, u: Tensor) -> Tensor:
    """The context once for every draw of the noise."""
    return context.expand(len(u), *context.shape).flatten(0, 1)


def self_conditioned_loss(network, context, match, u, noise) -> Tensor:
    """Half of the batches are given a first guess, as the paper has it."""
    network.last = None
    if torch.rand(()) < 0.5:
        with torch.no_grad():
            network.last = (network(wide(context, u), *noised(match, u, noise)) / 2).tanh()
    try:
        return bit_loss(network, context, match, u, noise)
    finally:
        network.last = None


def noise_loss(network, context, match, u, noise) -> Tensor:
    """Mean squared error of the noise, DDPM's objective."""
    return mse_loss(network.noise(wide(context, u), *noised(match, u, noise)), noise.flatten(0, 1))


def squared_loss(network, context, match, u, noise) -> Tensor:
    """Mean squared error of x_0, the objective of the analog bits' paper."""
    said = (network(wide(context, u), *noised(match, u, noise)) / 2).tanh()
    return mse_loss(said, (2 * match.to(noise.dtype) - 1).expand_as(noise).flatten(0, 1))


def noisier_loss(network, context, match, u, noise) -> Tensor:
    """The usual objective at levels with more noise."""
    return bit_loss(network, context, match, u.sqrt(), noise)
