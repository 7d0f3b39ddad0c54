"""The two training objectives as functions of tensors (paper, sections 3.2 and 3.3)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from .readout import READOUT


def contrastive_loss(
    logits: Float[Tensor, "text video"], fits: Bool[Tensor, "text video"] | None = None
) -> Float[Tensor, ""]:
    """Symmetric InfoNCE: text i belongs to video i, everything else is a negative (eq. 4).

    fits: pairs beside the diagonal that are true as well where that is known; they are no negatives.
    """
    target = torch.arange(len(logits), device=logits.device)
    if fits is not None:
        logits = logits.masked_fill(fits & (target[:, None] != target), -1e4)
    return (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2


def choice_loss(
    logits: Float[Tensor, "item choice"], share: Float[Tensor, "item choice"]
) -> Float[Tensor, ""]:
    """Divergence of softmax(logits) from the true shares, 0 where they agree; items that share nothing do not count.

    A row of `share` sums to 1, or to 0 where none of the choices is true.
    """
    divergence = torch.special.xlogy(share, share) - share * logits.log_softmax(dim=1)
    return divergence.sum() / (share.sum(dim=1) > 0).sum().clamp(min=1)


def even_share(true: Bool[Tensor, "item choice"]) -> Float[Tensor, "item choice"]:
    """Shares of what is true of each item, all alike; 0 where nothing is."""
    share = true.float()
    return share / share.sum(dim=1, keepdim=True).clamp(min=1)


def with_hard_negatives(
    similarity: Float[Tensor, "query query"], video_ids: Int[Tensor, " query"], negatives: int
) -> Int[Tensor, "query choice"]:
    """Candidates of each query: its own pair in column 0, then the most similar others.

    Another caption of the same video is never a negative. Their number is the smaller of `negatives` and what
    the query with the fewest true negatives has, so that no masked pair slips in.
    Raises ValueError where a query has no true negative at all.
    """
    same = video_ids[:, None] == video_ids[None, :]
    count = min(negatives, int((~same).sum(dim=1).min()))
    if count < 1:
        raise ValueError("Every query needs at least one pair of another video in the batch.")
    hardest = similarity.masked_fill(same, float("-inf")).topk(count, dim=1).indices
    own = torch.arange(len(similarity), device=similarity.device)[:, None]
    return torch.cat([own, hardest], dim=1)


def denoising_loss(
    x0_raw: Float[Tensor, "query candidate"], temperature: float = READOUT
) -> Float[Tensor, ""]:
    """Cross entropy of `temperature` times the prediction against the true candidate in column 0 (eq. 11)."""
    target = torch.zeros(len(x0_raw), dtype=torch.long, device=x0_raw.device)
    return cross_entropy(temperature * x0_raw, target)
