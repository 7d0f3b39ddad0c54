"""`cut`: a part of a video as a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def cut(
    clip: Annotated[str, typer.Argument(help="id of a span or video, as `search` and `list` give it")],
    out: Annotated[Path, typer.Option(help="file to write, ending in .mp4")],
    gallery: Annotated[
        str | None, typer.Option(help="a folder made by `index`", show_default="the bundled gallery")
    ] = None,
    timeout: Annotated[float, typer.Option(help="seconds that cutting may take")] = 600.0,
) -> None:
    """Cut what was found out of its video.

    The pictures are copied as they are where key frames stand at both ends of the part, else encoded anew.

    \b
    Example:
      python -m diffusionret cut holiday_2019@90 --gallery my_gallery --out boat.mp4
    """
    from ..cutting import cut as cut_part
    from ..gallery import Gallery
    from ..video import VideoError, printable

    videos = Gallery.bundled() if gallery is None else Gallery.open(gallery)
    position = videos.position(clip)
    path, span = videos.path(position), videos.spans[position]
    assert path is not None
    try:
        copied = cut_part(path, span.start, span.end, out, timeout)
    except VideoError as error:
        raise ValueError(str(error)) from error
    of = f"{span.start:.1f} to {span.end:.1f} s of {printable(path.name)}"
    print(f"{printable(str(out))}: {of}, {'copied as it is' if copied else 'encoded anew'}")
