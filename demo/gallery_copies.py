"""Copies of videos that a browser cannot play: made after indexing, in a child process that may die, and no others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from diffusionret import Gallery
from diffusionret.digest import text_digest
from diffusionret.video import VideoError, probe

from .shelf import Place

COPIES = "playable"
PROGRAM = Path(__file__).with_name("copying.py")  # not imported: the app has no use for what it needs
# What browsers play, by the end of the name: containers, and the codecs in them.
PLAYABLE = {
    ".mp4": {"h264", "av1", "vp9"}, ".m4v": {"h264", "av1"}, ".mov": {"h264"}, ".webm": {"vp8", "vp9", "av1"},
}  # fmt: skip
SECONDS = 600.0  # that a copy may take
BESIDE = ".none"  # what stands for a copy that cannot be made, so that it is not tried at every run


def copy_file(folder: Path, uri: str) -> Path:
    """Where the copy of a file lies, in the gallery in `folder`, whether there is one or not."""
    return folder / COPIES / f"{text_digest(uri)[:24]}.mp4"


class Copies:
    """Makes and drops copies. The files themselves are only read."""

    def make(self, place: Place, check: Callable[[], None]) -> None:
        """Copies of all of a gallery's videos that need one. check: raises once it shall stop."""
        if place.folder is None or not place.is_made:
            return
        gallery, seen = Gallery.open(place.folder), set()
        uris = [*map(gallery.uri, range(len(gallery))), *(row.uri for row in gallery.hidden)]
        kept = {copy_file(place.folder, uri).stem for uri in uris}
        for file in (place.folder / COPIES).glob("*"):  # of files that have moved or are forgotten
            if file.stem not in kept:
                file.unlink(missing_ok=True)
        for i in range(len(gallery)):
            check()
            path = gallery.path(i)
            if path is None or path in seen:
                continue
            seen.add(path)
            copy = copy_file(place.folder, gallery.uri(i))
            try:
                made = max(
                    (f.stat().st_mtime_ns for f in (copy, copy.with_suffix(BESIDE)) if f.exists()), default=0
                )
                if made > gallery.modified[i] or is_playable(path):
                    continue
            except OSError:
                continue
            copy.parent.mkdir(exist_ok=True)
            if not transcode(path, copy, check):
                copy.unlink(missing_ok=True)
                copy.with_suffix(BESIDE).touch()

    def drop(self, folder: Path, uri: str) -> None:
        """Forget the copy of a file."""
        copy = copy_file(folder, uri)
        copy.unlink(missing_ok=True)
        copy.with_suffix(BESIDE).unlink(missing_ok=True)


def is_playable(path: Path) -> bool:
    """Whether browsers play a file as it is; what cannot be probed counts as such."""
    codecs = PLAYABLE.get(path.suffix.lower())
    if codecs is None:
        return False
    try:
        return probe(path).codec in codecs
    except VideoError:
        return True


def transcode(path: Path, copy: Path, check: Callable[[], None] = lambda: None) -> bool:
    """Write a copy in H.264, whole or not at all; whether that worked. check: raises once it shall stop."""
    part = copy.with_suffix(".part")
    # A program of its own, as in diffusionret/video.py: what is read is not to be trusted.
    command = [sys.executable, str(PROGRAM), str(path), str(part)]
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(int(SECONDS)):
            try:
                child.wait(1)
                break
            except subprocess.TimeoutExpired:
                check()
        if child.poll() != 0:
            return False
        part.replace(copy)
        return True
    finally:
        child.kill()
        child.wait()
        part.unlink(missing_ok=True)
