"""The generator's network with one thing changed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffusionret.config import OpenSetConfig
from diffusionret.generators.openset import OpenSetDenoiser

EDGE = 1 - 1e-5  # nearest that a prediction may come to a bit, where log odds are asked for


class SelfConditioned(OpenSetDenoiser):
    """Sees its own last prediction of x_0 beside x_t (Chen et al. 2022, section 3.2)."""

    def __init__(self, dim: int, config: OpenSetConfig) -> None:
        super().__init__(dim, config)
        self.before = nn.Linear(1, config.state_width, bias=False)
        self.last: Tensor | None = None

    def forward(self, context: Tensor, x: Tensor, alpha_bar: Tensor) -> Tensor:
        if self.last is not None:
            context = context + self.before(self.last[..., None])
        return super().forward(context, x, alpha_bar)


class NoisePredicting(OpenSetDenoiser):
    """Predicts the noise instead of the bits; the log odds are those of the x_0 that it implies."""

    def __init__(self, dim: int, config: OpenSetConfig) -> None:
        super().__init__(dim, config)
        last = self.read[1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.bias)  # noise is as often above as below zero

    def noise(self, context: Tensor, x: Tensor, alpha_bar: Tensor) -> Tensor:
        angle = torch.stack([alpha_bar.sqrt(), (1 - alpha_bar).sqrt()], dim=1)
        seen = self.noisy(torch.stack([x, x.tanh()], dim=-1))
        return self.read(self.steps(context + seen + self.level(angle)[:, None])).squeeze(-1)

    def forward(self, context: Tensor, x: Tensor, alpha_bar: Tensor) -> Tensor:
        a, s = alpha_bar.sqrt()[:, None], (1 - alpha_bar).sqrt()[:, None]
        x0 = (x - s * self.noise(context, x, alpha_bar)) / a.clamp(min=1e-3)
        return 2 * x0.clamp(-EDGE, EDGE).atanh()


class EndTokenOnly(OpenSetDenoiser):
    """Sees of a sentence its end token alone, as the published generator does."""

    def context(self, pairs, direction: str) -> Tensor:
        text = pairs.text
        blind = text._replace(tokens=text.cls[:, None].expand_as(text.tokens))
        even = text.mask / text.mask.sum(dim=1, keepdim=True)
        return super().context(pairs._replace(text=blind, token_weights=even), direction)
