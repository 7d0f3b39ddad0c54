"""`evaluate`: a report as a table or JSON."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from ..datasets import READERS
from ..datasets.storybook import world
from .options import Annotations, Device, Json, Model, Videos, choices, json_text

DATA = (*world.LOOKS, *READERS)
SPLITS = sorted({*world.SPLIT_SIZES, "train", "val"})


def evaluate(
    data: Annotated[
        str, typer.Option(help=f"what to evaluate on: {', '.join(DATA)}", **choices(DATA))
    ] = "storybook",
    split: Annotated[str, typer.Option(help=f"one of {', '.join(SPLITS)}", **choices(SPLITS))] = "test",
    annotations: Annotations = None,
    videos: Videos = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="of a benchmark: file to write with a row a query", show_default=False),
    ] = None,
    model: Model = "storybook",
    device: Device = "auto",
    cache: Annotated[
        Path | None,
        typer.Option(help="folder of drawn clips, or of a benchmark's features", show_default="in ~/.cache"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="also write the report to this JSON file", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure a model on the bundled world or on a benchmark.

    \b
    Examples:
      python -m diffusionret evaluate --data storybook --split test --json
      python -m diffusionret evaluate --data msrvtt --annotations DIR --videos DIR --model msrvtt --csv out.csv
    """
    given = {"--csv": csv, "--annotations": annotations, "--videos": videos}
    if data in world.LOOKS:
        if unused := [name for name, value in given.items() if value is not None]:
            raise ValueError(f"{unused[0]} belongs to a benchmark: name it with --data.")
        if split not in world.SPLIT_SIZES:
            raise ValueError(f"Storybook has no split {split!r}: choose {', '.join(world.SPLIT_SIZES)}.")
    elif annotations is None or videos is None:
        raise ValueError(f"Evaluating on {data} needs --annotations and --videos, the folders of its files.")
    with redirect_stdout(sys.stderr):  # whatever a library has to say
        from ..checkpoint import load_model
        from ..datasets.storybook import clips
        from ..evaluate import as_published, as_table, evaluate_benchmark, evaluate_storybook
        from ..features import CACHE

        loaded = load_model(model, device)
        if annotations is None or videos is None:
            report = evaluate_storybook(loaded, split, cache or clips.CACHE, data)
        else:
            loaded.config = as_published(loaded.config, data)
            report = evaluate_benchmark(loaded, data, split, annotations, videos, cache or CACHE, csv)
    text = json_text(report, 1)
    if out:
        out.write_text(text + "\n", encoding="utf-8")
    print(text if as_json else as_table(report))
