"""The trainings: their record, and the table of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from diffusionret.config import PRESETS
from diffusionret.training import records

from .files import RESULTS

LEGS = (
    "The bundled weights were trained in several runs with somewhat different settings, each from where the one "
    "before ended: storybook-text 2,000 steps on 2,000 families without the objective of colours, 900 on 4,000 and 900 "
    "on 8,000 with it; the published generator before and after each of its last two runs; the match head and the "
    "open-set generator anew after the last on a GPU, 11,100 steps on 16,000 families and 10,500 more from there at "
    "0.7 of the learning rate, with texts that other processes wrote ahead, which halves its minutes. The commands "
    "below train all of their steps at once and give a similar model, not the same one; the table has the last run of "
    "each."
)


def this_machine() -> str:
    return f"{os.cpu_count()} CPU cores"


def record_training(runs: Path, machine: str) -> None:
    """Write training.json: of every stage the command, the minutes, and the figures of the weights that were kept. A
    stage that was not trained in this folder stays as it was recorded. machine: that these were trained on."""
    file = RESULTS / "training.json"
    recorded = json.loads(file.read_text(encoding="utf-8"))["stages"] if file.is_file() else []
    stages = {stage["name"]: stage for stage in recorded}
    for name, preset in PRESETS.items():
        if not (runs / name / records.FILE).is_file():
            continue
        validations = [r for r in records.read(runs / name) if isinstance(r, records.ValidationRecord)]
        last = validations[-1]
        kept = next(r for r in validations if r.best == last.best)
        stages[name] = dict(
            name=name,
            command=preset.command,
            machine=machine,
            minutes=last.minutes,
            steps=last.step,
            kept=kept.step,
            figures=dict(kept.figures),
        )
    record = dict(stages=[stages[name] for name in PRESETS if name in stages])
    file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def training(stages: list[dict]) -> str:
    lines = [
        "| stage | command | minutes | on | steps | validation figures of what was kept |",
        "|---|---|---|---|---|---|",
    ]
    for stage in stages:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in stage["figures"].items())
        lines.append(
            f"| {stage['name']} | `{stage['command']}` | {stage['minutes']:.0f} | {stage['machine']} | "
            f"{stage['steps']}, kept after {stage['kept']} | {figures} |"
        )
    return "\n".join(lines)
