"""Captioned videos of a split, whatever data set they come from, and where their files lie."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ..listing import walk
from ..video import EXTENSIONS


class Clip(NamedTuple):
    """A video, or the moment of it from `start` to `end` (seconds). id: as the annotations name the video."""

    id: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class Captioned:
    """A split: every clip has a caption at least, and every caption a clip.

    owner[i] is the index of the clip that captions[i] describes. uncaptioned: videos that the split lists and
    the annotation files say nothing about.
    """

    name: str
    split: str
    clips: tuple[Clip, ...]
    captions: tuple[str, ...]
    owner: tuple[int, ...]
    uncaptioned: tuple[str, ...] = ()

    def only(self, kept: Sequence[int]) -> Captioned:
        """The clips with indices `kept`, in that order, and their captions."""
        captions, owner = captions_of(kept, self.captions, self.owner)
        clips = tuple(self.clips[i] for i in kept)
        return Captioned(self.name, self.split, clips, captions, owner, self.uncaptioned)


def captions_of(
    kept: Sequence[int], captions: Sequence[str], owner: Sequence[int]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The captions of the clips with indices `kept`, and the place in `kept` of each one's clip.

    owner: the clip of every caption.
    """
    place = {clip: i for i, clip in enumerate(kept)}
    pairs = [(text, place[o]) for text, o in zip(captions, owner, strict=True) if o in place]
    return tuple(text for text, _ in pairs), tuple(o for _, o in pairs)


def collect(
    name: str, split: str, pairs: Iterable[tuple[Clip, str]], listed: Iterable[str] = ()
) -> Captioned:
    """A split from (clip, caption) pairs in any order. listed: the videos that should be there.

    Clips keep the order in which they come, the captions of a clip stand together. Empty captions do not count.
    Raises ValueError where nothing is left.
    """
    found: dict[Clip, list[str]] = {}
    for clip, text in pairs:
        if text := " ".join(text.split()):
            found.setdefault(clip, []).append(text)
    if not found:
        raise ValueError(f"The annotations of {name} have no caption for the split {split}.")
    known = {clip.id for clip in found}
    return Captioned(
        name,
        split,
        tuple(found),
        tuple(text for texts in found.values() for text in texts),
        tuple(i for i, texts in enumerate(found.values()) for _ in texts),
        tuple(video for video in listed if video not in known),
    )


class VideoFolder:
    """The video files below a folder, found by the names that annotations use.

    Extensions may differ from the annotations' (converted files), be absent from them, or be cut off as in
    "…_5762149bfc."; folders between do not matter; ActivityNet's "v_" may be missing.
    """

    def __init__(self, folder: str | Path) -> None:
        """Raises FileNotFoundError where there is no such folder."""
        root = Path(folder)
        if not root.is_dir():
            raise FileNotFoundError(f"There is no folder of videos {root}.")
        self._files: dict[str, Path] = {}
        for _, paths in walk(root):
            for path in paths:
                for key in (path.relative_to(root).as_posix(), path.name, _bare(path.name)):
                    self._files.setdefault(key, path)

    def find(self, video: str) -> Path | None:
        """The file of a video, or None."""
        name = PurePosixPath(video.replace("\\", "/"))
        bare = _bare(name.name)
        for key in (str(name), name.name, bare, bare.removeprefix("v_")):
            if key in self._files:
                return self._files[key]
        return None


def find_files(captioned: Captioned, videos: Path) -> tuple[dict[Clip, Path], list[str]]:
    """The file of each clip, and a sentence for every video without one or without a caption.

    videos: folder of the files. Raises FileNotFoundError where there is no such folder.
    """
    folder = VideoFolder(videos)
    missing = [f"{video}: no caption" for video in captioned.uncaptioned]
    files = {}
    for clip in captioned.clips:
        if (path := folder.find(clip.id)) is None:
            missing.append(f"{clip.id}: no file")
        else:
            files[clip] = path
    return files, missing


def _bare(name: str) -> str:
    """A file's name without a video's extension. Other dots belong to the name, as in LSMDC's clips."""
    stem, dot, extension = name.rpartition(".")
    return stem if dot and (not extension or f".{extension.lower()}" in EXTENSIONS) else name


# --- annotation files -----------------------------------------------------------------------------------


def annotation(folder: str | Path, *names: str) -> Path:
    """The first of `names` that lies in `folder`; a name may hold a star. Raises FileNotFoundError."""
    for name in names:
        if found := sorted(Path(folder).glob(name)):
            return found[0]
    raise FileNotFoundError(f"There is no {' or '.join(names)} in {folder}.")


def read_text(file: Path) -> str:
    """The text of an annotation file; single bytes that are no UTF-8 are replaced (LSMDC has some)."""
    return file.read_text(encoding="utf-8-sig", errors="replace")


def read_lines(file: Path) -> list[str]:
    """The lines of a list of videos, without the empty ones."""
    return [line.strip() for line in io.StringIO(read_text(file)) if line.strip()]


def read_json(file: Path) -> Any:
    """The content of a JSON file. Raises ValueError with one sentence where it is none."""
    try:
        return json.loads(read_text(file))
    except ValueError as error:
        raise ValueError(f"{file} is not valid JSON ({error}): download it again.") from error


def malformed(file: Path, expected: str) -> ValueError:
    """The error for an annotation file of another form."""
    return ValueError(f"{file} has not the expected form: {expected}.")


def pick(split: str, choices: dict[str, Any], name: str) -> Any:
    """The entry of `choices` for a split. Raises ValueError that names the splits there are."""
    if split not in choices:
        raise ValueError(f"{name} has no split {split!r}: choose {', '.join(choices)}.")
    return choices[split]
