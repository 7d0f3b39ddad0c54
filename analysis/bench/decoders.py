"""PyAV, which reads every video here, beside decord, which reads none: their speed, and whether they see the same."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from diffusionret import Gallery
from diffusionret.decoding import read, sample_even

from .timing import side_by_side

FRAMES = 12


def decoders(quick: bool) -> list[dict]:
    """Milliseconds in which each decoder reads 12 frames of a bundled clip, at their full size and with one thread, in
    turns; `ratio`: how many times as fast PyAV is. `largest_difference`: of the frames of all clips, the largest mean
    absolute difference of pixels, from 0 to 255. Nothing, and a sentence on standard error, where decord is missing."""
    if find_spec("decord") is None:
        print(
            "decord is not installed (it has wheels for 64-bit Intel and AMD on Linux and Windows only), so that PyAV "
            "is compared with nothing.",
            file=sys.stderr,
        )
        return []
    folder = Gallery.bundled().folder
    assert folder is not None
    clips = sorted((folder / "videos").glob("*.mp4"))[: 8 if quick else None]
    # Reading them all once also brings the files into memory before anything is timed.
    largest = max(difference(pyav_frames(clip), decord_frames(clip)) for clip in clips)

    def pyav() -> None:
        for clip in clips:
            pyav_frames(clip)

    def decord() -> None:
        for clip in clips:
            decord_frames(clip)

    taken = side_by_side(decord, {"pyav": pyav}, budget=2.0 if quick else 10.0)
    of_clip = {name: 1000 * value / len(clips) for name, value in taken.items()}
    return [
        {"clips": len(clips), "frames": FRAMES, "pyav": of_clip["pyav"], "decord": of_clip["plain"]}
        | {"ratio": taken["plain"] / taken["pyav"], "largest_difference": largest}
    ]


def pyav_frames(path: Path, n: int = FRAMES) -> np.ndarray:
    """[n h w 3] uint8 RGB: `n` frames at even distances as the library reads them, but in this process. Raises
    Unreadable."""
    request = {"op": "frames", "rule": "even", "n": n, "size": None, "crop": False, "still": None}
    _, frames, _ = read({**request, "path": str(path), "start": None, "end": None})
    assert frames is not None
    return frames


def decord_frames(path: Path, n: int = FRAMES) -> np.ndarray:
    """[n h w 3] uint8 RGB: as `pyav_frames`, with decord, by the times that decord gives. Raises ImportError where it
    is missing, and decord's own errors."""
    import decord

    reader = decord.VideoReader(str(path), num_threads=1)
    times = reader.get_frame_timestamp(range(len(reader)))  # [frame 2]: begin and end
    numbers = sample_even(times[:, 0].astype(np.float64), float(times[-1, 1]), n).numbers
    return reader.get_batch(numbers.tolist()).asnumpy()


def difference(some: np.ndarray, others: np.ndarray) -> float:
    """The largest mean absolute difference of two frames' pixels, 0 to 255. some, others: [frame h w 3] uint8. Raises
    ValueError where the shapes differ."""
    if some.shape != others.shape:
        raise ValueError(f"Frames of shapes {some.shape} and {others.shape} cannot be compared.")
    return float(np.abs(some.astype(np.int16) - others).mean(axis=(1, 2, 3)).max())
