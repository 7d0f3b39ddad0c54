"""`data`: what a split of a benchmark holds, and which of its videos are missing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..datasets import READERS, read
from ..datasets.count import missing
from .options import choices, json_text

SPLITS = ("train", "val", "test")
NAMED = 5  # videos of those that are missing


def data(
    name: Annotated[
        str,
        typer.Argument(help=f"{', '.join(READERS)}; csv for a table of your own", **choices(READERS)),
    ],
    annotations: Annotated[Path, typer.Option(help="folder of its annotation files (csv: or the file)")],
    videos: Annotated[
        Path | None, typer.Option(help="folder of its videos, looked for at any depth", show_default=False)
    ] = None,
    split: Annotated[str, typer.Option(help="train, val or test", **choices(SPLITS))] = "test",
    as_json: Annotated[bool, typer.Option("--json", help='print {"videos", "captions", "missing"}')] = False,
) -> None:
    """Count the videos and captions of a benchmark.

    Videos are all that the split lists, missing ones included.

    \b
    Examples:
      python -m diffusionret data msrvtt --annotations msrvtt/ --videos msrvtt/videos --split test
      python -m diffusionret data csv --annotations my_videos/captions.csv --json
    """
    captioned = read(name, annotations, split)
    absent = missing(captioned, videos)
    counts = {
        "videos": len(captioned.clips) + len(captioned.uncaptioned),
        "captions": len(captioned.captions),
        "missing": len(absent),
    }
    if as_json:
        print(json_text(counts, None))
        return
    print(f"{name} {split}: {counts['videos']:,} videos, {counts['captions']:,} captions")
    if absent:
        more = f" and {len(absent) - NAMED:,} more" if len(absent) > NAMED else ""
        print(f"{len(absent):,} cannot be used (no file or no caption): {', '.join(absent[:NAMED])}{more}")
