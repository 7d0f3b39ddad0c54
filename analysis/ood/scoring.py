"""Scores of sets of queries, as arrays."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from diffusionret import Retriever

from . import sets

Scores = dict[str, np.ndarray]  # score -> [query]


def arrays(scores: Mapping[str, torch.Tensor]) -> Scores:
    """The scores of a retriever as arrays."""
    return {name: score.numpy() for name, score in scores.items()}


def score_sets(
    retriever: Retriever, parts: Sequence[sets.Sets], forms: Sequence[str | None], what: str
) -> dict[str, Scores]:
    """Every score of every query of the sets, by the name of the set.

    forms: the generators that are asked, None for the one that answers. what: names the sets in the progress.
    """
    scored = {}
    for part in parts:
        progress(f"{what}: {part.name}, {len(part.texts)} queries")
        scored[part.name] = arrays(retriever.scores(part.texts, part.without, forms))
    return scored


def progress(line: str) -> None:
    """Print a line beside the results."""
    print(line, file=sys.stderr, flush=True)
