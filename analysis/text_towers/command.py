"""The command: train what is missing, measure, write the result."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from diffusionret import DiffusionRet
from diffusionret.checkpoint import load_model, pick_device
from diffusionret.config import PRESETS
from diffusionret.datasets.storybook import clips
from diffusionret.encoders import VideoFeatures
from diffusionret.metrics import retrieval_metrics
from diffusionret.training import records
from diffusionret.training.english import TOKENS
from diffusionret.training.loop import BEST, Duration, Loop
from diffusionret.training.start import best_of, with_new_text_tower
from diffusionret.training.storybook import storybook_stage
from diffusionret.training.storybook_text import StorybookText

from .. import measure
from ..visitors.measurement import GROUPS, first_results, measure_kind, together
from ..visitors.queries import visitor_queries
from .trials import DistilledText, fix_rows, free_rows

TITLE = "What does a table of tokens that know English give, of how many dimensions, frozen or free?"
PRESET = PRESETS["storybook-text"]
# Tables by name; the name of others is the number of dimensions of a frozen one.
LEARNED, FREE, DISTILLED = "learned", "128-free", "128-distilled"
LABELS = {
    LEARNED: "a learned table",
    FREE: "128 free dimensions",
    DISTILLED: "128 frozen dimensions, distilled",
}
RUNS = [
    *((table, seed) for table in (LEARNED, "128") for seed in range(3)),
    *((table, 0) for table in ("64", "192", FREE, DISTILLED)),
]
WORDS = ("subject", "colour", "place", "motion")
CHOSEN_BY = ("queries", "natural_R1", *(f"word_{name}" for name in WORDS))  # figures of validation
FAMILIES = 2000


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, measure, and write results/text_towers.json."""
    parser = argparse.ArgumentParser(prog="python -m analysis.text_towers", description=TITLE)
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/text-towers"), help="folder of trainings and tables"
    )
    parser.add_argument("--only", nargs=2, metavar=("TABLE", "SEED"), help="train this one and stop")
    parser.add_argument("--measure", action="store_true", help="train nothing, measure what is trained")
    parser.add_argument("--steps", type=int, default=PRESET.steps)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(arguments)
    tables = list(dict.fromkeys(table for table, _ in RUNS))
    if options.only and options.only[0] not in tables:
        parser.error(f"There is no table {options.only[0]!r}: choose of {', '.join(tables)}.")
    if options.measure and options.only:
        parser.error("--only trains and --measure does not: give one of them.")
    started = time.monotonic()
    chosen = [(options.only[0], int(options.only[1]))] if options.only else RUNS
    for table, seed in [] if options.measure else chosen:
        train(table, seed, options.runs, options.steps, options.device)
    if not options.only:
        trained = [run for run in RUNS if is_trained(*run, options.runs, options.steps)]
        if not trained:
            parser.error(f"Nothing in {options.runs} was trained for {options.steps} steps.")
        rows = [measured(*run, options.runs, options.device) for run in trained]
        command = f"python -m analysis.text_towers --steps {options.steps}{' --measure' * options.measure}"
        measure.store(
            "text_towers", TITLE, sentence(rows), started, rows, steps=options.steps, command=command
        )


def name_of(table: str, seed: int) -> str:
    return f"{table}-seed{seed}"


def is_trained(table: str, seed: int, runs: Path, steps: int) -> bool:
    """Whether this text tower had all its steps."""
    folder = runs / name_of(table, seed)
    if not (folder / records.FILE).is_file():
        return False
    return any(r.step == steps for r in records.read(folder) if isinstance(r, records.ValidationRecord))


def train(table: str, seed: int, runs: Path, steps: int = PRESET.steps, device: str = "auto") -> None:
    """Train one text tower, or go on with it. table: one of those of RUNS."""
    if not is_trained(table, seed, runs, steps):
        loop = loop_of(table, seed, runs, steps, device)
        for record in loop.records():
            records.append(loop.folder, records.line(record))
            if not isinstance(record, records.LossRecord) or record.step % 100 == 0:
                print(name_of(table, seed), records.line(record), flush=True)
    if table == FREE:  # a second time changes nothing
        fix_rows(runs / name_of(table, seed) / BEST)


def loop_of(table: str, seed: int, runs: Path, steps: int, device: str) -> Loop:
    """The training of one text tower. Raises FileNotFoundError where its table was not made."""
    config = replace(PRESET, seed=seed, steps=steps)
    torch.manual_seed(seed)
    tokens = None if table == LEARNED else runs / table.partition("-")[0] / TOKENS
    model = with_new_text_tower(image_side(load_model("storybook")), tokens)
    model = (free_rows(model) if table == FREE else model).to(pick_device(device))
    stage = storybook_stage(config, model, clips.CACHE, FAMILIES)
    if table == DISTILLED:
        assert isinstance(stage, StorybookText)
        stage = DistilledText(stage.features)
    return Loop(
        stage, config.optimisation, Duration(steps, config.evaluate_every), runs / name_of(table, seed)
    )


def image_side(model: DiffusionRet) -> DiffusionRet:
    """A model without its generators."""
    bare = replace(model.config, generator=None, openset=None, others=(), form="published")
    kept = DiffusionRet(bare)
    kept.load_state_dict(model.state_dict(), strict=False)
    return kept


@torch.no_grad()
def measured(table: str, seed: int, runs: Path, device: str = "auto") -> dict:
    """Figures of a trained text tower by similarity alone, in percent."""
    best = best_of(name_of(table, seed), runs)
    assert best is not None
    model = load_model(str(best)).to(pick_device(device)).eval()
    full = measure.load(model, natural=False)
    scenes, video = full.scenes, full.video
    row: dict = {"table": table, "seed": seed, "validation": validation_figures(runs / name_of(table, seed))}
    for captions, test in (("full", full), ("natural", measure.load(model, video=video))):
        row[f"{captions}_R1"] = retrieval_metrics(test.similarity).R1
        first = test.similarity.argmax(dim=1).cpu()
        row[f"{captions}_fits"] = 100 * test.fits[torch.arange(len(first)), first].double().mean().item()
    kinds = [row_of(model, written, video, scenes) for written in visitor_queries("work", scenes).values()]
    found = [kind for kind in kinds if kind]
    row |= {group["group"]: group["first_true"] for group in together(found)}
    return row | {"kinds": {kind["kind"]: kind["first_true"] for kind in found}}


def validation_figures(folder: Path) -> dict[str, float]:
    """The figures of validation, by which a table is chosen, of the weights that were kept, in percent."""
    checks = [r for r in records.read(folder) if isinstance(r, records.ValidationRecord)]
    kept = next(r for r in checks if r.best == checks[-1].best)
    return {name: value for name, value in kept.figures.items() if name in CHOSEN_BY}


def row_of(model: DiffusionRet, written: Sequence, video: VideoFeatures, scenes: Sequence) -> dict | None:
    """See `measure_kind`."""
    first = first_results(model, [q.text for q in written], lambda text: model.similarity(text, video))
    return measure_kind(written, first, scenes)


def sentence(rows: Sequence[dict]) -> str:
    """What the figures say: the mean over seeds, and what the seeds span."""
    said = []
    for table in dict.fromkeys(row["table"] for row in rows):
        own = [row for row in rows if row["table"] == table]
        parts = [f"{name} {span([row[name] for row in own])}" for name in (*GROUPS, "natural_fits")]
        words = np.mean([[r["validation"][f"word_{n}"] for n in WORDS] for r in own], axis=1)
        name = LABELS.get(table, f"{table} frozen dimensions")
        said.append(f"{name}: words of validation {span(words.tolist())}, {', '.join(parts)}")
    return f"First result a true one by similarity alone, in percent. {'; '.join(said)}."


def span(values: Sequence[float]) -> str:
    mean = f"{np.mean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.1f} to {max(values):.1f})"
