"""The Watch tab: what the player in static/watch.js needs to show one trajectory."""

from __future__ import annotations

import base64
import json

import numpy as np
from torch import Tensor

from diffusionret import Hit, SearchResult

from .clips import name_of, url
from .search import percent

NO_GENERATOR = "This model has no generator, so there is nothing to watch: it ranks by similarity only."

TEMPLATE = '<div class="dr-player"></div>'


def payload(result: SearchResult) -> str:
    """One result as JSON. Its hits must hold all candidates: search with k >= candidates.

    x [step+1 candidate] and x0_raw [step candidate] travel as base64 of little-endian float32: exact, small.
    """
    trajectory = result.trajectory
    if trajectory is None:
        return json.dumps({"message": NO_GENERATOR})
    drawn = sorted(result.hits, key=lambda hit: hit.base_rank)[: trajectory.candidates.shape[1]]
    return json.dumps(
        {
            "query": result.query,
            "seed": result.settings.seed,
            "sentence": sentence(result, drawn),
            "candidates": [_candidate(hit) for hit in drawn],
            "x": _pack(trajectory.x[:, 0]),
            "x0_raw": _pack(trajectory.x0_raw[:, 0]),
            "alpha_bar": trajectory.alpha_bar.tolist(),
        }
    )


def settled(x0_raw: Tensor) -> int:
    """The step, from 1, after which the leader of the predictions [step candidate] never changes."""
    leaders = x0_raw.argmax(dim=-1)
    other = (leaders != leaders[-1]).nonzero()
    return int(other[-1]) + 2 if len(other) else 1


def sentence(result: SearchResult, drawn: list[Hit]) -> str:
    """What happens in this trajectory. Plain text."""
    x0_raw = result.trajectory.x0_raw[:, 0]
    steps = len(x0_raw)
    winner = drawn[int(x0_raw[-1].argmax())]
    step = settled(x0_raw)
    lead = "leads from the first step" if step == 1 else f"takes the lead for good at step {step} of {steps}"
    share = "" if winner.probability is None else f" and ends with {percent(winner.probability)} of the share"
    before = "" if winner.base_rank == 1 else f"; similarity alone had it at rank {winner.base_rank}"
    return f"Out of noise, “{name_of(winner.id, winner.caption).rstrip('.')}” {lead}{share}{before}."


def _candidate(hit: Hit) -> dict:
    return {
        "name": hit.id,
        "caption": name_of(hit.id, hit.caption),
        "poster": url(hit.poster),
        "video": url(hit.path),
        "moment": hit.moment,
        "base_rank": hit.base_rank,
        "rank": hit.rank,
    }


def _pack(values: Tensor) -> str:
    return base64.b64encode(values.numpy().astype(np.dtype("<f4")).tobytes()).decode("ascii")
