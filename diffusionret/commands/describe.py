"""`describe`: the captions that fit a video best, as text or JSON."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Annotated

import typer

from .options import Device, Gallery, GalleryModel, Json, json_text


def describe(
    video: Annotated[str, typer.Argument(help="id of the gallery, or a file: a picture or a short clip")],
    gallery: Gallery = None,
    model: GalleryModel = None,
    device: Device = "auto",
    k: Annotated[int, typer.Option(help="captions")] = 3,
    as_json: Json = False,
) -> None:
    """Say what a video shows, in the captions that fit it best of those that are known.

    \b
    Examples:
      python -m diffusionret describe boat.mp4
      python -m diffusionret describe holiday_2019@90 --gallery my_gallery --json
    """
    with redirect_stdout(sys.stderr):  # whatever a library has to say
        from ..retrieval import Retriever
        from ..video import printable

        captions = Retriever.open(gallery, model, device).describe(video, k)
    if as_json:
        print(json_text({"video": printable(video), "captions": [caption._asdict() for caption in captions]}))
    else:
        print("\n".join(f"{caption.similarity:.4f}  {printable(caption.text)}" for caption in captions))
