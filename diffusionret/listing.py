"""The video files below a folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from .animation import is_animated
from .video import EXTENSIONS, printable

CAPTIONS = "captions.csv"  # what people write beside their videos
GALLERY = ("gallery.lance", "posters")  # a gallery may lie among them
MOST_ENDINGS = 8  # named one by one


class Listing(NamedTuple):
    """What lies below a folder. unseen: folders that could not be listed. notes: a sentence for each of these, for each
    link that is not followed, and for all that is no video."""

    videos: list[Path]
    unseen: list[Path]
    notes: list[str]


def list_videos(folder: str | Path) -> Listing:
    """Files with a video's extension below `folder`, hidden ones left out, sorted; or `folder`, being a file.

    Links to files are followed, links to folders are not. Raises FileNotFoundError where there is no such folder,
    ValueError where it holds no video.
    """
    folder = Path(folder)
    if folder.is_file():
        return Listing([folder], [], [])
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    files: list[Path] = []
    unseen: list[Path] = []
    notes: list[str] = []

    def unreadable(error: OSError) -> None:
        unseen.append(Path(error.filename))
        notes.append(
            f"The folder {printable(error.filename)} cannot be read ({error.strerror}): what the gallery holds of "
            "it stays, marked absent."
        )

    others: Counter[str] = Counter()
    galleries: set[Path] = set()
    for folders, paths in walk(folder, unreadable):
        galleries |= {path.parent for path in folders if path.name == GALLERY[0]}
        notes += [
            f"{printable(str(path))} is a link to a folder, which is not followed: index that folder by itself."
            for path in folders
            if os.path.islink(path)  # noqa: PTH114 (raises nothing for a path too long to follow)
        ]
        # A link that leads nowhere and a file that is out of reach are found out, and said, when they are read.
        for path in paths:
            if path.suffix.lower() in EXTENSIONS and not _is_still(path):
                if not _is_folder(path):
                    files.append(path)
            elif path.name != CAPTIONS and not _is_ours(path, galleries):
                others[path.suffix.lower()] += 1
    if others:
        notes.append(_left_out(others))
    if not files:
        endings = f"There are no videos in {folder}: their names end in {', '.join(sorted(EXTENSIONS))}."
        raise ValueError(" ".join([endings, *notes]))
    return Listing(sorted(files), unseen, notes)


def walk(
    folder: Path, unreadable: Callable[[OSError], None] | None = None
) -> Iterator[tuple[list[Path], list[Path]]]:
    """The folders and the files in `folder` and in every folder below it, sorted, hidden ones left out.

    unreadable: called for a folder that cannot be listed; its error names it.
    """
    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files = sorted(name for name in names if not name.startswith("."))
        yield [Path(parent, name) for name in folders], [Path(parent, name) for name in files]


def _left_out(endings: Counter[str]) -> str:
    """The sentence about files that are no videos by their names: how many of which ending."""
    named = [
        f"{count} {printable(end) or 'without an ending'}" for end, count in endings.most_common(MOST_ENDINGS)
    ]
    if rest := endings.total() - sum(count for _, count in endings.most_common(MOST_ENDINGS)):
        named.append(f"{rest} others")
    many = endings.total() != 1
    return f"{endings.total()} file{'s are' if many else ' is'} left out, being no video by name: {', '.join(named)}."


def _is_still(path: Path) -> bool:
    """Whether a file is a WebP without motion, of which folders hold many."""
    try:
        return path.suffix.lower() == ".webp" and not is_animated(path)
    except OSError:  # said when it is read
        return False


def _is_ours(path: Path, galleries: set[Path]) -> bool:
    """Whether a file belongs to a gallery that lies in one of these folders."""
    return path.parent in galleries or any(
        path.is_relative_to(folder / part) for folder in galleries for part in GALLERY
    )


def _is_folder(path: Path) -> bool:
    """Whether a path is a folder; one that the system cannot follow is none."""
    try:
        return path.is_dir()
    except OSError:
        return False
