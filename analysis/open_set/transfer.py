"""On the second look of the world: the odds as they are, and fitted anew on few of its captions."""

from __future__ import annotations

import numpy as np

from diffusionret.ood.verdict import MatchOdds

from .answers import Answers
from .odds import recalibrated
from .probabilities import SHARE
from .quality import Claims, ahead, calibration, first
from .targets import Target, figure

CAPTIONS = 50  # a clip each, and none of these clips is measured afterwards


def transfer(few: tuple[Answers, Answers], rest: Answers, odds: MatchOdds, **labels: str) -> list[dict]:
    """Figures of the odds as they are, and recalibrated.

    few: answers to CAPTIONS captions, with their clips in the gallery and without. rest: answers of which SHARE have no
    match, to captions of other clips. labels: columns before them.
    """
    scores = {name: np.concatenate([part.scores[name] for part in few]) for name in few[0].scores}
    empty = np.concatenate([part.empty.numpy() for part in few])
    anew = recalibrated(odds, {name: _tensor(score) for name, score in scores.items()}, empty)
    rows = []
    for name, chosen in ({"as at home": odds} | anew).items():
        match, none = rest.shown(chosen, SHARE)
        nothing = Claims.of(none, rest.empty, rest.clip)
        top = Claims.of(*first(match, rest.match), rest.clip)
        share = np.full(len(none), SHARE)
        wanted = (Target(high=0.1), Target(ahead=0.0)) if name != "as at home" else (Target(), Target())
        rows += [
            figure(f"odds {name}: p(match) of the first, calibration error", calibration(top), **labels),
            figure(f"odds {name}: p(no match), calibration error", calibration(nothing), wanted[0], **labels),
            figure(f"odds {name}: p(no match), log loss less than of the constant", ahead(nothing, share), wanted[1],
                   **labels),
        ]  # fmt: skip
    return rows


def _tensor(values: np.ndarray):
    import torch

    return torch.from_numpy(values)
