"""`export`: a gallery for a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Gallery


def export(
    out: Annotated[Path, typer.Argument(help="folder to write, which is made")],
    gallery: Gallery = None,
) -> None:
    """Write the rows, captions and features of a gallery as Parquet and NumPy files.

    \b
    Example:
      python -m diffusionret export my_features --gallery my_gallery
    """
    from ..export import export_gallery
    from ..gallery import Gallery as GalleryFolder

    opened = GalleryFolder.bundled() if gallery is None else GalleryFolder.open(gallery)
    files = export_gallery(opened, out)
    print(f"{len(opened)} spans of {opened.file_count} files in {', '.join(str(file) for file in files)}")
