"""The published denoiser: frame attention, then attention of the query to its candidates (paper, section 3.3).

One network, two directions. Text to video: the query is a text, the candidates are videos, pooled as the
text attends to their frames. Video to text: the candidates are texts, and the video is pooled anew for each.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from .encoders import Mask


def pool_frames(
    cls: Float[Tensor, "query candidate dim"],
    frames: Float[Tensor, "query candidate frame dim"],
    mask: Mask[Tensor, "query candidate frame"],
    temperature: float,
) -> Float[Tensor, "query candidate dim"]:
    """Frames of each (text, video) pair pooled as the text attends to them.

    The softmax runs over all frames and the mask is applied after it, as published: with padded frames the
    weights sum to less than 1.
    """
    logits = torch.einsum("qkd,qkfd->qkf", cls, frames) / temperature
    weights = logits.softmax(dim=-1) * mask
    return torch.einsum("qkf,qkfd->qkd", weights, frames)


class TimeEmbedding(nn.Module):
    """Sinusoids of the step number through Linear-SiLU-Linear."""

    table: Tensor

    def __init__(self, dim: int, positions: int = 5000) -> None:
        super().__init__()
        position = torch.arange(positions)[:, None]
        frequency = torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
        table = torch.zeros(positions, dim)
        table[:, 0::2] = torch.sin(position * frequency)
        table[:, 1::2] = torch.cos(position * frequency)
        self.register_buffer("table", table, persistent=False)
        self.mlp = nn.Sequential(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, t: Int[Tensor, " query"]) -> Float[Tensor, "query dim"]:
        return self.mlp(self.table[t])


class Denoiser(nn.Module):
    """Predicts x_0 from x_t, the query and its candidates.

    q = W_q(query + e_t), k = W_k(candidate + e_t), v = W_v(candidate + e_t), w = softmax(q.k + x_t),
    x0 = MLP([W_o(w v), candidate]) + w. There is no 1 / sqrt(dim) in the attention, as published.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.q_proj = nn.Linear(dim, dim, bias=False)
        self.k_proj = nn.Linear(dim, dim, bias=False)
        self.v_proj = nn.Linear(dim, dim, bias=False)
        self.proj = nn.Linear(dim, dim)
        self.time = TimeEmbedding(dim)
        self.decoder = nn.Sequential(
            nn.Linear(2 * dim, 2 * dim), nn.ReLU(inplace=True), nn.Linear(2 * dim, 1)
        )

    def forward(
        self,
        x: Float[Tensor, "query candidate"],
        t: Int[Tensor, " query"],
        query: Float[Tensor, "query any dim"],
        candidates: Float[Tensor, "query candidate dim"],
    ) -> Float[Tensor, "query candidate"]:
        """x0 before the clamp. `query` has one row a query, or one a (query, candidate) pair."""
        w = (self.affinity(t, query, candidates) + x).softmax(dim=-1)
        v = self.v_proj(candidates + self.time(t)[:, None, :])
        context = self.proj(torch.einsum("qk,qkd->qd", w, v))
        context = context[:, None, :].expand_as(candidates)
        return self.decoder(torch.cat([context, candidates], dim=-1)).squeeze(-1) + w

    def affinity(
        self,
        t: Int[Tensor, " query"],
        query: Float[Tensor, "query any dim"],
        candidates: Float[Tensor, "query candidate dim"],
    ) -> Float[Tensor, "query candidate"]:
        """q.k, what the state x_t competes with in the softmax: widely spread, it drowns the noise."""
        e = self.time(t)[:, None, :]
        return (self.q_proj(query + e) * self.k_proj(candidates + e)).sum(-1)
