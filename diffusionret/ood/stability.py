"""Stability of a trajectory over seeds; it says nothing about whether an answer is right."""

from __future__ import annotations

from ..trajectory import Trajectory
from .report import Stability
from .scores import generator_scores


def stability(trajectory: Trajectory) -> list[Stability]:
    """How a query's trajectories from different seeds agree, one entry a query. trajectory: of several seeds."""
    scores = generator_scores(trajectory)
    return [
        Stability(
            trajectory.x.shape[1],
            1 - float(scores["disagreement"][q]),
            -float(scores["gap"][q]),
            float(scores["entropy"][q]),
            float(scores["settling"][q]),
        )
        for q in range(trajectory.candidates.shape[0])
    ]
