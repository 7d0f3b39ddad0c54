"""The command: the first model on both looks, the others for how far training seeds lie apart."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import torch

from diffusionret.checkpoint import load_model
from diffusionret.gallery import fingerprint

from .. import measure
from .measurement import LOOKS, Rivals, Shown, measurements
from .odds import odds_of
from .questions import KINDS, TIMES
from .summary import sentence, summary

TITLE = "The open-set generator: does it mean what it says?"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write results/open_set.json. Raises ValueError where the models differ in their features."""
    parser = argparse.ArgumentParser(prog="python -m analysis.open_set", description=TITLE)
    parser.add_argument(
        "--models", nargs="+", default=["storybook"], help="folders or names, the first in full"
    )
    parser.add_argument("--times", type=int, default=TIMES, help=f"questions of each clip (default: {TIMES})")
    chosen = parser.parse_args(arguments)
    started = time.monotonic()
    models = [load_model(name).eval() for name in chosen.models]
    if any(fingerprint(m) != fingerprint(models[0]) for m in models):
        raise ValueError("The models differ in their features: they must start from the same stage 2.")
    with torch.no_grad():
        tables, seeds = measured(models, chosen.times)
    rows = tables.pop("rows")
    shows = sentence(tables["figures"], seeds)
    measure.store("open_set", TITLE, shows, started, rows, **tables, training_seeds=seeds)
    for row in tables["figures"]:
        low, high = row["interval"]
        place = f"{row['look']}, {row['questions']}"
        print(
            f"{place:28} {row['figure']:68} {row['value']:8.4f} [{low:.4f}, {high:.4f}]  {row['target']:24}{row['met']}"
        )


def measured(models: Sequence, times: int) -> tuple[dict[str, list], list[dict]]:
    """The tables of the first model over both looks, and the figures of every one on the test split.

    times: questions of each clip.
    """
    tables: dict[str, list] = {}
    seeds: list[dict] = []
    validation = measure.load(models[0], split="validation")
    shown = [Shown(model, *odds_of(model)) for model in models]
    rivals = {
        kind: Rivals.fit(shown[0], validation.scenes, validation.video, kind, max(times // 3, 1))
        for kind in KINDS
    }
    for look in LOOKS:
        natural = measure.load(models[0], look)
        full = measure.load(models[0], look, natural=False, video=natural.video)
        for number, one in enumerate(shown if look == "storybook" else shown[:1]):
            part = measurements(one, rivals, natural, full, look, times)
            if look == "storybook":
                seeds.append({"training seed": str(number)} | summary(part["figures"]))
            if number == 0:
                tables = {name: tables.get(name, []) + part[name] for name in part}
    return tables, seeds
