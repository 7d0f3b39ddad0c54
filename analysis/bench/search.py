"""Searches of the bundled gallery, in the process."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

from diffusionret import DiffusionRet, Gallery, Retriever
from diffusionret.config import OpenSetConfig
from diffusionret.model import build_model
from diffusionret.sampling import warm_up

from .workload import OPEN_SET

PARTS = ("read", "encode", "match", "generate", "ood", "draw", "rank", "total")


def both_forms() -> Retriever:
    """The bundled model and gallery; random weights stand in for an open-set generator that the model lacks."""
    model = DiffusionRet.from_pretrained("storybook")
    if OPEN_SET not in model.forms:
        weights, openset = model.state_dict(), OpenSetConfig()
        model = build_model(replace(model.config, openset=openset))
        model.load_state_dict(weights, strict=False)
    return Retriever(model, Gallery.bundled())


def search(quick: bool) -> list[dict]:
    """Searches, each for another caption, in the process: medians in milliseconds.

    read: of the words of a query. encode: the text tower. generate: the trunk and its match head, or nothing where a
    ranking is a sample, which draw is. drawing: of the trajectory of the form's usual noises, read after a search that
    ranks without it.
    times_text_tower: the whole search, and head_times_text_tower: trunk and head, by the text tower's own time.
    """
    warm_up(wait=True)
    retriever, rows = both_forms(), []
    texts = [caption for caption in retriever.gallery.captions if caption][: 40 if quick else 200]
    for form in retriever.model.forms:
        for seeds in (None,) if form == OPEN_SET else (1, 16):
            rows.append(searches(retriever, texts, form, seeds, 2 if quick else 8))
    return rows


def searches(retriever: Retriever, texts: list[str], form: str, seeds: int | None, budget: float) -> dict:
    """One row. seeds: None for the form's usual number. budget: seconds after which no search begins."""
    for text in texts[:5]:
        retriever.search(text, seeds=seeds, form=form).trajectory  # noqa: B018 - which draws it
    timings, drawing, ends = [], [], time.perf_counter() + budget
    for text in texts:
        result = retriever.search(text, seeds=seeds, form=form)
        begun = time.perf_counter()
        assert result.trajectory is not None
        drawing.append(1000 * (time.perf_counter() - begun))
        timings.append(result.timings)
        if len(timings) >= 20 and time.perf_counter() > ends:
            break
    parts = {part: statistics.median(t.get(part, 0.0) for t in timings) for part in PARTS}
    return (
        {"generator": form, "seeds": result.settings.seeds, "searches": len(timings)}
        | parts
        | {
            "95_percent_below": sorted(t["total"] for t in timings)[int(0.95 * len(timings))],
            "drawing": statistics.median(drawing) if not parts["draw"] else 0.0,
            "times_text_tower": parts["total"] / parts["encode"],
            "head_times_text_tower": parts["generate"] / parts["encode"],
        }
    )
