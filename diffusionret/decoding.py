"""Which frames of a video to read, and reading them, in a process of its own.

Decoders hang and crash on odd files, so they work in a child process (`serve`) that `video.py` can kill. It starts
quickly because this file and those that it imports (`film.py`, `picture.py`, `animation.py`, `photo.py`) import nothing
else of the package. Frames are chosen by the moment at which they are on screen, never by their number. The sampling
rules and `frame_span` are pure functions; the rest touches files and raises `Unreadable`, a sentence for the user.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .animation import Animation, is_webp
from .film import CONVERT, Film, Table, Unreadable, check_file
from .photo import is_photo, photo
from .photo import table as one_frame
from .picture import Picture, PictureError, fit, jpeg, render, representative
from .scenes import scene_changes

STILL_BYTES = 2**27  # of pictures at their full size
NEIGHBOUR_SECONDS = 0.5  # how far away a frame may be that stands in for one that does not decode
TICK = 1e-3  # seconds: time stamps are rounded, in Matroska to so much

Keep = Callable[[int, Picture], None]  # takes a frame number and its picture


class FrameSample(NamedTuple):
    """Which frames to show the model."""

    numbers: np.ndarray  # [frame] int64, 0 in padding
    mask: np.ndarray  # [frame] bool, False = padding


def sample_even(seconds: np.ndarray, end: float, n: int) -> FrameSample:
    """The frame on screen at the centre of each of `n` equal parts of the time from the first frame to `end`.

    seconds [frame]: when each frame appears, ascending. A clip of fewer than `n` frames repeats some: no padding.
    Raises ValueError where there is no frame, `n` is not positive or `end` is not after the last frame.
    """
    _check(seconds, end, n)
    moments = seconds[0] + (np.arange(n) + 0.5) / n * (end - seconds[0])
    return FrameSample(_on_screen(seconds, moments), np.ones(n, dtype=bool))


def sample_published(seconds: np.ndarray, end: float, fps: float, n: int) -> FrameSample:
    """The published rule: one frame a second, at most `n` of them, the rest padding.

    What is on screen every round(fps) / fps seconds from the first frame on, which is every round(fps)-th frame
    where the rate is constant; where these are more than `n`, `n` of them at equal distances (rounded down), both
    ends included. seconds, end: as for `sample_even`. fps: average rate. Raises ValueError as `sample_even`, and
    unless `fps` is positive.
    """
    _check(seconds, end, n)
    if not 0 < fps < float("inf"):
        raise ValueError(f"fps must be a positive number: fps={fps}")
    # Python's round (half to even), as in the published code; below 0.5 fps its stride would be 0.
    stride = max(1, round(float(fps))) / fps
    # A mean that is a little off would walk away from the frames of a long video.
    mean = len(seconds) / (end - seconds[0])
    stride *= fps / mean if abs(fps / mean - 1) < 0.01 else 1.0
    count = max(1, math.ceil((end - seconds[0]) / stride - TICK))
    every_second = _on_screen(seconds, seconds[0] + np.arange(count) * stride)
    if count > n:
        every_second = every_second[np.linspace(0, count - 1, num=n, dtype=np.int64)]
    numbers = np.zeros(n, dtype=np.int64)
    numbers[: len(every_second)] = every_second
    return FrameSample(numbers, np.arange(n) < len(every_second))


def _check(seconds: np.ndarray, end: float, n: int) -> None:
    if n < 1 or not len(seconds) or not end > seconds[-1]:
        raise ValueError(f"frames, their end and n must be positive: {len(seconds)} frames, end={end}, n={n}")


def _on_screen(seconds: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """The number of the frame that is on screen at each of `moments` [moment], from `seconds[0]` on."""
    return np.maximum(np.searchsorted(seconds, moments + TICK, side="right") - 1, 0).astype(np.int64)


def frame_span(
    seconds: np.ndarray, duration: float, start: float | None, end: float | None
) -> tuple[int, int]:
    """First frame and one past the last of the moment from `start` to `end`, in seconds; None = open.

    seconds [frame]: when each frame appears, ascending. Both the frame on screen at `start` and the one on
    screen at `end` belong to the moment, as in the published reader. Raises ValueError when the moment
    begins after `duration` or before 0, or ends before it begins.
    """
    begin = 0.0 if start is None else start
    if begin < 0 or (end is not None and end < begin):
        raise ValueError(f"a moment from {start} s to {end} s makes no sense")
    if begin > 0 and begin >= duration:
        raise ValueError(f"the moment begins at {begin:g} s, but the video ends at {duration:.1f} s")
    first = int(_on_screen(seconds, np.array([begin]))[0])
    stop = len(seconds) if end is None else int(np.searchsorted(seconds, end + TICK, side="right"))
    return first, max(stop, first + 1)


# --- decoding -------------------------------------------------------------------------------------------


def decode(
    film: Film, path: str, table: Table, wanted: list[int], keep: Keep, most: int | None
) -> dict[int, int]:
    """Hand each wanted frame (numbers, ascending) to `keep`; one that does not decode is replaced by a near one.

    film: of `path`, anywhere in it. most: see `render`. Returns {wanted frame: the frame shown in its place} for
    those; frames with none near are left out.
    """
    missing, place, near = set(wanted), table.place, {}

    def collect(number: int | None, frame: Any) -> None:
        if number in missing:
            keep(number, render(frame, film.stretch, most))
            missing.discard(number)

    # Fast: jump to the key frame before each wanted frame.
    starts = [number for number, _ in table.keys]
    if place is not None and not table.restarts:
        frames, here = iter(()), -1
        stamps = {stamp for stamp, number in place.items() if number in missing}
        for target in wanted:
            key = int(np.searchsorted(starts, target, side="right")) - 1
            if key >= 0 and not starts[key] <= here < target:
                film.seek(table.keys[key][1])
                frames = film.frames(stamps)
            for frame in frames:
                here = place.get(frame.pts, here)
                collect(place.get(frame.pts), frame)
                if here >= target:
                    break
            if here != target:  # the jump went too far: this kind of file cannot be trusted to seek
                break
    if not missing:
        return {}

    # Sure: from the beginning, for what jumping did not reach; remember the nearest in case it never comes.
    with Film(path) as film:
        for counter, frame in enumerate(film.frames()):
            number = counter if place is None else place.get(frame.pts)
            if number is None or number >= len(table.seconds):
                continue
            collect(number, frame)
            for target in missing:
                distance = abs(float(table.seconds[target] - table.seconds[number]))
                if distance <= NEIGHBOUR_SECONDS and distance < near.get(target, (1e9,))[0]:
                    near[target] = (distance, number, frame)
            if not missing or table.seconds[number] > table.seconds[max(missing)] + NEIGHBOUR_SECONDS:
                break
    for target in missing & near.keys():
        keep(target, render(near[target][2], film.stretch, most))
    return {target: near[target][1] for target in missing & near.keys()}


class Reader(NamedTuple):
    """A file that is open. table: its frames. about: what is known of it, for the answer.

    decode: as the function of that name, of frames, `keep` and `most`. first: the first picture, or None. cuts: as
    `scene_changes`, of a moment.
    """

    table: Table
    about: dict[str, Any]
    decode: Callable[[list[int], Keep, int | None], dict[int, int]]
    first: Callable[[], Picture | None]
    cuts: Callable[[float, float], list[float]]


_TABLE: dict[tuple[str, int, int], Table] = {}  # of the file asked for last


def _known_table(film: Film, path: str) -> Table:
    """As `Film.table`, once for a file that is asked for moment after moment: a long one has many packets."""
    status = os.stat(path)
    key = path, status.st_size, status.st_mtime_ns
    if key not in _TABLE:
        table = film.table()
        _TABLE.clear()
        _TABLE[key] = table
    return _TABLE[key]


def open_film(film: Film, path: str) -> Reader:
    """A file that FFmpeg reads."""
    table, context = _known_table(film, path), film.stream.codec_context
    codec = "av1" if context.name in ("libdav1d", "libaom-av1") else context.name

    def first() -> Picture | None:  # only a frame knows whether players turn it
        film.seek(table.keys[0][1] if table.keys else 0)
        frame = next(film.frames(), None)
        return None if frame is None else render(frame, film.stretch)

    def cuts(start: float, end: float) -> list[float]:
        with Film(path) as fresh:
            return scene_changes(fresh, table, start, end)

    about = {"codec": codec, "height": context.height, "width": context.width}
    return Reader(
        table, about, lambda wanted, keep, most: decode(film, path, table, wanted, keep, most), first, cuts
    )


def open_animation(path: str) -> Reader:
    """An animated WebP."""
    animation = Animation(path)
    width, height = animation.picture.size

    def walk(wanted: list[int], keep: Keep, most: int | None) -> dict[int, int]:
        for number, picture in enumerate(animation.pictures()):
            if number in wanted:
                keep(number, picture)
            if number >= wanted[-1]:
                break
        return {}

    about = {"codec": "webp", "height": height, "width": width}
    return Reader(animation.table(), about, walk, lambda: next(animation.pictures(), None), lambda *_: [])


def open_photo(path: str) -> Reader:
    """A still picture."""
    picture = photo(path)
    about = {"codec": "still", "height": picture.height, "width": picture.width}

    def show(wanted: list[int], keep: Keep, most: int | None) -> dict[int, int]:
        for number in wanted:
            keep(number, picture)
        return {}

    return Reader(one_frame(), about, show, lambda: picture, lambda *_: [])


def read(request: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray | None, bytes]:
    """Answer one request of `video.py`: the facts, and the frames [frame h w 3] and the still (JPEG) where it
    asks for them."""
    path = request["path"]
    check_file(path)
    if request.get("longest") is not None and is_photo(path):  # of a question alone
        return _answer(request, open_photo(path))
    if is_webp(path):
        return _answer(request, open_animation(path))
    with Film(path) as film:
        return _answer(request, open_film(film, path))


def _answer(request: dict[str, Any], reader: Reader) -> tuple[dict[str, Any], np.ndarray | None, bytes]:
    name, table, about = Path(request["path"]).name, reader.table, reader.about
    longest = request.get("longest")
    if longest is not None and table.duration > longest:
        raise Unreadable(f"{name} lasts {table.duration:.0f} s: give a clip of at most {longest:g} s.")
    about |= {"duration": table.duration, "fps": table.fps, "frame_count": len(table.seconds)}
    if request["op"] == "probe":
        if picture := reader.first():
            about |= {"height": picture.height, "width": picture.width}
        return about, None, b""
    if request["op"] == "cuts":
        return about | {"cuts": reader.cuts(request["start"], request["end"])}, None, b""

    try:
        first, stop = frame_span(table.seconds, table.duration, request["start"], request["end"])
    except ValueError as error:
        raise Unreadable(f"{name}: {error}; ask for a moment inside it.") from None
    n, size = request["n"], request["size"]
    seconds = table.seconds[first:stop]
    end = table.duration if stop == len(table.seconds) else float(table.seconds[stop])
    end = max(end, float(seconds[-1]) + TICK)
    if request["rule"] == "even":
        sample = sample_even(seconds, end, n)
    else:
        sample = sample_published(seconds, end, table.fps, n)
    numbers = (first + sample.numbers[sample.mask]).tolist()
    wanted = sorted(set(numbers))
    pictures: dict[int, np.ndarray] = {}
    large: dict[int, Picture] = {}

    def keep(number: int, picture: Picture) -> None:
        shape = next(iter(pictures.values())).shape[:2] if pictures else None
        shown = picture.height, picture.width
        if not pictures:  # a film that changes its size is as large as it begins
            about["height"], about["width"] = shown
        try:
            pictures[number] = fit(picture.pixels, size, request["crop"], shape, shown)
        except PictureError as error:
            raise Unreadable(str(error)) from None
        if request["still"]:
            # One of them will be the still: until it is known which, shrinking them all takes longer than room.
            if picture.pixels.nbytes * len(wanted) > STILL_BYTES:
                small = fit(picture.pixels, min(request["still"], *shown), False, shown=shown)
                picture = Picture(small, *small.shape[:2])
            large[number] = picture

    most = 2 * max(size, request["still"] or 0) if size else None
    replaced = reader.decode(wanted, keep, most)
    lost = [number for number in wanted if number not in pictures]
    if lost:
        at = f" at {table.seconds[lost[0]]:.1f} s of {table.duration:.1f} s" if pictures else ""
        raise Unreadable(f"{name} is damaged or protected and cannot be decoded{at}; get another copy.")

    frames, stamps = np.zeros((n, *pictures[wanted[0]].shape), dtype=np.uint8), np.full(n, np.nan)
    for row, number in enumerate(numbers):
        frames[row], stamps[row] = pictures[number], table.seconds[replaced.get(number, number)]
    still = b""
    if request["still"]:
        still = jpeg(large[numbers[representative(frames[sample.mask])]], request["still"])
    return {**about, "mask": sample.mask.tolist(), "timestamps": stamps.tolist()}, frames, still


def serve() -> None:
    """Answer requests until standard input closes: a line of JSON in, a line of JSON and the frames out."""
    # Decoders print to descriptor 1 at times: keep a private one for answers and send the rest to nowhere.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    answers.write(b'{"ready": true}\n')
    answers.flush()
    for line in sys.stdin.buffer:
        frames, still = None, b""
        try:
            answer, frames, still = read(json.loads(line))
        except Unreadable as error:
            answer: dict[str, Any] = {"error": str(error)}
        except Exception as error:  # one file must not end the child
            what = str(error).replace(
                str(Path(json.loads(line)["path"]).parent) + os.sep, ""
            )  # not where it lies
            answer = {"error": f"The decoder failed ({type(error).__name__}: {what}); {CONVERT}."}
        answer["shape"] = None if frames is None else frames.shape
        answer["still"] = len(still)
        answers.write(json.dumps(answer).encode() + b"\n")
        if frames is not None:
            answers.write(np.ascontiguousarray(frames).data)
        answers.write(still)
        answers.flush()
