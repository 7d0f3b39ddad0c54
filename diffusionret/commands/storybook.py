"""`storybook`: clips of the bundled world as video files, and a gallery of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import index
from .options import Device, Model
from .progress import FileProgress


def storybook(
    gallery: Annotated[Path, typer.Argument(help="folder to write: videos/ and the gallery made of them")],
    model: Model = "storybook",
    clips: Annotated[int, typer.Option(help="how many of the test split")] = 250,
    device: Device = "auto",
) -> int:
    """Draw the bundled gallery and index it.

    \b
    Examples:
      python -m diffusionret storybook my_storybook --clips 50
      python -m diffusionret storybook assets/gallery/storybook --model runs/storybook-open/best
    """
    try:
        from ..datasets.storybook import export, world
    except ImportError as error:
        raise ValueError("Drawing Storybook needs skia-python: run `pip install skia-python`.") from error

    most = world.SPLIT_SIZES["test"]
    if not 1 <= clips <= most:
        raise ValueError(f"--clips is {clips}: it must be from 1 to {most}.")
    videos = gallery / "videos"
    with FileProgress("clips") as progress:
        export.export(world.split("test")[:clips], videos, progress=progress.show)
    return index.index(videos, gallery, model, device, prune=True, spans="whole")
