"""Augmentation of Storybook's frames."""

from __future__ import annotations

import random

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad


def shift(frames: Tensor, rng: random.Random, most: int = 3) -> Tensor:
    """Frames [... 3 h w] moved by up to `most` pixels, edges repeated. No flips: left and right are words here.

    All frames of a call move alike; the next call moves them otherwise.
    """
    h, w = frames.shape[-2:]
    padded = pad(frames.flatten(0, -4), (most,) * 4, mode="replicate")
    y, x = rng.randint(0, 2 * most), rng.randint(0, 2 * most)
    return padded[..., y : y + h, x : x + w].reshape(frames.shape)


def soften(x: Float[Tensor, "image 3 h w"], rng: random.Random) -> Float[Tensor, "image 3 h w"]:
    """Mixed with their 3 x 3 mean by a random part: drawn clips are sharper than decoded ones."""
    return x.lerp(avg_pool2d(x, 3, 1, 1, count_include_pad=False), rng.uniform(0.0, 0.6))
