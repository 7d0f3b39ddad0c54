"""File -> frames, in a child process that may die.

    clip = read_frames("cat.mp4", rule="even", n=12, size=224)      # clip.frames [12, 224, ..., 3] uint8 RGB
    for path, clip in read_many(paths, n=12, size=224, crop=True):  # clip is a VideoFrames or a VideoError
        ...

Each file is decoded by a child (`decoding.py`, run as a program): by decord where it is safe, by PyAV where
decord has no codec, no wheel, or fails. A child that crashes or is late is killed and replaced; its file gets
a `VideoError`, whose text is one sentence: what is wrong and what to do. Pixels that are not square are left
as they are stored.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from . import decoding
from .decoding import FrameSample, frame_span, representative, sample_even, sample_published

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
    ".3gp", ".avi", ".flv", ".gif", ".h264", ".ivf", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
    ".mts", ".ogv", ".ts", ".webm", ".wmv",
))
# fmt: on
Rule = Literal["even", "published"]
Engine = Literal["auto", "decord", "pyav"]
MOST_SECONDS = 86_400  # that a file may take: a timer beyond a day is no timer
START_SECONDS = (
    60.0  # a child imports for 0.3 s, much longer on a cold disk; not counted against a file's time
)


class Moment(NamedTuple):
    """A part of a video, in seconds; both ends belong to it."""

    path: str | os.PathLike[str]
    start: float
    end: float


SourceT = TypeVar("SourceT", bound="str | os.PathLike[str] | Moment")


class VideoError(Exception):
    """A file that cannot be read. `str(error)` is one sentence for the user; `path` is the file."""

    def __init__(self, message: str, path: str | os.PathLike[str] = "") -> None:
        super().__init__(printable(message))
        self.path = os.fspath(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.path)


def printable(text: str) -> str:
    """A text for one line: what a file's name may hold beside letters (ends of lines, orders to a terminal, bytes that
    are no UTF-8) is spelled out."""
    text = text.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


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
    engine: Engine = "auto",
) -> VideoFrames:
    """Read `n` frames of a video.

    rule: "even" (the centre of n equal parts) or "published" (1 fps, at most n, padded and masked).
    size: pixels of the shorter side; the child resizes as CLIP's own preprocessing does (Pillow, bicubic over
    all source pixels), so that little travels; None keeps the stored size. crop: cut the centre square too.
    still: also a picture of the video as `poster` makes it, of so many pixels, without reading the file again.
    start, end: a moment in seconds; both ends belong to it. timeout: seconds for this file.
    engine: "auto", or one decoder only (for comparisons).
    Raises VideoError for a file that cannot be read, ValueError for arguments that make no sense.
    """
    if rule not in ("even", "published"):
        raise ValueError(f"rule must be 'even' or 'published', not {rule!r}")
    if engine not in ("auto", "decord", "pyav"):
        raise ValueError(f"engine must be 'auto', 'decord' or 'pyav', not {engine!r}")
    if n < 1 or any(side is not None and side < 1 for side in (size, still)):
        raise ValueError(f"n, size and still must be positive: n={n}, size={size}, still={still}")
    check_timeout(timeout)
    if (start is not None and start < 0) or (end is not None and end < (start or 0)):
        raise ValueError(f"a moment from {start} s to {end} s makes no sense")
    request = {"op": "frames", "rule": rule, "n": n, "size": size, "crop": crop, "engine": engine}
    request |= {"start": start, "end": end, "still": still}
    answer, frames, picture = _POOL.ask(path, request, timeout)
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

    def one(source: SourceT) -> VideoFrames | VideoError:
        path, start, end = source if isinstance(source, Moment) else (source, None, None)
        try:
            return read_frames(path, rule, n, size, start, end, timeout, crop=crop, still=still)
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
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def probe(path: str | os.PathLike[str], timeout: float = 30.0) -> VideoInfo:
    """Duration, size, rate and codec, from the packets alone. Raises VideoError."""
    answer, _, _ = _POOL.ask(path, {"op": "probe"}, timeout)
    return VideoInfo(**{field: answer[field] for field in VideoInfo._fields})


def scene_changes(
    path: str | os.PathLike[str], start: float, end: float, timeout: float = 30.0
) -> list[float]:
    """Seconds at which one shot follows another, in the moment from `start` to just before `end`. Raises VideoError."""
    check_timeout(timeout)
    answer, _, _ = _POOL.ask(path, {"op": "cuts", "start": start, "end": end}, timeout)
    return answer["cuts"]


def poster(video: str | os.PathLike[str] | VideoFrames, size: int = 320, timeout: float = 30.0) -> bytes:
    """A still of the video as JPEG bytes, its shorter side `size` pixels (never enlarged).

    Given frames already read, chooses among them and decodes nothing. Raises VideoError.
    """
    clip = video if isinstance(video, VideoFrames) else read_frames(video, n=5, timeout=timeout)
    frames = clip.frames[clip.mask]
    return decoding.jpeg(frames[representative(frames)], size)


class _Gone(Exception):
    """The child ended before it answered; `late` = we killed it because its time was up."""

    def __init__(self, late: bool) -> None:
        super().__init__()
        self.late = late


class _Worker:
    """One child process. Used by one thread at a time."""

    def __init__(self) -> None:
        # A plain program rather than multiprocessing: a spawned child would import the caller's main module
        # and the whole package (torch), a forked one would inherit the locks of other threads. PYTHONSAFEPATH
        # keeps this folder off the child's path, where our file names could hide other modules.
        self.process: Any = subprocess.Popen(
            [sys.executable, decoding.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )
        try:
            self._timed(self._line, START_SECONDS)
        except _Gone:
            self.kill()
            raise

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, request: dict[str, Any], seconds: float) -> tuple[dict[str, Any], np.ndarray, bytes]:
        """Send a request and wait for the answer. Raises _Gone."""
        return self._timed(lambda: self._exchange(request), seconds)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):  # an unsent request cannot be flushed any more
                pipe.close()

    def _timed(self, action: Any, seconds: float) -> Any:
        # Pipes have no portable time-out; killing the child ends the read with an end of file.
        late = threading.Event()

        def expire() -> None:
            late.set()
            self.process.kill()

        watchdog = threading.Timer(seconds, expire)
        watchdog.daemon = True
        watchdog.start()
        try:
            return action()
        except (OSError, EOFError, ValueError) as error:
            raise _Gone(late.is_set()) from error
        finally:
            watchdog.cancel()

    def _line(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return json.loads(line)

    def _exchange(self, request: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray, bytes]:
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        answer = self._line()
        frames = np.empty(answer["shape"] or 0, dtype=np.uint8)
        view = memoryview(frames.reshape(-1).data)
        while len(view):
            count = self.process.stdout.readinto(view)
            if not count:
                raise EOFError
            view = view[count:]
        still = self.process.stdout.read(answer["still"])
        if len(still) < answer["still"]:
            raise EOFError
        return answer, frames, still


class _Pool:
    """Idle children, kept for the next call. As many run at a time as threads ask."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew, without touching the children: after a fork they belong to the parent process."""
        self.idle: list[_Worker] = []
        self.lock = threading.Lock()

    def take(self) -> _Worker:
        while True:
            with self.lock:
                worker = self.idle.pop() if self.idle else None
            if worker is None:
                return _Worker()
            if worker.alive:
                return worker
            worker.kill()

    def give(self, worker: _Worker) -> None:
        with self.lock:
            if len(self.idle) < (os.cpu_count() or 1):
                self.idle.append(worker)
                return
        worker.kill()

    def close(self) -> None:
        with self.lock:
            workers, self.idle = self.idle, []
        for worker in workers:
            worker.kill()

    def ask(
        self, path: str | os.PathLike[str], request: dict[str, Any], timeout: float
    ) -> tuple[dict[str, Any], np.ndarray, bytes]:
        """Have a child answer. One that dies on decord is followed by one with PyAV. Raises VideoError."""
        path, request = os.fspath(path), dict(request, path=os.fspath(path))
        name, left = Path(path).name, timeout
        while True:
            try:
                worker = self.take()
            except (_Gone, OSError) as error:
                advice = f"check that `{sys.executable}` runs and has numpy and av"
                raise VideoError(f"The decoding process does not start; {advice}.", path) from error
            begun = time.monotonic()
            try:
                answer, frames, still = worker.ask(request, left)
            except _Gone as gone:
                worker.kill()
                left -= time.monotonic() - begun
                if gone.late or left <= 0:
                    advice = "copy it to a fast disk, shorten or convert it, or allow more time"
                    raise VideoError(f"{name} was given up after {timeout:g} s; {advice}.", path) from None
                if request.get("engine") != "auto":
                    raise VideoError(f"{name} crashes the decoder; {decoding.CONVERT}.", path) from None
                request["engine"] = "pyav"
                continue
            except BaseException:  # interrupted half-way: the child would answer the wrong question next time
                worker.kill()
                raise
            self.give(worker)
            if "error" in answer:
                raise VideoError(answer["error"], path)
            return answer, frames, still


_POOL = _Pool()
close_workers = _POOL.close
atexit.register(close_workers)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_POOL.forget)
