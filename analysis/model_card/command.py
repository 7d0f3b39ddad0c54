"""The command: write the card and the README from the records."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .card import card
from .files import CARD, README, RESULTS, ROOT
from .readme import readme
from .training import record_training, this_machine


def main() -> None:
    """Write the card and the README; with --runs, the record of the trainings first."""
    parser = argparse.ArgumentParser(prog="python -m analysis.model_card", description=main.__doc__)
    parser.add_argument("--runs", type=Path, help="folder of the trainings: writes training.json first")
    parser.add_argument("--machine", help="that the trainings ran on, where it is not this one")
    args = parser.parse_args()
    if args.runs:
        record_training(args.runs, args.machine or this_machine())
    report, record = _read("storybook-test"), _read("training")
    other, proof = (_record(name) for name in ("sketchbook-test", "open_set"))
    queries, reserved = (_record(name) for name in ("visitors", "visitors_reserved"))
    CARD.write_text(card(report, record, other, proof, queries, reserved), encoding="utf-8")
    text = readme(README.read_text(encoding="utf-8"), report, _read("bench"))
    README.write_text(text, encoding="utf-8")
    print(f"wrote {CARD.relative_to(ROOT)}, and the results and the speed in {README.name}")


def _record(name: str) -> dict | None:
    return _read(name) if (RESULTS / f"{name}.json").is_file() else None


def _read(name: str) -> dict:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
