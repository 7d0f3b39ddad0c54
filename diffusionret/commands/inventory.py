"""`list` and `forget`: what a gallery holds, and what it shall not hold any more."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .options import Gallery, Json, json_text


def list_files(gallery: Gallery = None, as_json: Json = False) -> None:
    """List the files of a gallery.

    A line a file, or a span of a long one: its id, how long it is, where it lies, and why it cannot be searched if so.

    \b
    Examples:
      python -m diffusionret list
      python -m diffusionret list --gallery my_gallery --json
    """
    from ..gallery import BUNDLED, trouble
    from ..gallery import Gallery as GalleryFolder
    from ..inventory import inventory
    from ..video import printable

    folder = BUNDLED if gallery is None else gallery
    rows = inventory(folder)
    if damage := GalleryFolder.open(folder).damage:
        print(damage, file=sys.stderr)
    if as_json:
        files = [
            {
                "id": row.id, "file": row.uri, "start": row.start, "end": row.end or row.duration,
                "duration": row.duration, "caption": row.caption, "trouble": trouble(row),
            }
            for row in rows
        ]  # fmt: skip
        print(json_text(files))
        return
    wide = max((len(row.id) for row in rows), default=0)
    for row in rows:
        length = (row.end or row.duration) - row.start
        print(f"{row.id or '-':{wide}}  {length:7.1f} s  {printable(row.uri)}  {trouble(row)}".rstrip())
    out = sum(bool(trouble(row)) for row in rows)
    print(f"{len(rows) - out} can be searched, {out} cannot.")


def forget(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...", help="ids or files, as `list` gives them; a span stands for its file"
        ),
    ],
    gallery: Annotated[str, typer.Option(help="a folder made by `index`")],
) -> None:
    """Take files out of a gallery, which leaves the files themselves alone.

    \b
    Example:
      python -m diffusionret forget holiday_2019 my_videos/broken.mp4 --gallery my_gallery
    """
    from .. import inventory

    gone = inventory.forget(gallery, names)
    count = len({row.uri for row in gone})
    print(
        f"{count} forgotten; the files themselves are untouched, and `index` adds them again where it finds them."
    )
