"""File -> frames, in a child process that may die.

    clip = read_frames("cat.mp4", rule="even", n=12, size=224)      # clip.frames [12, 224, ..., 3] uint8 RGB
    for path, clip in read_many(paths, n=12, size=224, crop=True):  # clip is a VideoFrames or a VideoError
        ...

Each file is decoded by a child (`decoding.py`). A child that crashes or is late is killed and replaced; its file
gets a `VideoError`, whose text is one sentence: what is wrong and what to do. A file that is still being written is
waited for until it is quiet.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from .children import POOL, Stop, VideoError, close_workers, printable
from .decoding import FrameSample, frame_span, sample_even, sample_published
from .growth import state, wait_until_quiet
from .picture import Picture, jpeg, representative

__all__ = [
    "EXTENSIONS",
    "FrameSample",
    "Moment",
    "VideoError",
    "VideoFrames",
    "VideoInfo",
    "close_workers",
    "frame_span",
    "poster",
    "printable",
    "probe",
    "read_frames",
    "read_many",
    "representative",
    "sample_even",
    "sample_published",
    "scene_changes",
]

# What the names of video files end in.
# fmt: off
EXTENSIONS = frozenset((
    ".264", ".265", ".3g2", ".3gp", ".amv", ".apng", ".asf", ".avi", ".divx", ".dv", ".f4v", ".flv", ".gif", ".h264",
    ".h265", ".hevc", ".ivf", ".m1v", ".m2t", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4",
    ".mpe", ".mpeg", ".mpg", ".mpv", ".mts", ".mxf", ".nut", ".obu", ".ogm", ".ogv", ".qt", ".rm", ".rmvb", ".tod",
    ".ts", ".vob", ".vro", ".webm", ".webp", ".wmv", ".wtv", ".y4m",
))
# fmt: on
Rule = Literal["even", "published"]
MOST_SECONDS = 86_400  # that a file may take: a timer beyond a day is no timer


class Moment(NamedTuple):
    """A part of a video, in seconds; both ends belong to it."""

    path: str | os.PathLike[str]
    start: float
    end: float


SourceT = TypeVar("SourceT", bound="str | os.PathLike[str] | Moment")


class VideoFrames(NamedTuple):
    """Frames of one video, always n of them.

    Padding (rule "published" with a short clip) is black and comes last; where the published preprocessing is
    to be matched, set such frames to zero again *after* normalising.
    """

    frames: np.ndarray  # [frame h w 3] uint8 RGB, upright
    mask: np.ndarray  # [frame] bool, False = padding
    timestamps: np.ndarray  # [frame] float64, seconds on the player's clock; NaN = padding
    duration: float  # seconds, of the whole video
    width: int  # pixels, of the video as shown
    height: int
    fps: float  # average frames a second
    still: bytes = b""  # JPEG of the most representative frame, where it was asked for


class VideoInfo(NamedTuple):
    """What a file says of itself, without decoding it."""

    duration: float  # seconds
    width: int  # pixels, of the video as shown
    height: int
    fps: float  # average frames a second
    codec: str  # FFmpeg's name: h264, hevc, vp9, av1, gif, ...
    frame_count: int


def read_frames(
    path: str | os.PathLike[str],
    rule: Rule = "even",
    n: int = 12,
    size: int | None = None,
    start: float | None = None,
    end: float | None = None,
    timeout: float = 30.0,
    *,
    crop: bool = False,
    still: int | None = None,
    longest: float | None = None,
) -> VideoFrames:
    """Read `n` frames of a video.

    rule: "even" (the centre of n equal parts) or "published" (1 fps, at most n, padded and masked).
    size: pixels of the shorter side; the child resizes as CLIP's own preprocessing does (Pillow, bicubic over
    all source pixels), so that little travels; None keeps the stored size. crop: cut the centre square too.
    still: also a picture of the video as `poster` makes it, of so many pixels, without reading the file again.
    start, end: a moment in seconds; both ends belong to it. timeout: seconds for this file. longest: seconds of a
    question, which may be a still picture too (PNG, JPEG, WebP: one frame of one second); None for a video of any
    length.
    Raises VideoError for a file that cannot be read, ValueError for arguments that make no sense.
    """
    if (start is not None and start < 0) or (end is not None and end < (start or 0)):
        raise ValueError(f"a moment from {start} s to {end} s makes no sense")
    request = _request(rule, n, size, crop, still, timeout) | {"start": start, "end": end, "longest": longest}
    return _frames(path, request, timeout)


def _request(
    rule: Rule, n: int, size: int | None, crop: bool, still: int | None, timeout: float
) -> dict[str, Any]:
    """The request of a whole video. Raises ValueError for arguments that make no sense."""
    if rule not in ("even", "published"):
        raise ValueError(f"rule must be 'even' or 'published', not {rule!r}")
    if n < 1 or any(side is not None and side < 1 for side in (size, still)):
        raise ValueError(f"n, size and still must be positive: n={n}, size={size}, still={still}")
    check_timeout(timeout)
    request = {"op": "frames", "rule": rule, "n": n, "size": size, "crop": crop, "still": still}
    return {**request, "start": None, "end": None}


def _frames(
    path: str | os.PathLike[str], request: dict[str, Any], timeout: float, stop: Stop | None = None
) -> VideoFrames:
    answer, frames, picture = _ask(path, request, timeout, stop)
    return VideoFrames(
        frames,
        np.array(answer["mask"], dtype=bool),
        np.array(answer["timestamps"], dtype=np.float64),
        answer["duration"],
        answer["width"],
        answer["height"],
        answer["fps"],
        picture,
    )


def _ask(
    path: str | os.PathLike[str], request: dict[str, Any], timeout: float, stop: Stop | None = None
) -> tuple[dict[str, Any], np.ndarray, bytes]:
    """What a child answers about a file that is complete. Raises VideoError, also for one that grows on."""
    stop, begun = stop or Stop(), time.monotonic()
    while wait_until_quiet(path, timeout - (time.monotonic() - begun), stop.event):
        before, error = state(path), None
        try:
            answer = POOL.ask(path, request, timeout, stop)
        except VideoError as caught:
            error = caught
        if state(path) == before or time.monotonic() - begun > timeout:
            if error:
                raise error
            return answer
    raise VideoError(f"{Path(path).name} is still being written; index it again when it is complete.", path)


def check_timeout(timeout: float) -> None:
    """Raises ValueError where `timeout` is no time in seconds that a file may take."""
    if not 0 < timeout <= MOST_SECONDS:
        raise ValueError(f"timeout is {timeout}: it must be above 0 and at most {MOST_SECONDS:,} seconds.")


def read_many(
    paths: Iterable[SourceT],
    rule: Rule = "even",
    n: int = 12,
    size: int | None = None,
    timeout: float = 30.0,
    *,
    crop: bool = False,
    still: int | None = None,
    workers: int | None = None,
) -> Generator[tuple[SourceT, VideoFrames | VideoError], None, None]:
    """Read many files, or moments of files, at once; yield (path or moment, frames or the error) as each is done, not
    in the order given.

    workers: child processes, by default one a CPU core. At most 2 x workers results wait to be taken, so
    memory stays bounded however many paths there are. The other arguments are those of `read_frames`.
    """

    request, stop = _request(rule, n, size, crop, still, timeout), Stop()

    def one(source: SourceT) -> VideoFrames | VideoError:
        path, start, end = source if isinstance(source, Moment) else (source, None, None)
        try:
            return _frames(path, request | {"start": start, "end": end}, timeout, stop)
        except VideoError as error:
            return error

    workers = workers or os.cpu_count() or 1
    executor = ThreadPoolExecutor(workers, thread_name_prefix="read_many")
    pending: dict[Future[VideoFrames | VideoError], SourceT] = {}
    queue, more = iter(paths), True
    try:
        while more or pending:
            while more and len(pending) < 2 * workers:
                path = next(queue, None)
                if path is None:
                    more = False
                else:
                    pending[executor.submit(one, path)] = path
            for done in wait(pending, return_when=FIRST_COMPLETED).done:
                yield pending.pop(done), done.result()
    finally:  # left early, as by an interrupt: nobody waits for what is being read
        executor.shutdown(wait=False, cancel_futures=True)
        stop.set()


def probe(path: str | os.PathLike[str], timeout: float = 30.0) -> VideoInfo:
    """Duration, size, rate and codec, from the packets alone. Raises VideoError."""
    answer, _, _ = _ask(path, {"op": "probe"}, timeout)
    return VideoInfo(**{field: answer[field] for field in VideoInfo._fields})


def scene_changes(
    path: str | os.PathLike[str], start: float, end: float, timeout: float = 30.0, stop: Stop | None = None
) -> list[float]:
    """Seconds at which one shot follows another, in the moment from `start` to just before `end`. Raises VideoError."""
    check_timeout(timeout)
    answer, _, _ = _ask(path, {"op": "cuts", "start": start, "end": end}, timeout, stop)
    return answer["cuts"]


def poster(video: str | os.PathLike[str] | VideoFrames, size: int = 320, timeout: float = 30.0) -> bytes:
    """A still of the video as JPEG bytes, its shorter side `size` pixels (never enlarged).

    Given frames already read, chooses among them and decodes nothing. Raises VideoError.
    """
    clip = video if isinstance(video, VideoFrames) else read_frames(video, n=5, timeout=timeout)
    frames = clip.frames[clip.mask]
    best = frames[representative(frames)]
    return jpeg(Picture(best, *best.shape[:2]), size)
