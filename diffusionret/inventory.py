"""What a gallery holds, what it shall not hold any more, and what it calls it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from .edits import Edit, changed, read_edits, write_edits
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
                f"The gallery holds no {name!r}: `python -m diffusionret list --gallery {quote(str(folder))}` names "
                "what it holds."
            )
        chosen |= {row.uri for row in matches}
    gone = [row for row in rows if row.uri in chosen]
    with run_lock(place):
        Store.open(place / TABLE).remove(chosen)
        for row in gone:
            (place / POSTERS / f"{row.id}.jpg").unlink(missing_ok=True)
        edits = read_edits(place)
        if any(edits.pop(uri, None) for uri in chosen):
            write_edits(place, edits)
    return gone


def change(
    folder: str | Path,
    uris: Sequence[str],
    title: str | None = None,
    caption: str | None = None,
    hidden: bool | None = None,
) -> None:
    """Rename files of a gallery, give them another caption, hide them from the search or bring them back.

    The files themselves, and what the table holds of them, are left alone. uris: files as `inventory` gives them.
    title: at most edits.MOST_TITLE characters, caption: as long as a query; "" brings back what the file itself says,
    None leaves it. Raises ValueError, and changes nothing, where the gallery does not know a file or a text is too
    long.
    """
    place = Path(folder).resolve()
    known = {row.uri for row in inventory(folder)}
    for uri in uris:
        if uri not in known:
            raise ValueError(f"The gallery holds no {printable(uri)!r}.")
    with run_lock(place):
        edits = read_edits(place)
        edits |= {uri: changed(edits.get(uri, Edit()), title, caption, hidden) for uri in uris}
        write_edits(place, edits)
