"""Searches of the bundled gallery, in the process."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from itertools import product

from diffusionret import DiffusionRet, Gallery, Retriever
from diffusionret.config import OpenSetConfig
from diffusionret.model import build_model
from diffusionret.sampling import warm_up

from .workload import OPEN_SET


def both_forms() -> Retriever:
    """The bundled model and gallery; random weights stand in for an open-set generator that the model lacks."""
    model = DiffusionRet.from_pretrained("storybook")
    if OPEN_SET not in model.forms:
        weights, openset = model.state_dict(), OpenSetConfig()
        model = build_model(replace(model.config, openset=openset))
        model.load_state_dict(weights, strict=False)
    return Retriever(model, Gallery.bundled())


def search(quick: bool) -> list[dict]:
    """Searches, each for another caption, in the process: medians in milliseconds."""
    warm_up(wait=True)
    retriever, rows = both_forms(), []
    texts = [caption for caption in retriever.gallery.captions if caption][: 40 if quick else 200]
    for form, seeds in product(retriever.model.forms, (1, 16)):
        for text in texts[:5]:
            retriever.search(text, seeds=seeds, form=form)
        timings, ends = [], time.perf_counter() + (2 if quick else 8)
        for text in texts:
            timings.append(retriever.search(text, seeds=seeds, form=form).timings)
            if len(timings) >= 20 and time.perf_counter() > ends:
                break
        parts = {part: statistics.median(t[part] for t in timings) for part in timings[0]}
        slowest = sorted(t["total"] for t in timings)[int(0.95 * len(timings))]
        share = statistics.median(t["generate"] / t["total"] for t in timings)
        rows.append(
            {"generator": form, "seeds": seeds, "searches": len(timings)}
            | parts
            | {"95_percent_below": slowest, "generation_share": share}
        )
    return rows
