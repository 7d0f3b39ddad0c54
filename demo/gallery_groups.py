"""Near-duplicates of a gallery, put together: files whose frames are, in the mean, almost the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from diffusionret import Gallery

SAME = 0.98  # cosine of mean frame features from which two clips count as the same
MOST = 5_000  # clips that are compared, whoever asks; of more, each stays by itself
BLOCK = 1024


class Group(NamedTuple):
    """A file, by its first span, and those like it that come after it, by position."""

    position: int
    others: tuple[int, ...]


@torch.no_grad()
def groups(gallery: Gallery, positions: Sequence[int], same: float = SAME) -> list[Group]:
    """The files whose first spans are at `positions`, in their order, each with those that are like it.

    A clip joins the first one that is like it and heads a group itself, so that everything in a group is like its head:
    no chain leads away from it. same: the least cosine of mean frame features.
    """
    if len(positions) > MOST:
        return [Group(i, ()) for i in positions]
    place = torch.tensor(list(positions), dtype=torch.long)
    directions = normalize(_means(gallery, positions), dim=-1)
    heads: dict[int, list[int]] = {}
    joined = [False] * len(place)
    for start in range(0, len(place), BLOCK):
        alike = directions[start : start + BLOCK] @ directions.T >= same
        for row, near in enumerate(alike, start):
            if joined[row]:
                continue
            heads[row] = [i for i in near.nonzero().flatten().tolist() if i > row and not joined[i]]
            for i in heads[row]:
                joined[i] = True
    return [Group(int(place[head]), tuple(int(place[i]) for i in rest)) for head, rest in heads.items()]


def _means(gallery: Gallery, positions: Sequence[int]) -> Float[Tensor, "file dim"]:
    """The sum of the pooled features of all spans of each file; its direction is that of the mean.

    positions: of one span of each file.
    """
    rows = {gallery.file(position): row for row, position in enumerate(positions)}
    spans = [i for i in range(len(gallery)) if gallery.file(i) in rows]
    owner = torch.tensor([rows[gallery.file(i)] for i in spans], dtype=torch.long)
    pooled = gallery.pooled
    return torch.zeros(len(rows), pooled.shape[1]).index_add_(0, owner, pooled[spans])
