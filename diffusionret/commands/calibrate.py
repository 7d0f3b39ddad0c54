"""`calibrate`: with progress on standard error, and what came out on standard output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .options import Device, Gallery, GalleryModel


def calibrate(
    gallery: Gallery = None,
    model: GalleryModel = None,
    device: Device = "auto",
    queries: Annotated[
        Path | None,
        typer.Option(help="CSV (video, query): typed queries for known videos", show_default=False),
    ] = None,
    captions: Annotated[
        Path | None, typer.Option(help="training captions of the model, one a line", show_default=False)
    ] = None,
) -> None:
    """Calibrate both answers about a query for a gallery, and where the bundled model may be trusted to place a word.

    \b
    Examples:
      python -m diffusionret calibrate --gallery my_gallery --captions training.txt
      python -m diffusionret calibrate --gallery my_gallery --queries typed.csv
    """
    from ..calibrate import calibrate_words, read_captions, read_queries, run_calibration
    from ..retrieval import Retriever

    retriever = Retriever.open(gallery, model, device)
    typed = read_queries(queries, retriever.gallery.ids) if queries else []
    training = read_captions(captions) if captions else []
    detector = run_calibration(
        retriever, typed, training, lambda line: print(line, file=sys.stderr, flush=True)
    )
    for name, calibration in (("familiar", detector.familiar), ("match", detector.match)):
        if calibration is None:
            print(f"{name}: {detector.note(name)}")
            continue
        line = f"{name}: {calibration.n} queries ({calibration.about['queries']})"
        if measured := calibration.about.get("measured"):
            line += f"; {measured['flagged']} of {measured['of']} others flagged at {measured['alpha']:.0%}"
        print(line)
    if placement := calibrate_words(retriever):
        print(f"words: {placement.threshold}")
