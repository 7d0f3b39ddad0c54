"""What generation does to the ranking."""

from __future__ import annotations

import numpy as np

from diffusionret.evaluate import generator_only
from diffusionret.metrics import bootstrap_interval, paired_bootstrap, ranks

from .. import measure
from .answers import Answers
from .summary import DIRECTION


def retrieve(test: measure.Test, answers: Answers, alpha: float, label: dict) -> list[dict]:
    """R@1 and how often the first fits: by similarity, by the generator alone, fused; gains over the similarity.

    alpha: of the fusion. label: columns that every row begins with.
    """
    scores, trajectory = answers.scores, answers.trajectory
    fits = (test.fits if trajectory.direction == "t2v" else test.fits.T).to(scores.device)
    ceiling = float((1 / fits.sum(1).clamp(min=1)).mean())
    rules = {
        "similarity": scores,
        "alone": generator_only(scores, trajectory),
        "fused": test.model.rerank(scores, trajectory, alpha),
    }
    rows, before = [], ranks(scores)
    fitting = {k: fits.gather(1, s.argmax(1, keepdim=True))[:, 0].cpu().numpy() for k, s in rules.items()}
    for name, matrix in rules.items():
        after = ranks(matrix)
        r1, gain = bootstrap_interval(after, "R1"), paired_bootstrap(before, after, "R1")
        more = paired_bootstrap(
            fitting["similarity"].astype(float),
            fitting[name].astype(float),
            lambda v: 100 * float(np.mean(v)),
        )
        rows.append(
            label | {
                "direction": DIRECTION[trajectory.direction], "ranked by": name, "R1": r1.estimate,
                "interval": [r1.low, r1.high], "ceiling": 100 * ceiling,
                "gain_over_similarity": gain.estimate, "gain_interval": [gain.low, gain.high],
                "first_fits": 100 * float(fitting[name].mean()), "first_fits_gain": more.estimate,
                "first_fits_interval": [more.low, more.high],
            }
        )  # fmt: skip
    return rows
