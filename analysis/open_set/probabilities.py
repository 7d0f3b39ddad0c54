"""How good the probabilities are, beside those made of similarities."""

from __future__ import annotations

from diffusionret.metrics import reliability
from diffusionret.readout import ONE_WINNER

from .. import measure
from .answers import Answers, ask, last_x0, mixture
from .fitting import Fitted, logistic, softmax_at, softmax_or_none
from .quality import calibration, first, log_loss
from .worlds import LOOKS

DRAWN = ("open-set", "softmax", "logistic", "published")  # in the picture of reliability


def fit_baselines(test: measure.Test) -> dict[str, Fitted]:
    """Probabilities made of similarities, and of the published prediction, on natural captions of validation."""
    present, absent = (ask(test, form="published", absent=a, seeds=1) for a in (False, True))
    _, similarity, match, _ = mixture(present, absent)
    x0 = last_x0(present, absent)
    return {
        "softmax": Fitted(softmax_at, [3.0]).fit(similarity, match),
        "softmax with none": Fitted(softmax_or_none, [3.0, 10.0]).fit(similarity, match),
        "logistic": Fitted(logistic, [3.0, -10.0]).fit(similarity, match),
        "published, fitted": Fitted(softmax_at, [3.0]).fit(x0, match),
    }


def calibrate(
    answers: dict[str, tuple[Answers, Answers]], fitted: dict[str, Fitted], look: str
) -> tuple[list, list]:
    """Figures of every method, and the reliability of each, a row a bin.

    answers: of both generators, with and without what fits. fitted: the methods made on validation.
    """
    probability, similarity, match, none = mixture(*answers["open-set"])
    x0 = last_x0(*answers["published"])
    methods = {"open-set": probability, "published": ONE_WINNER.shares(x0)}
    methods |= {name: f(x0 if "published" in name else similarity) for name, f in fitted.items()}
    empty = 1 - match.amax(1)
    nones = {"open-set": none, "softmax with none": 1 - methods["softmax with none"].sum(1)}
    nones["logistic"] = (1 - methods["logistic"]).prod(1)
    table, bins = [], []
    for name, said in methods.items():
        kinds = {"candidate": (said, match), "first candidate": first(said, match)}
        if name in nones:
            kinds["no match"] = nones[name], empty
        for kind, (p, true) in kinds.items():
            row = {"look": LOOKS[look], "probability of": kind, "by": name} | calibration(p, true)
            table.append(row | {"log_loss": float(log_loss(p, true))})
            found = reliability(p.cpu().numpy(), true.cpu().numpy())
            if look == "storybook" and kind == "candidate" and name in DRAWN:
                bins += [
                    {"by": name, "share": float(s), "right": float(t), "count": int(c)}
                    for s, t, c in zip(found.probability, found.frequency, found.count, strict=True)
                ]
    return table, bins
