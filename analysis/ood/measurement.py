"""All of it: sets scored, detectors chosen on validation, measured on test."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from diffusionret import Retriever
from diffusionret.calibrate import (
    REFERENCE,
    calibrate_text,
    halves,
    searched,
    storybook_ordinary_captions,
    storybook_ordinary_texts,
    storybook_training_captions,
)
from diffusionret.ood.conformal import ALPHA
from diffusionret.ood.detector import PLAIN, Detector, make_protocol, match_odds
from diffusionret.ood.scores import GALLERY_SCORES, HEAD_SCORES, TEXT_SCORES

from . import sets, test_sets, validation_sets
from .alarms import false_alarms, swap_alarms
from .bootstrap import difference, replicates
from .combination import choose, describe, fit
from .comparison import prevalence, rounded, table
from .curves import curves
from .flags import calm, flags, shares
from .latency import latency
from .scoring import CHANCE, arrays, progress, score_sets

REPLICATES = 1000
DRAW = 200  # queries of a draw of false alarms, and of those that it is calibrated on
# Validation kinds that each answer is to notice.
NOTICED = {
    "familiar": ("two words replaced", "a foreign word", "questions", "foreign topics", validation_sets.NEAR),
    "match": ("not in the gallery",),
}
DENSITY = ("mahalanobis", "mixture")


def measure(retriever: Retriever, annotations: Path | None, size: int, draws: int) -> tuple[dict, dict, dict]:
    """Choose detectors on validation kinds and measure them on the test's.

    annotations: a folder of benchmarks' annotations, whose captions are far queries; None for none. size: queries of
    each kind. draws: of false alarms.

    Returns the results for JSON, the curves of the pictures, and the weights chosen for both answers. Raises
    ValueError for a gallery of anything but Storybook clips.
    """
    model = retriever.model
    training = storybook_training_captions(REFERENCE)
    written = [c.text for c in storybook_ordinary_captions()]
    familiar = calibrate_text(model, training, written, "ordinary captions", PLAIN["familiar"])
    retriever.detector = Detector(make_protocol(model, retriever.gallery), familiar=familiar)
    scenes = sets.gallery_scenes(retriever.gallery.captions)
    answering = model.choose().config.form if retriever.generates else None
    forms = (None, *(form for form in model.forms if form != answering)) if retriever.generates else ()

    odds = match_odds(model, familiar, None)
    valid = validation_sets.validation(retriever, scenes, size)
    validation = score_sets(retriever, valid, forms, "validation", odds)
    tests = test_sets.test(retriever, scenes, size, annotations)
    scored = score_sets(retriever, tests, forms, "test", odds)
    usual = validation[sets.ORDINARY]
    # What raises no alarm: ordinary captions, and how visitors write, so that style alone is not what is noticed.
    calm_kinds = [usual, *(validation[kind] for kind in validation_sets.QUIET)]
    quiet = {name: np.concatenate([part[name] for part in calm_kinds]) for name in usual}
    a, b = [name for name in TEXT_SCORES if name in usual], list(GALLERY_SCORES)
    p = [name for name in (CHANCE,) if name in usual]
    g = [name for name in usual if name not in (*a, *b, *p, *HEAD_SCORES)]
    unusual = [
        part for name, part in validation.items() if name not in (sets.ORDINARY, *validation_sets.QUIET)
    ]
    groups = {"A": a, "B": b, "A + B": a + b}
    if g:
        groups |= {
            "G": g,
            "A + B + G": a + b + g,
            "discriminative (B)": b,
            "generative (density, G)": [*DENSITY, *g],
        }
    single = {name: {name: 1.0} for name in (*a, *b, *p, *g)}
    detectors = single | {name: fit(names, quiet, unusual) for name, names in groups.items()}
    units = {
        part.name: [f"clip {u}" if part.name in (sets.ORDINARY, "gallery-absent", sets.SHIFTED) else
                    f"near {u}" if part.name in ("near", sets.PRESENT) else f"{part.name} {u}"
                    for u in part.unit] for part in tests
    }  # fmt: skip
    rows, draws_by_detector = table(detectors, scored, replicates(units, REPLICATES))
    compared = [
        difference(draws_by_detector, rows, "A + B", "A"),
        difference(draws_by_detector, rows, "A + B", "B"),
    ]
    compared += [difference(draws_by_detector, rows, CHANCE, name) for name in ("B", "A + B") if p]
    if g:
        compared = [
            difference(draws_by_detector, rows, "A + B + G", "A + B"),
            difference(draws_by_detector, rows, "generative (density, G)", "discriminative (B)"),
            difference(draws_by_detector, rows, "G", "B"),
            *compared,
        ]
    weights, tried = {}, {}
    for answer, names in {
        "familiar": a,
        "match": b,
    }.items():  # what is drawn is measured, and decides nothing
        kinds = [validation[kind] for kind in NOTICED[answer]]
        weights[answer], tried[answer] = choose(names, quiet, kinds)
    # Other captions than those that the weights were chosen on.
    null = sets.ordinary("null", scenes, halves(len(scenes))[0], 2)
    flagged = flags(
        retriever,
        searched(retriever, storybook_ordinary_texts()),
        arrays(retriever.scores(null.texts, forms=())),
        scored,
        weights,
        odds,
    )
    progress("false alarms")
    alarms, p_values = false_alarms(retriever, scenes, weights, draws, DRAW, DRAW)
    best = {group: max((r for r in rows if r["detector"] in (*names, group)), key=lambda r: r["endpoint"])["detector"]
            for group, names in groups.items() if group in ("A", "B", "G", "A + B", "A + B + G")}  # fmt: skip
    results = {
        "central question": compared[0],
        "comparisons": compared,
        "detectors": rows,
        "verdict": {answer: describe(w) for answer, w in weights.items()},
        "chosen by (validation AUROC)": {k: rounded(v) for k, v in tried.items()},
        "flagged % of what should not be": calm(retriever, tests, flagged),
        f"missed % at alpha {ALPHA:.0%}": {
            kind: shares(found, missed=True)
            for kind, found in flagged.items()
            if kind not in sets.CALM
        },
        "false alarms": alarms,
        "false alarms after a gallery swap, %": swap_alarms(retriever, scenes, weights["match"]),
        "latency": latency(retriever, tests[0].texts[:20]),
        "queries": {part.name: len(part.texts) for part in tests},
        "prevalence of AUPR": {k: round(prevalence(scored[k], scored[sets.ORDINARY]), 3) for k in sets.PRIMARY},
    }  # fmt: skip
    return results, curves(best, detectors, scored, p_values, DRAW, DRAW), weights
