"""What a person changed of a gallery's rows: titles, captions, what is hidden. Kept beside the table, which holds what
the files say, so that indexing them again loses nothing of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from .query import MOST_CHARACTERS
from .video import printable

EDITS = "edits.json"
MOST_TITLE = 200  # characters
MOST_BYTES = 256_000_000


@dataclass(frozen=True)
class Edit:
    """What was changed of one file.

    title, caption: "" for what the file itself brings. hidden: left out of searches.
    """

    title: str = ""
    caption: str = ""
    hidden: bool = False


def read_edits(folder: Path) -> dict[str, Edit]:
    """{file: its edit} of the gallery in `folder`, files as the table names them.

    Raises ValueError where they are kept but cannot be read: what was hidden must not come back unseen.
    """
    file = folder / EDITS
    try:
        if not file.is_file():
            return {}
        if file.stat().st_size > MOST_BYTES:
            raise ValueError
        content = json.loads(file.read_text(encoding="utf-8"))
        return {str(name): _edit(values) for name, values in content.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{EDITS} in {folder} cannot be read: mend it, or move it away, which undoes what was hidden and renamed."
        ) from error


def write_edits(folder: Path, edits: dict[str, Edit]) -> None:
    """Keep all edits of the gallery in `folder`, at once or not at all; the caller holds its lock."""
    kept = {name: asdict(edit) for name, edit in sorted(edits.items()) if edit != Edit()}
    file = folder / EDITS
    part = file.with_suffix(".part")
    part.write_text(json.dumps(kept, ensure_ascii=False, indent=1), encoding="utf-8")
    part.replace(file)


def changed(edit: Edit, title: str | None, caption: str | None, hidden: bool | None) -> Edit:
    """An edit with some of it anew; None leaves a part as it is. Raises ValueError for a text that is too long."""
    if title is not None:
        edit = replace(edit, title=_line(title, MOST_TITLE, "title"))
    if caption is not None:
        edit = replace(edit, caption=_line(caption, MOST_CHARACTERS, "caption"))
    return edit if hidden is None else replace(edit, hidden=hidden)


def _line(text: str, most: int, noun: str) -> str:
    if len(text) > most:
        raise ValueError(f"The {noun} has {len(text):,} characters: at most {most:,} are kept.")
    return printable(" ".join(text.split()))


def _edit(values: dict) -> Edit:
    title, caption, hidden = values.get("title", ""), values.get("caption", ""), values.get("hidden", False)
    if not (isinstance(title, str) and isinstance(caption, str) and isinstance(hidden, bool)):
        raise ValueError
    return Edit(title, caption, hidden)
