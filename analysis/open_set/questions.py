"""What is asked: captions with omissions, and queries as people type them, of a split's clips."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from diffusionret.datasets.storybook import captions, queries, truth, world

KINDS = ("captions", "typed")
TIMES = 6  # of each clip
OMITTED = 0.7  # a caption leaves each circumstance out with a probability up to this, as in training


class Questions(NamedTuple):
    """texts [query]; fits [query clip]: whether a clip of the split is as the text says; clip [query]: which one it was
    written of, the unit of every interval."""

    texts: list[str]
    fits: Tensor
    clip: np.ndarray

    def some(self, rows: np.ndarray) -> Questions:
        return Questions([self.texts[row] for row in rows], self.fits[rows.tolist()], self.clip[rows])


def ask_about(
    scenes: tuple[world.Scene, ...], kind: str, look: str, split: str, times: int = TIMES
) -> Questions:
    """`times` questions of every clip.

    kind: "captions", which leave circumstances out, in the writing of the look, or "typed": keywords,
    requests, plurals, exclusions, typing errors, also for what no clip shows.
    """
    rng = random.Random(f"open set {kind} {look} {split}")
    written: list[captions.Caption | queries.Query] = []
    for scene in scenes:
        for _ in range(times):
            if kind == "typed":
                written.append(queries.write(scene, rng))
            else:
                written.append(captions.write(scene, rng, rng.uniform(0.0, OMITTED), style=look))
    fits = torch.from_numpy(truth.fit_matrix(written, list(scenes)))
    return Questions([text.text for text in written], fits, np.arange(len(scenes)).repeat(times))
