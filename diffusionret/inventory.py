"""What a gallery holds, and what it shall not hold any more."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .gallery import LIGHT, POSTERS, TABLE, Gallery
from .lock import run_lock
from .spans import video_id
from .store import Row, Store
from .video import printable


def inventory(folder: str | Path) -> list[Row]:
    """The rows of a gallery in the order of their files and spans, without features. Raises as `Gallery.open`."""
    place = Gallery.open(folder).folder
    assert place is not None
    return sorted(Store.open(place / TABLE).rows(LIGHT), key=lambda row: (row.uri, row.start))


def forget(folder: str | Path, names: Sequence[str]) -> list[Row]:
    """Take files out of the gallery in `folder`, with all their spans and posters; the videos themselves are left
    alone.

    names: ids of videos or of one of their spans, files as `inventory` gives them, or paths of files. Returns the rows
    that are gone.
    Raises ValueError, and forgets nothing, where the gallery does not know one of them.
    """
    rows = inventory(folder)
    place = Path(folder).resolve()
    chosen: set[str] = set()
    for name in names:
        path = Path(os.path.abspath(name))  # noqa: PTH100 - also what is gone may be named by way of ".."
        matches = [
            row for row in rows
            if name and (name in (row.id, video_id(row.id), row.uri, printable(row.uri)) or path == place / row.uri)
        ]  # fmt: skip
        if not matches:
            raise ValueError(
                f"The gallery holds no {name!r}: `python -m diffusionret list` names what it holds."
            )
        chosen |= {row.uri for row in matches}
    gone = [row for row in rows if row.uri in chosen]
    with run_lock(place):
        Store.open(place / TABLE).remove(chosen)
        for row in gone:
            (place / POSTERS / f"{row.id}.jpg").unlink(missing_ok=True)
    return gone
