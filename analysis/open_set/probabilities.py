"""Are p(match) and p(no match), as shown, what they claim to be, and better than what similarity alone can say?"""

from __future__ import annotations

from diffusionret.metrics import reliability
from diffusionret.ood.verdict import MatchOdds

from .answers import Answers
from .evidence import Evidence
from .quality import Claims, ahead, brier, calibration, first, log_loss, over_clips
from .targets import Target, figure

SHARE, OTHERS = 0.3, (0.1, 0.7)  # of the queries without a match
FIRST, NONE = Target(high=0.02), Target(high=0.03)


def none_error(answers: Answers, odds: MatchOdds, share: float, **labels: str) -> dict:
    """The calibration error of p(no match) where `share` of the queries have none."""
    _, none = answers.shown(odds, share)
    claims = Claims.of(none, answers.empty, answers.clip)
    return figure(
        f"p(no match), {share:.0%} without a match, calibration error", calibration(claims), NONE, **labels
    )


def probabilities(answers: Answers, odds: MatchOdds, rivals: Evidence, **labels: str) -> list[dict]:
    """Figures of answers of which SHARE have no match. labels: columns before them."""
    match, none = answers.shown(odds, SHARE)
    clip = answers.clip
    every = Claims.of(match, answers.match, clip)
    nothing = Claims.of(none, answers.empty, clip)
    rows = [
        figure("p(match) of the first, calibration error", calibration(Claims.of(*first(match, answers.match), clip)),
               FIRST, **labels),
        none_error(answers, odds, SHARE, **labels),
        figure("p(match) of all candidates, log loss", _mean(every), **labels),
    ]  # fmt: skip
    for name, other in rivals.candidates(answers).items():
        said = other.double().numpy()
        gain = ahead(every, said)
        rows.append(figure(f"log loss less than of the {name}", gain, Target(ahead=0.0), **labels))
        rows.append(figure(f"Brier score less than of the {name}", ahead(every, said, brier), **labels))
    rows.append(figure("p(no match), log loss", _mean(nothing), **labels))
    for name, other in rivals.nones(answers, SHARE).items():
        gain = ahead(nothing, other.double().numpy())
        rows.append(figure(f"p(no match), log loss less than of the {name}", gain, **labels))
    return rows


def bins(answers: Answers, odds: MatchOdds, rivals: Evidence) -> list[dict]:
    """How often what is said of candidates comes true, a row a bin, for the picture."""
    said = {"match head": answers.shown(odds, SHARE)[0]} | rivals.candidates(answers)
    rows = []
    for name in ("match head", "logistic", "small network"):
        found = reliability(said[name], answers.match)
        rows += [
            {"by": name, "share": float(p), "right": float(true), "count": int(count)}
            for p, true, count in zip(found.probability, found.frequency, found.count, strict=True)
        ]
    return rows


def _mean(claims: Claims):
    loss = log_loss(claims.probability, claims.truth)
    loss = loss.reshape(len(loss), -1).mean(axis=1)
    return over_clips(claims.clip, lambda rows: float(loss[rows].mean()))
