"""Scores of sets of queries, as arrays."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from diffusionret import Retriever
from diffusionret.ood.verdict import MatchOdds

from . import sets

Scores = dict[str, np.ndarray]  # score -> [query]
CHANCE = "P"  # p(nothing in the gallery matches), as a verdict has it


def arrays(scores: Mapping[str, torch.Tensor]) -> Scores:
    """The scores of a retriever as arrays."""
    return {name: score.numpy() for name, score in scores.items()}


def score_sets(
    retriever: Retriever,
    parts: Sequence[sets.Sets],
    forms: Sequence[str | None],
    what: str,
    odds: MatchOdds | None = None,
) -> dict[str, Scores]:
    """Every score of every query of the sets, by the name of the set.

    forms: the generators that are asked, None for the one that answers. what: names the sets in the progress.
    odds: of a match, by which a verdict is given; its p(no match) becomes a score, CHANCE. None for none.
    """
    scored = {}
    for part in parts:
        progress(f"{what}: {part.name}, {len(part.texts)} queries")
        scores = over(retriever, part).scores(part.texts, part.without, forms)
        if odds is not None:
            scores[CHANCE] = odds.none(scores)
        scored[part.name] = arrays(scores)
    return scored


def over(retriever: Retriever, part: sets.Sets) -> Retriever:
    """The retriever over the gallery of a set, calibrated as before."""
    if part.gallery is None:
        return retriever
    other = Retriever(retriever.model, part.gallery)
    other.detector = retriever.detector
    return other


def progress(line: str) -> None:
    """Print a line beside the results."""
    print(line, file=sys.stderr, flush=True)
