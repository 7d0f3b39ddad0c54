"""Variants against the base."""

from __future__ import annotations

import numpy as np

from diffusionret.metrics import paired_bootstrap

from .answers import Answers
from .variants import Variant


def row(variant: Variant, answers: list[Answers], base: list[Answers]) -> dict:
    """Means over the training seeds, and the difference in log loss to the base with its interval over queries.

    answers, base: answers of the variant and of the base, one a training seed.
    """
    figures = [f.summary() for f in answers]
    ours, theirs = (np.mean([f.loss for f in group], axis=0) for group in (answers, base))
    gap = paired_bootstrap(theirs, ours, lambda v: float(np.mean(v)))
    return {
        "variant": variant.name, "why": variant.why,
        **{name: float(np.mean([f[name] for f in figures])) for name in figures[0]},
        "over_base": gap.estimate, "interval": [gap.low, gap.high],
        "over_base_by_seed": [float((f.loss - b.loss).mean()) for f, b in zip(answers, base, strict=True)],
    }  # fmt: skip


def clear(row: dict) -> int:
    """-1 where a variant is clearly better than the base, 1 where it is clearly worse, else 0."""
    signs = {int(np.sign(x)) for x in (*row["interval"], *row["over_base_by_seed"])}
    return signs.pop() if len(signs) == 1 else 0
