"""The command: the first model on both looks, the others for how far training seeds lie apart."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import torch

from diffusionret.checkpoint import load_model
from diffusionret.gallery import fingerprint

from .. import measure
from .measurement import measurements
from .probabilities import fit_baselines
from .steps import steps_needed
from .summary import sentence, summary
from .worlds import LOOKS, World

TITLE = "The open-set generator: do its samples mean what they say?"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write results/open_set.json. Raises ValueError where the models differ in their features."""
    parser = argparse.ArgumentParser(prog="python -m analysis.open_set", description=TITLE)
    parser.add_argument(
        "--models", nargs="+", default=["storybook"], help="folders or names, the first in full"
    )
    chosen = parser.parse_args(arguments).models
    started = time.monotonic()
    models = [load_model(name) for name in chosen]
    if any(fingerprint(m) != fingerprint(models[0]) for m in models):
        raise ValueError("The models differ in their features: they must start from the same stage 2.")
    with torch.no_grad():
        validation = measure.load(models[0], split="validation")
    fitted = fit_baselines(validation)
    steps = steps_needed(validation)
    tables: dict[str, list] = {}
    seeds: list[dict] = []
    with torch.no_grad():
        for look in LOOKS:
            world = World.load(models[0], look)
            for i, model in enumerate(models if look == "storybook" else models[:1]):
                part = measurements(world.of(model), fitted, look)
                if look == "storybook":
                    seeds.append({"training seed": str(i)} | summary(part))
                if i == 0:
                    tables = {name: tables.get(name, []) + part.get(name, []) for name in tables | part}
    rows = tables.pop("rows")
    measure.store(
        "open_set", TITLE, sentence(tables, seeds), started,
        rows, **tables, steps=steps, training_seeds=seeds,
    )  # fmt: skip
