"""What a gallery holds, and what it shall not hold any more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .gallery import LIGHT, POSTERS, TABLE, Gallery
from .lock import run_lock
from .store import Row, Store


def inventory(folder: str | Path) -> list[Row]:
    """The rows of a gallery in the order of their files, without features. Raises as `Gallery.open`."""
    place = Gallery.open(folder).folder
    assert place is not None
    return sorted(Store.open(place / TABLE).rows(LIGHT), key=lambda row: row.uri)


def forget(folder: str | Path, names: Sequence[str]) -> list[Row]:
    """Take rows and posters out of the gallery in `folder`; the videos themselves are left alone.

    names: ids, files as `inventory` gives them, or paths of files. Returns the rows that are gone.
    Raises ValueError, and forgets nothing, where the gallery does not know one of them.
    """
    rows = inventory(folder)
    place = Path(folder).resolve()
    chosen: dict[str, Row] = {}
    for name in names:
        path = Path(name).absolute()
        matches = [row for row in rows if name in (row.id, row.uri) or path == place / row.uri]
        if not matches:
            raise ValueError(
                f"The gallery holds no {name!r}: `python -m diffusionret list` names what it holds."
            )
        chosen |= {row.uri: row for row in matches}
    with run_lock(place):
        Store.open(place / TABLE).remove(chosen)
        for row in chosen.values():
            (place / POSTERS / f"{row.id}.jpg").unlink(missing_ok=True)
    return list(chosen.values())
