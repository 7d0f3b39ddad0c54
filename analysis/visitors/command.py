"""The command: every model on test clips, the first one on the bundled gallery, too."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

import numpy as np
import torch

from diffusionret import Retriever
from diffusionret.checkpoint import load_model
from diffusionret.datasets.storybook import captions, clips, world
from diffusionret.encoders import VideoFeatures
from diffusionret.encoding import encode_clips
from diffusionret.gallery import Gallery
from diffusionret.model import DiffusionRet

from .. import measure
from ..ood.sets import gallery_scenes
from .halves import HALVES
from .measurement import first_results, measure_kind, misses, together
from .queries import visitor_queries
from .verdicts import outcomes, verdict_row, without_test_words

TITLE = "Is the first result what visitors ask for?"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write results/visitors.json, or visitors_reserved.json."""
    parser = argparse.ArgumentParser(prog="python -m analysis.visitors", description=TITLE)
    parser.add_argument(
        "--models", nargs="+", default=["storybook"], help="folders or names, the first in full"
    )
    parser.add_argument("--half", choices=HALVES, default="work", help="half of templates and words")
    parser.add_argument(
        "--misses", type=int, default=0, help="print so many wrong first results of each kind"
    )
    parser.add_argument(
        "--verdicts",
        action="store_true",
        help="of the first model: what a search says, with matches and without",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="write results/visitors.json, of the other half visitors_reserved.json",
    )
    options = parser.parse_args(arguments)
    started = time.monotonic()
    rows: list[dict] = []
    for number, name in enumerate(options.models):
        for where, found in _measured(load_model(name), options.half, number == 0, options.misses).items():
            rows += [{"model": number, "clips": where} | row for row in found]
    for row in rows:
        print(*row.values(), sep="\t")
    groups = [{"model": m, "clips": c} | row for m, c in dict.fromkeys((r["model"], r["clips"]) for r in rows)
              for row in together([r for r in rows if (r["model"], r["clips"]) == (m, c)])]  # fmt: skip
    for row in groups:
        print(*row.values(), sep="\t")
    verdicts = _verdicts(load_model(options.models[0]), options.half) if options.verdicts else []
    for row in verdicts:
        print(*row.values(), sep="\t")
    if options.keep:
        measure.store(
            "visitors" if options.half == "work" else f"visitors_{options.half}",
            TITLE,
            sentence(groups, verdicts),
            started,
            rows,
            groups=groups,
            half=options.half,
            verdicts=verdicts,
            command=" ".join(
                ["python -m analysis.visitors", *(sys.argv[1:] if arguments is None else arguments)]
            ),
        )


def sentence(groups: Sequence[dict], verdicts: Sequence[dict]) -> str:
    """What the figures of the first model on test clips say. verdicts: of a search, perhaps none."""
    shares = {
        row["group"]: row["first_true"] for row in groups if row["model"] == 0 and row["clips"] == "test"
    }
    alone = (
        f"By similarity alone the first result is a true one for {shares['trained']} % of the queries of kinds that "
        f"training had, "
        f"{shares['held out']} % of those of kinds that it had not, and {shares['unseen']} % of those whose word it "
        f"never saw."
    )
    rows = [
        row for row in verdicts if (row["clips"], row["reader"], row["group"]) == ("test", "app", "trained")
    ]
    if not rows:
        return alone
    true, denied, hedged, claimed = (
        float(np.mean([row[name] for row in rows])) for name in ("first_true", "denied", "hedged", "claimed")
    )
    worst = min(rows, key=lambda row: row["first_true"])
    return (
        f"A search finds a true clip first for {true:.1f} % of the queries of kinds that training had, at worst "
        f"{worst['first_true']:.1f} % ({worst['kind']}). A match that is there is denied in {denied:.1f} % and "
        f"hedged in {hedged:.1f} %; where every one is taken out, a match is claimed in {claimed:.1f} %. {alone}"
    )


@torch.no_grad()
def _measured(model: DiffusionRet, half: str, in_gallery: bool, wrong: int) -> dict[str, list[dict]]:
    """Rows on test clips and, where asked for, on the bundled gallery."""
    scenes = world.split("test")
    frames = clips.split_frames("test", clips.CACHE, model.config.frames, model.config.clip.image_size)
    places = {"test": (scenes, encode_clips(model, frames))}
    if in_gallery:
        shown = gallery_scenes(Gallery.bundled().captions)
        positions = [scenes.index(scene) for scene in shown]
        video = VideoFeatures(*(part[positions] for part in places["test"][1]))
        places["gallery"] = (tuple(shown), video)
    found: dict[str, list[dict]] = {}
    for where, (some, video) in places.items():
        found[where] = []
        for queries in visitor_queries(half, some).values():
            first = first_results(
                model, [q.text for q in queries], lambda text, video=video: model.similarity(text, video)
            )
            row = measure_kind(queries, first, some)
            if row:
                found[where].append(row)
            lines = misses(queries, first, some, [captions.canonical(scene).text for scene in some])
            for text, caption in np.random.default_rng(0).permutation(np.array(lines, dtype=object))[:wrong]:
                print(f"{where}: {queries[0].kind}: {text!r} -> {caption}")
    return found


def _verdicts(model: DiffusionRet, half: str) -> list[dict]:
    """Rows of every kind, in a gallery of the test clips and in the bundled one; unseen and lacking words also by a
    reader that has never heard of them."""
    bundled = Retriever(model, Gallery.bundled())
    scenes = world.split("test")
    frames = clips.split_frames("test", clips.CACHE, model.config.frames, model.config.clip.image_size)
    names = [captions.canonical(scene).text for scene in scenes]
    everything = Gallery.in_memory(encode_clips(model, frames), names)
    wide = Retriever(model, everything)
    wide.detector = bundled.detector
    rows = []
    for where, retriever, some in (
        ("test", wide, scenes), ("gallery", bundled, tuple(gallery_scenes(bundled.gallery.captions)))
    ):  # fmt: skip
        reader = retriever.inspector.reader
        for kind, written in visitor_queries(half, some).items():
            strangers = kind.startswith(("unseen", "lacking"))
            for read in ("app", "without test words") if strangers else ("app",):
                retriever.inspector.reader = reader if read == "app" else without_test_words(reader)
                found = outcomes(retriever, written, some)
                rows.append({"clips": where, "reader": read} | verdict_row(written, found, some))
        retriever.inspector.reader = reader
    return rows
