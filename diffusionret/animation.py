"""Animated WebP, which FFmpeg does not decode: its frames by way of Pillow.

Runs in the child that decodes, so it imports nothing of the package.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .film import Table, Unreadable
from .picture import MAX_PIXELS, Picture, on_ground

DEFAULT_SECONDS = 0.1  # of a frame that says none, as browsers show it
LEAST_SECONDS = 0.011


def is_webp(path: str) -> bool:
    """Whether a file is WebP, going by its first bytes. Raises OSError where it cannot be read."""
    with open(path, "rb") as file:
        head = file.read(12)
    return head[:4] == b"RIFF" and head[8:] == b"WEBP"


def is_animated(path: str | Path) -> bool:
    """Whether a WebP file holds more than a still picture, going by its head. Raises OSError."""
    with open(path, "rb") as file:
        head = file.read(21)
    return head[8:16] == b"WEBPVP8X" and len(head) == 21 and bool(head[20] & 2)


class Animation:
    """The frames of an animated WebP."""

    def __init__(self, path: str) -> None:
        """Raises Unreadable for a still picture, and for a file that Pillow cannot open."""
        from PIL import Image

        self.name = Path(path).name
        if not is_animated(path):
            raise Unreadable(f"{self.name} is a still picture, not a video; give a video file.")
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS
        try:
            self.picture = Image.open(path, formats=["WEBP"])
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            raise Unreadable(f"{self.name} is damaged; copy or download it again.") from None
        self.path = path

    def table(self) -> Table:
        """When each frame appears. Raises Unreadable where there is none."""
        lengths = np.array(list(_durations(self.path)))
        if not len(lengths):
            raise Unreadable(f"{self.name} holds no frames; copy or download it again.")
        ends = np.cumsum(np.where(lengths < LEAST_SECONDS, DEFAULT_SECONDS, lengths))
        return Table(np.array([0.0, *ends[:-1]]), float(ends[-1]), len(ends) / ends[-1], None, [], False)

    def pictures(self) -> Iterator[Picture]:
        """The frames in order, on white, until one does not decode."""
        for number in range(getattr(self.picture, "n_frames", 1)):
            try:
                self.picture.seek(number)
                pixels = np.asarray(self.picture.convert("RGBA"))
            except (OSError, EOFError, ValueError):
                return
            yield Picture(on_ground(pixels), *pixels.shape[:2])


def _durations(path: str) -> Iterator[float]:
    """Seconds of each frame, from the heads of the file's chunks."""
    with open(path, "rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            size = int.from_bytes(head[4:], "little")
            body = file.tell()
            if head[:4] == b"ANMF":
                yield int.from_bytes(file.read(15)[12:], "little") / 1000
            file.seek(body + size + size % 2)
