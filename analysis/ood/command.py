"""The command: measure, write the results, the curves and the detector of the app."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from diffusionret import Retriever
from diffusionret.calibrate import WEIGHTS
from diffusionret.hub import BUNDLED as MODELS
from diffusionret.ood.detector import text_made_for

from ..measure import RESULTS
from . import figures
from .measurement import measure

PICTURES = RESULTS / "ood"  # and what they are drawn from
CURVES = PICTURES / "curves.json"


def sentence(results: dict) -> str:
    """What the figures say."""
    central, rows = results["central question"], results["detectors"]
    low, high = central["95 %"]
    best = max(rows, key=lambda row: row["endpoint"])
    if "G" not in central["comparison"]:
        answer = "The model has no generator to ask."
    else:
        helps = "raises" if low > 0 else "lowers" if high < 0 else "does not detectably change"
        answer = (
            f"Adding the generator's scores to those of text and gallery {helps} the endpoint: "
            f"{central['difference']:+.3f} ({low:+.3f} to {high:+.3f})."
        )
    verdict = ", ".join(f"{name}: {how}" for name, how in results["verdict"].items())
    return (
        f"{answer} Best on the endpoint, the mean AUROC over near and gallery-absent queries: {best['detector']}, "
        f"{best['endpoint']:.3f} ({best['interval'][0]:.3f} to {best['interval'][1]:.3f}). Chosen on validation "
        f"kinds for the app, {verdict}. A world trained from scratch is optimistic here compared with CLIP."
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, write results/ood.json and curves, and the detector beside the bundled model."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis.ood", description="Which score tells unusual queries from ordinary ones?"
    )
    parser.add_argument("--gallery", help="a gallery of Storybook clips (default: the bundled one)")
    parser.add_argument("--model", help="default: the one the gallery was indexed with")
    parser.add_argument(
        "--annotations", type=Path, help="folder of msrvtt, msvd, activitynet and didemo annotations"
    )
    parser.add_argument("--size", type=int, default=200, help="queries of each kind (default: 200)")
    parser.add_argument("--draws", type=int, default=20, help="of false alarms (default: 20)")
    args = parser.parse_args(argv)
    begun = time.monotonic()
    retriever = Retriever.open(args.gallery, args.model, "cpu")
    results, curves, weights = measure(retriever, args.annotations, args.size, args.draws)
    if args.gallery is None and args.model is None:
        content = {"made_for": text_made_for(retriever.model), "weights": weights}
        file = MODELS / retriever.model.config.name / WEIGHTS
        file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    command = "python -m analysis.ood" + (" --annotations FOLDER" if args.annotations else "")
    head = {"title": "Unusual queries", "command": command, "shows": sentence(results)}
    whole = head | {"minutes": round((time.monotonic() - begun) / 60, 1)} | results
    PICTURES.mkdir(parents=True, exist_ok=True)
    (RESULTS / "ood.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    CURVES.write_text(json.dumps(curves) + "\n", encoding="utf-8")
    for name, figure in figures.pictures(curves).items():
        (PICTURES / f"{name}.svg").write_text(figures.svg(figure), encoding="utf-8")
    print(head["shows"])
