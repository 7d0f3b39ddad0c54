"""The odds by which a model's head is shown, and the scores that they read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from diffusionret import DiffusionRet
from diffusionret.calibrate import reference_of, storybook_reference
from diffusionret.odds import storybook_odds
from diffusionret.ood.detector import head_made_for, odds_file
from diffusionret.ood.scores import Reference, Scores
from diffusionret.ood.verdict import HEAD, MatchOdds, fit

STRENGTH = 1e6  # inverse of the ridge: two numbers need none


def odds_of(model: DiffusionRet) -> tuple[Reference, MatchOdds]:
    """What is familiar to a model, and the odds that are stored with it or, where those are another's, fitted on
    calibration."""
    reference = reference_of(model, storybook_reference())
    file = odds_file(model)
    stored = MatchOdds.load(file, head_made_for(model)) if file else None
    return reference, stored or storybook_odds(model, reference)


def recalibrated(odds: MatchOdds, scores: Scores, absent: np.ndarray) -> dict[str, MatchOdds]:
    """The odds fitted anew on few queries: the bias alone, bias and one factor, all numbers.

    absent: which of the queries have no match, bool [query].
    """
    log_odds = torch.logit(odds.none(scores, odds.learned)).numpy()
    share = float(absent.mean())
    low, high = -10.0, 10.0
    for _ in range(60):  # the bias at which as many are expected without a match as there are
        bias = (low + high) / 2
        low, high = (low, bias) if (1 / (1 + np.exp(-log_odds - bias))).mean() > share else (bias, high)
    two = LogisticRegression(C=STRENGTH).fit(log_odds[:, None], absent)
    slope, more = odds.mostly_new  # moves as all others do
    factor, shift = float(two.coef_[0, 0]), float(two.intercept_[0])
    return {
        "bias": replace(
            odds, bias=odds.bias + bias, learned=share, mostly_new=(slope, more + (1 - slope) * bias)
        ),
        "bias and factor": replace(
            odds,
            weights={name: factor * weight for name, weight in odds.weights.items()},
            bias=factor * odds.bias + shift,
            learned=share,
            mostly_new=(slope, factor * more + (1 - slope) * shift),
        ),
        "all": fit(scores, absent, tuple(name for name in HEAD if name in odds.weights) or HEAD),
    }
