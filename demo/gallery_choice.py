"""Which clips of a gallery are meant: by folder, words, length and date, in the grid and in a search alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from os.path import commonpath
from pathlib import PurePosixPath
from typing import NamedTuple
from weakref import WeakKeyDictionary

from diffusionret import Gallery
from diffusionret.spans import video_id
from diffusionret.video import printable

MOST_WORDS = 200  # characters
MOST_IDS = 200  # clips that are chosen one by one
MOST_FOLDERS = 200
LONGEST = 10**7  # seconds


class Folder(NamedTuple):
    """A folder that holds clips: its path below what all have in common, "." for that itself; and how many."""

    name: str
    count: int


@dataclass(frozen=True)
class Choice:
    """What a clip must be to be meant; what is empty leaves all.

    words: all of them, in any case, in its caption, name or file name. folder: as `folders` names it, with all below.
    shortest, longest: seconds. since, until: days of the file's date, both included. ids: of clips, chosen one by one.
    """

    words: str = ""
    folder: str = ""
    shortest: float = 0.0
    longest: float = 0.0
    since: date | None = None
    until: date | None = None
    ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> Choice:
        """From a page's address; what makes no sense counts as absent."""
        ids = tuple(filter(None, (asked.get("ids") or "").split("\n")))[:MOST_IDS]
        return cls(
            (asked.get("words") or "").strip()[:MOST_WORDS],
            (asked.get("folder") or "")[:4096],
            _seconds(asked.get("shortest")),
            _seconds(asked.get("longest")),
            _day(asked.get("since")),
            _day(asked.get("until")),
            ids,
        )

    @property
    def is_all(self) -> bool:
        return self == Choice()

    def positions(self, gallery: Gallery) -> list[int]:
        """Of the spans of the files that are meant, in the gallery's order: all of a file's or none."""
        words = self.words.lower().split()
        names = names_of(gallery) if self.folder else []
        ids = set(self.ids)
        files = {gallery.file(i) for i, id in enumerate(gallery.ids) if id in ids}
        chosen = []
        for i in range(len(gallery)):
            if ids and gallery.file(i) not in files:
                continue
            if self.folder and not (names[i] == self.folder or names[i].startswith(f"{self.folder}/")):
                continue
            if gallery.durations[i] < self.shortest or (self.longest and gallery.durations[i] > self.longest):
                continue
            if (self.since or self.until) and not self._dated(gallery.modified[i]):
                continue
            if words and not all(word in text_of(gallery, i) for word in words):
                continue
            chosen.append(i)
        return chosen

    def ids_of(self, gallery: Gallery) -> list[str]:
        """The ids of `positions`."""
        return [gallery.ids[i] for i in self.positions(gallery)]

    def sentence(self, count: int, size: int) -> str:
        """What is searched, for the head of the results."""
        parts = []
        if self.folder:
            parts.append(f"the folder {printable(self.folder)}")
        if self.words:
            parts.append(f"names and captions with “{self.words}”")
        if self.shortest or self.longest:
            most = f" to {self.longest:g} s" if self.longest else " s or more"
            parts.append(f"lengths of {self.shortest:g}{most}")
        if self.since or self.until:
            begin = f" from {self.since:%Y-%m-%d}" if self.since else ""
            parts.append(f"dates{begin}" + (f" until {self.until:%Y-%m-%d}" if self.until else ""))
        if self.ids:
            parts.append("clips chosen on the map")
        return f"Searched within {count:,} of {size:,} clips: {', '.join(parts)}."

    def _dated(self, modified: int) -> bool:
        day = (datetime(1970, 1, 1) + timedelta(microseconds=modified // 1000)).date()
        return (self.since is None or day >= self.since) and (self.until is None or day <= self.until)


def text_of(gallery: Gallery, position: int) -> str:
    """What the words of a choice are looked up in, in small letters."""
    name = PurePosixPath(gallery.uri(position)).name
    edit = gallery.edit(position)
    return " ".join((video_id(gallery.ids[position]), gallery.captions[position], name, edit.title)).lower()


def first_spans(gallery: Gallery, positions: Iterable[int]) -> list[int]:
    """Of the positions the first one of each file."""
    first: dict[str, int] = {}
    for i in positions:
        first.setdefault(gallery.file(i), i)
    return list(first.values())


def names_of(gallery: Gallery) -> list[str]:
    """The folder of every clip, below what all have in common: "." for that itself. Where they lie is not said."""
    parents = [str(PurePosixPath(gallery.uri(i)).parent) for i in range(len(gallery))]
    # Files below the gallery are named relative to it, others by their whole path.
    absolute = {parent for parent in parents if parent.startswith("/") or ":" in parent[:3]}
    try:
        common = PurePosixPath(commonpath(absolute)) if absolute else None
    except ValueError:  # of several drives
        common = None
    names = []
    for parent in parents:
        if parent in absolute:
            path = PurePosixPath(parent)
            names.append(str(path.relative_to(common)) if common else path.name)
        else:
            names.append(parent)
    return names


_FOLDERS: WeakKeyDictionary[Gallery, list[Folder]] = WeakKeyDictionary()  # pages ask again and again


def folders(gallery: Gallery) -> list[Folder]:
    """The first MOST_FOLDERS folders that hold clips, with all above them, sorted; empty where there is but one."""
    if gallery not in _FOLDERS:
        _FOLDERS[gallery] = _folders(gallery)
    return _FOLDERS[gallery]


def _folders(gallery: Gallery) -> list[Folder]:
    counts: dict[str, int] = {}
    every = names_of(gallery)
    names = [every[i] for i in first_spans(gallery, range(len(gallery)))]
    for name in names:
        path = PurePosixPath(name)
        for folder in (path, *path.parents):
            if str(folder) != "." or name == ".":
                counts[str(folder)] = counts.get(str(folder), 0) + 1
    if len(set(names)) < 2:
        return []
    return [Folder(name, count) for name, count in sorted(counts.items())][:MOST_FOLDERS]


def _seconds(text: str | None) -> float:
    try:
        value = float(text or 0)
    except ValueError:
        return 0.0
    return value if 0 <= value <= LONGEST else 0.0


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None
