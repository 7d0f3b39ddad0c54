"""What the figures become with fewer steps."""

from __future__ import annotations

import time

import numpy as np
import torch

from diffusionret.metrics import ranks

from .. import measure
from .answers import ask
from .ensemble import noise_levels
from .quality import calibration, log_loss

STEPS = (1, 2, 4, 8, 10, 20, 50)
FEWER = 200  # queries of the sweep over steps


def steps_needed(test: measure.Test) -> list[dict]:
    """What the figures become with fewer steps, on the first queries of validation."""
    rows, alpha = [], test.model.choose("open-set").config.alpha
    for steps in STEPS:
        if steps <= test.model.choose("open-set").config.steps:
            begun = time.perf_counter()
            answers = ask(test, steps=steps, queries=FEWER)
            seconds = time.perf_counter() - begun
            said, _, match = answers.some(torch.arange(len(answers.match)))
            after = ranks(test.model.rerank(answers.scores, answers.trajectory, alpha), np.arange(len(match)))
            rows.append(
                {
                    "steps": steps, "calibration_error": calibration(said, match)["calibration_error"],
                    "log_loss": float(log_loss(said, match)), "fused_R1": 100 * float((after == 1).mean()),
                    "seed_variance": noise_levels(answers.trajectory)[-1]["seed_variance"],
                    "ms_a_query": 1000 * seconds / len(match),
                }
            )  # fmt: skip
    return rows
