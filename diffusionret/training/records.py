"""What a training says as it goes on, and the file that keeps it: records.jsonl, one JSON object a line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

FILE = "records.jsonl"


@dataclass(frozen=True)
class LossRecord:
    """Some steps. step: how many are done. loss: mean since the last record. lr: the highest of the groups' rates at
    the last step. seconds_a_step, minutes_left: of the wall clock, since this process began."""

    step: int
    loss: float
    lr: float
    seconds_a_step: float
    minutes_left: float


@dataclass(frozen=True)
class ValidationRecord:
    """A validation of the averaged weights after `step` steps and `minutes` of training, resumed ones together.

    score: of these weights, best: the highest so far. waited: validations since the best one. figures: by name.
    """

    step: int
    minutes: float
    score: float
    best: float
    waited: int
    figures: Mapping[str, float]


Record = LossRecord | ValidationRecord


def values(record: Record) -> dict[str, float]:
    """Everything in a record by name; figures stand beside the rest."""
    flat = {field.name: getattr(record, field.name) for field in fields(record)}
    return flat | flat.pop("figures", {})


def line(record: Record) -> str:
    """A record as JSON, without the end of the line: numbers to six decimals, null for what is no finite number."""
    return json.dumps({
        name: None if not math.isfinite(value) else round(value, 6) if isinstance(value, float) else value
        for name, value in values(record).items()
    })  # fmt: skip


def append(folder: Path, text: str) -> None:
    """Add a line to the records of a folder; a kill loses none that were written."""
    with (folder / FILE).open("a", encoding="utf-8") as file:
        file.write(text + "\n")


def read(folder: Path) -> Iterator[Record]:
    """The records of a folder, oldest first. A null is read as NaN. Raises FileNotFoundError without the file."""
    for text in (folder / FILE).read_text(encoding="utf-8").splitlines():
        flat: dict[str, Any] = {
            name: math.nan if value is None else value for name, value in json.loads(text).items()
        }
        if "loss" in flat and "score" not in flat:
            yield LossRecord(**flat)
        else:
            own = {f.name: flat.pop(f.name) for f in fields(ValidationRecord) if f.name != "figures"}
            yield ValidationRecord(**own, figures=flat)
