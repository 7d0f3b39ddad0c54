"""Everything that is measured on a look of the world."""

from __future__ import annotations

from diffusionret.model import DIRECTIONS

from .absence import absence
from .answers import SEEDS, ask
from .ensemble import noise_levels
from .fitting import Fitted
from .multiplicity import multiplicity
from .probabilities import calibrate
from .retrieval import retrieve
from .worlds import LOOKS, World


def measurements(world: World, fitted: dict[str, Fitted], look: str) -> dict[str, list]:
    """Everything on one look of the world."""
    test = world.natural
    alpha, scale = test.model.choose("open-set").config.alpha, float(test.model.logit_scale.detach())
    runs = {
        form: (ask(test, form=form, seeds=s), ask(test, form=form, absent=True, seeds=s))
        for form, s in (("open-set", SEEDS), ("published", 1))
    }
    present, absent = runs["open-set"]
    table, bins = calibrate(runs, fitted, look)
    tables: dict[str, list] = {"calibration": table, "rows": bins, "retrieval": []}
    for captions, data in (("natural", test), ("full", world.full)):
        for d in DIRECTIONS:
            answers = present if (captions, d) == ("natural", "t2v") else ask(data, d)
            tables["retrieval"] += retrieve(data, answers, alpha, {"look": LOOKS[look], "captions": captions})
    tables["several_that_fit"] = multiplicity(present, look)
    tables["no_match"] = absence(present, absent, scale, look)
    if look == "storybook":
        published = ask(test, form="published", seeds=8)
        tables["noise"] = [
            {"generator": a.trajectory.form} | row
            for a in (present, published)
            for row in noise_levels(a.trajectory)
        ]
    return tables
