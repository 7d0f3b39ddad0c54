"""Queries without a match: how well they are told apart."""

from __future__ import annotations

import numpy as np

from diffusionret.ood.scores import dissimilarity, energy, lack_of_margin

from .answers import Answers
from .quality import auroc_interval
from .worlds import LOOKS


def absence(present: Answers, absent: Answers, scale: float, look: str) -> list[dict]:
    """AUROC of telling queries without a match in the gallery from the same queries with it."""

    def scores(answers: Answers) -> dict[str, np.ndarray]:
        found = answers.similarity
        none = answers.trajectory.no_match
        assert none is not None  # the open-set generator's
        early = ((1 - answers.trajectory.x0[0]) / 2).double().log().sum(-1).mean(0)  # before any sampling
        parts = {
            "no match": none.double() + 1e-9 * early, "no match, first prediction": early,
            "similarity": dissimilarity(found), "margin": lack_of_margin(found), "energy": energy(found, scale),
        }  # fmt: skip
        return {name: part.double().nan_to_num(neginf=-1e9).cpu().numpy() for name, part in parts.items()}

    here, away = scores(present), scores(absent)
    rows = []
    for name in here:
        area = auroc_interval(here[name], away[name])
        row = {"look": LOOKS[look], "score": name, "auroc": area.estimate, "interval": [area.low, area.high]}
        if not name.startswith("no match"):
            ahead = auroc_interval(here["no match"], away["no match"], (here[name], away[name]))
            row |= {"no_match_ahead_by": ahead.estimate, "ahead_interval": [ahead.low, ahead.high]}
        rows.append(row)
    return rows
