"""Which of these all match? Thresholded probabilities, judged where several candidates do."""

from __future__ import annotations

import numpy as np

from diffusionret.ood.verdict import MatchOdds

from .answers import Answers
from .evidence import Evidence
from .probabilities import SHARE
from .quality import over_clips
from .targets import Target, figure

CUTS = np.linspace(0.05, 0.95, 37)


def f1(chosen: np.ndarray, match: np.ndarray) -> np.ndarray:
    """F1 of sets [query], in [0, 1]: twice what is rightly chosen, by what is chosen and what matches together. chosen,
    match: bool [query candidate]; 0 where nothing is chosen."""
    together = chosen.sum(axis=1) + match.sum(axis=1)
    return 2 * (chosen & match).sum(axis=1) / np.maximum(together, 1)


def best_cut(probability: np.ndarray, match: np.ndarray) -> float:
    """The probability from which on candidates are chosen with the best mean F1; a half where nothing tells."""
    if not len(match):
        return 0.5
    return float(max(CUTS, key=lambda cut: f1(probability >= cut, match).mean()))


def several(answers: Answers) -> np.ndarray:
    """Queries of which several candidates match, indices."""
    return np.flatnonzero(answers.match.sum(dim=1).numpy() >= 2)


def cuts(answers: Answers, odds: MatchOdds, rivals: Evidence) -> dict[str, float]:
    """The best cut of the head and of similarity evidence, on the queries of validation of which several match."""
    return {
        name: best_cut(said[several(answers)], _match(answers))
        for name, said in _said(answers, odds, rivals).items()
    }


def selection(
    answers: Answers, odds: MatchOdds, rivals: Evidence, chosen: dict[str, float], **labels: str
) -> list[dict]:
    """F1 of the sets by the head, and how far it is ahead of those by similarity evidence. chosen: as `cuts` gives
    them. labels: columns before it."""
    rows, match = several(answers), _match(answers)
    if not len(rows):
        return []
    values = {
        name: f1(said[rows] >= chosen[name], match) for name, said in _said(answers, odds, rivals).items()
    }
    clip = answers.clip[rows]
    found = []
    for name, value in values.items():
        mean = over_clips(clip, lambda chosen, value=value: float(value[chosen].mean()))
        found.append(figure(f"which of these all match, F1 by the {name}", mean, **labels))
        if name != "match head":
            gain = values["match head"] - value
            ahead = over_clips(clip, lambda chosen, gain=gain: float(gain[chosen].mean()))
            found.append(figure(f"F1 more than by the {name}", ahead, Target(ahead=0.0), **labels))
    return found


def _match(answers: Answers) -> np.ndarray:
    return answers.match[several(answers)].numpy()


def _said(answers: Answers, odds: MatchOdds, rivals: Evidence) -> dict[str, np.ndarray]:
    others = rivals.candidates(answers)
    head = answers.shown(odds, SHARE)[0]
    return {"match head": head.numpy(), "logistic": others["logistic"].numpy()}
