"""`python -m diffusionret list` and `forget`: what a gallery holds, and what it shall not hold any more."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from .gallery import BUNDLED, LIGHT, POSTERS, TABLE, Gallery, trouble
from .lock import run_lock
from .store import Row, Store
from .video import printable


def inventory(folder: str | Path) -> list[Row]:
    """The rows of a gallery in the order of their files, without features. Raises as `Gallery.open`."""
    folder = Gallery.open(folder).folder
    assert folder is not None
    return sorted(Store.open(folder / TABLE).rows(LIGHT), key=lambda row: row.uri)


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


def add_list_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m diffusionret list`."""
    parser.add_argument("--gallery", default=BUNDLED, help="a folder made by `index` (default: the bundled)")
    parser.add_argument("--json", action="store_true", help="JSON on standard output, and nothing else there")


def run_list(args: argparse.Namespace) -> None:
    """One line a file: its id, how long it is, where it lies, and why it cannot be searched if so."""
    rows = inventory(args.gallery)
    if args.json:
        files = [
            {"id": row.id, "file": row.uri, "duration": row.duration, "caption": row.caption, "trouble": trouble(row)}
            for row in rows
        ]  # fmt: skip
        print(json.dumps(files, indent=2, allow_nan=False))
        return
    wide = max((len(row.id) for row in rows), default=0)
    for row in rows:
        print(f"{row.id or '-':{wide}}  {row.duration:7.1f} s  {printable(row.uri)}  {trouble(row)}".rstrip())
    out = sum(bool(trouble(row)) for row in rows)
    print(f"{len(rows) - out} can be searched, {out} cannot.")


def add_forget_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m diffusionret forget`."""
    parser.add_argument("names", nargs="+", metavar="NAME", help="ids or files, as `list` gives them")
    parser.add_argument("--gallery", required=True, help="a folder made by `index`")


def run_forget(args: argparse.Namespace) -> None:
    """Forget, and say that the files are still there."""
    gone = forget(args.gallery, args.names)
    print(
        f"{len(gone)} forgotten; the files themselves are untouched, and `index` adds them again where it finds them."
    )
