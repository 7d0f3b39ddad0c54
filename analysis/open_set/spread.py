"""How draws spread over what fits, and what their noise decides, on some of the queries."""

from __future__ import annotations

import numpy as np

from diffusionret import DiffusionRet
from diffusionret.ood.verdict import MatchOdds

from . import ensemble
from .answers import Answers
from .probabilities import SHARE
from .quality import over_clips
from .targets import Target, figure, plainly

QUERIES = 300  # of an ensemble


def spread(
    model: DiffusionRet, answers: Answers, odds: MatchOdds, **labels: str
) -> tuple[list[dict], list[dict]]:
    """Figures of the draws, and how even they are by the number of clips that fit. labels: columns before them."""
    rows = np.random.default_rng(0).permutation(len(answers.empty))[:QUERIES]
    some = answers.some(np.sort(rows))
    probability, none = some.shown(odds, SHARE)
    config = model.choose("open-set").config
    schedule = model.choose("open-set").schedule(config.usual_steps, respace_from=config.steps)
    shares = ensemble.draws(some.choice, none, schedule, ensemble.SEEDS)
    visit = ensemble.frequencies(shares)
    off = ensemble.distance(visit, ensemble.first_step(some.choice, none)).numpy()
    several = (some.match.sum(dim=1) >= 2).nonzero()[:, 0]
    found = [
        figure("draws against the softmax of the first step, total variation",
               over_clips(some.clip, lambda chosen: float(off[chosen].mean())), Target(high=0.05), **labels),
    ]  # fmt: skip
    mine, facts = ensemble.noise_share(shares), ensemble.fact_share(some.match)
    alone = (1 - none.double())[:, None] * ensemble.one_of_independent(some.odds.double().sigmoid())
    found += [
        figure("noise share", plainly(mine), **labels),
        figure("noise share by that of a sampler that knows the facts", plainly(mine / max(facts, 1e-12)),
               Target(0.9, 1.1), **labels),
        figure("noise share ratio of a sampler that knows the head's p of each alone",
               plainly(ensemble.drawn_share(alone) / max(facts, 1e-12)), **labels),
    ]  # fmt: skip
    numbers: list[dict] = []
    if len(several):
        clip = some.clip[several.numpy()]
        even = ensemble.evenness(visit[several], some.match[several]).numpy()
        numbers = by_number(some.match[several].numpy(), even)
        fit = ensemble.hits(visit[several], some.match[several]).numpy()
        claimed = probability[several].amax(dim=1).numpy()
        expected = (alone[several] * some.match[several]).sum(dim=1).numpy()
        found += [
            figure("several fit: entropy of the draws that fit over log m",
                   over_clips(clip, lambda chosen: float(even[chosen].mean())), Target(low=0.9), **labels),
            figure("several fit: share of draws that fit", over_clips(clip, lambda chosen: float(fit[chosen].mean())),
                   **labels),
            figure("several fit: that share less p(match) of the first",
                   over_clips(clip, lambda chosen: float((fit - claimed)[chosen].mean())), Target(-0.02, 0.02),
                   **labels),
            figure("several fit: that difference of a sampler that knows the head's p of each alone",
                   over_clips(clip, lambda chosen: float((expected - claimed)[chosen].mean())), **labels),
        ]  # fmt: skip
    return found, [labels | row for row in numbers]


def by_number(match: np.ndarray, even: np.ndarray) -> list[dict]:
    """The entropy of the draws that fit beside log m, by the number m of candidates that fit. match: bool [query
    candidate], even [query]: as `ensemble.evenness` gives it."""
    m, rows = match.sum(axis=1), []
    for low, high in ((2, 2), (3, 3), (4, 5), (6, 10), (11, match.shape[1])):
        chosen = (m >= low) & (m <= high)
        if chosen.any():
            most = np.log(m[chosen])
            rows.append(
                {
                    "clips that fit": str(low) if low == high else f"{low} to {high}", "queries": int(chosen.sum()),
                    "entropy": float((even[chosen] * most).mean()), "log_m": float(most.mean()),
                }
            )  # fmt: skip
    return rows
