"""Which frames of a video to read, and reading them. `video.py` runs this file as a program of its own.

Decoders hang and crash on odd files, so they work in a child process (`serve`) that `video.py` can kill. To
start quickly it must not import the package, so this file imports nothing of it. The sampling rules and
`frame_span` are pure functions; the rest touches files and raises `Unreadable`, a sentence for the user.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# decord hangs on MPEG-TS, returns wrong frames from AVI with B-frames, and has no GIF, IVF or raw streams.
DECORD_CONTAINERS = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}
DECORD_LACKS = {"av1", "libdav1d", "libaom-av1"}
# FFmpeg also opens text as ANSI art, single pictures as films, and lists that name other files.
NOT_VIDEO = {"tty", "image2", "hls", "dash", "concat", "ffmetadata"}
MAX_PIXELS = 2**26  # 8K has half of it; a header that declares more is a mistake or an attack
STILL_BYTES = 2**27  # of pictures at their full size
NEIGHBOUR_SECONDS = 0.5  # how far away a frame may be that stands in for one that does not decode
CONVERT = "convert it with `ffmpeg -i INPUT output.mp4`"
# How much of a picture must change from one frame to the next for a cut, in [0, 1]: what FFmpeg's own detector takes.
SCENE_CHANGE = 0.1
SCENE_SIDE = 160  # pixels of the pictures that are compared


Keep = Callable[[int, np.ndarray], None]  # takes a frame number and its picture [h w 3], uint8 RGB, upright


class Unreadable(Exception):
    """A file that cannot be read. The text is one sentence: what is wrong and what to do."""


class FrameSample(NamedTuple):
    """Which frames to show the model."""

    numbers: np.ndarray  # [frame] int64, 0 in padding
    mask: np.ndarray  # [frame] bool, False = padding


def sample_even(frame_count: int, n: int) -> FrameSample:
    """The frame on screen at the centre of each of `n` equal parts, t = (i + 0.5) / n.

    A clip of fewer than `n` frames repeats some: no padding. Raises ValueError unless both are positive.
    """
    if frame_count < 1 or n < 1:
        raise ValueError(f"at least one frame is needed: frame_count={frame_count}, n={n}")
    numbers = (2 * np.arange(n, dtype=np.int64) + 1) * frame_count // (2 * n)
    return FrameSample(numbers, np.ones(n, dtype=bool))


def sample_published(frame_count: int, fps: float, n: int) -> FrameSample:
    """The published rule: one frame a second, at most `n` of them, the rest padding.

    Every round(fps)-th frame from the first on; where these are more than `n`, `n` of them at equal distances
    (rounded down), both ends included. `fps` is the average rate. Raises ValueError unless all are positive.
    """
    if frame_count < 1 or n < 1 or not 0 < fps < float("inf"):
        raise ValueError(f"all must be positive numbers: frame_count={frame_count}, fps={fps}, n={n}")
    # Python's round (half to even), as in the published code; below 0.5 fps its stride would be 0.
    every_second = np.arange(0, frame_count, max(1, round(float(fps))), dtype=np.int64)
    if len(every_second) > n:
        every_second = every_second[np.linspace(0, len(every_second) - 1, num=n, dtype=np.int64)]
    numbers = np.zeros(n, dtype=np.int64)
    numbers[: len(every_second)] = every_second
    return FrameSample(numbers, np.arange(n) < len(every_second))


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
    tick = 1e-6  # 0.7 s x 30 fps must be frame 21 in spite of rounding
    first = max(0, int(np.searchsorted(seconds, begin + tick, side="right")) - 1)
    stop = len(seconds) if end is None else int(np.searchsorted(seconds, end + tick, side="right"))
    return first, max(stop, first + 1)


class Table(NamedTuple):
    """The frames a player would show, in order of appearance, from the packets alone (nothing is decoded)."""

    seconds: np.ndarray  # [frame] float64, when each appears; the player's clock starts at 0
    duration: float  # seconds, end of the last frame
    fps: float  # average frames a second
    place: dict[int, int] | None  # time stamp -> frame number; None where packets carry no time stamps
    keys: list[tuple[int, int]]  # (frame number, time stamp to seek to) of the frames decoding can start at
    hidden: int  # frames an edit list hides


def check_file(path: str) -> None:
    """Raise Unreadable unless `path` is a file with something in it that may be read."""
    name = Path(path).name or path
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "not an ordinary file"
            raise Unreadable(f"{name} is {what}; give the path of a video file.")
        with open(path, "rb"):
            pass
    except FileNotFoundError:
        raise Unreadable(f"{name} does not exist; check the path.") from None
    except PermissionError:
        raise Unreadable(f"{name} may not be read by this user; change its permissions.") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise Unreadable(f"{name} cannot be opened ({why}); check the path.") from None
    if not status.st_size:
        raise Unreadable(f"{name} is empty (0 bytes); copy or download it again.")


def is_encrypted(path: str) -> bool:
    """Whether an MP4 describes an encrypted track. Scrambled pictures may decode without an error."""
    with open(path, "rb") as file:
        head = file.read(2**20)
        file.seek(max(0, os.path.getsize(path) - 2**22))  # the description stands at either end
        return any(re.search(rb"encv.{0,400}?sinf", part, re.DOTALL) for part in (head, file.read()))


def open_video(path: str) -> tuple[Any, Any]:
    """PyAV's container and its main video stream. The caller closes the container. Raises Unreadable."""
    import av
    from av.error import FFmpegError
    from av.stream import Disposition

    name = Path(path).name
    try:
        # Nothing but files: a playlist must not make the program fetch addresses, nor may "10:30.mp4" be one.
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"}, **_tags())
    except FFmpegError:
        raise Unreadable(
            f"{name} is no video or its header is damaged; if a player shows it, {CONVERT}."
        ) from None
    kind, best = container.format.name, container.streams.best("video")
    films = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    stream: Any = best if best in films else next(iter(films), None)
    context: Any = stream.codec_context if stream else None
    if kind in NOT_VIDEO or kind.endswith("_pipe"):
        trouble = f"is not a video (it reads as `{kind}`); give a video file"
    elif stream is None:
        has = "only sound" if container.streams.audio else "nothing to see"
        trouble = f"holds no video track, {has}; give a file with pictures"
    elif kind in DECORD_CONTAINERS and is_encrypted(path):
        trouble = "is encrypted (DRM) and cannot be decoded; use an unprotected copy"
    elif context is None or context.width * context.height > MAX_PIXELS:
        trouble = f"has a codec or a picture size that cannot be read; {CONVERT}"
    else:
        context.thread_count = 1  # files are the unit of parallel work; errors repeat exactly
        return container, stream
    container.close()
    raise Unreadable(f"{name} {trouble}.")


def _tags() -> dict[str, Any]:
    """What makes PyAV read tags in whatever encoding: up to version 18 it raises unless told so, 19 knows no such
    argument and always reads them."""
    import av

    return {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}


def read_table(container: Any, stream: Any) -> Table:
    """List the frames by reading every packet. Raises Unreadable if there are none or the file ends early."""
    import av
    from av.error import FFmpegError
    from av.format import Flags

    name = Path(container.name.removeprefix("file:")).name
    packets, hidden = [], 0
    try:
        for packet in container.demux(stream):
            if packet.size and packet.is_discard:
                hidden += 1
            elif packet.size:
                packets.append((packet.pts, packet.duration or 0, packet.is_keyframe, packet.dts))
    except FFmpegError:
        pass  # what was read so far counts; the check of the length below finds what is missing
    if not packets:
        raise Unreadable(f"{name} declares a video track but holds no frames; copy or download it again.")
    declared = float(stream.duration * stream.time_base) if stream.duration else 0.0
    rate = float(stream.average_rate or stream.guessed_rate or 25)
    if any(packet[0] is None for packet in packets):  # raw streams: count frames instead
        return Table(np.arange(len(packets)) / rate, len(packets) / rate, rate, None, [], hidden)

    packets.sort(key=lambda packet: packet[0])
    origin = (container.start_time or 0) / av.time_base
    seconds = np.array([packet[0] for packet in packets]) * float(stream.time_base) - origin
    duration = float(seconds[-1]) + (packets[-1][1] * float(stream.time_base) or 1 / rate)
    if duration + origin < 0.9 * declared:
        ends = f"{name} ends after {duration:.1f} s of {declared:.1f} s"
        raise Unreadable(f"{ends}: it was cut short; copy or download it again.")
    place = {packet[0]: number for number, packet in enumerate(packets)}
    by = 0 if container.format.flags & Flags.seek_to_pts.value else 3
    keys = [(i, p[0] if p[by] is None else p[by]) for i, p in enumerate(packets) if p[2]]
    return Table(seconds, duration, rate, place, keys, hidden)


_TABLE: dict[tuple[str, int, int], Table] = {}  # of the file asked for last


def _known_table(path: str, container: Any, stream: Any) -> Table:
    """As `read_table`, once for a file that is asked for moment after moment: a long one has many packets."""
    status = os.stat(path)
    key = path, status.st_size, status.st_mtime_ns
    if key not in _TABLE:
        table = read_table(container, stream)
        _TABLE.clear()
        _TABLE[key] = table
    return _TABLE[key]


def decode_decord(path: str, count: int, wanted: list[int], keep: Keep) -> None:
    """Hand each wanted frame (numbers, ascending) to `keep`. May raise anything."""
    # One thread and one reader a call: it fails on VP9 with other thread counts and deadlocks when shared.
    import decord

    reader = decord.VideoReader(path, num_threads=1)
    if len(reader) != count:
        raise Unreadable("decord counts other frames than the packets say")
    for begin in range(0, len(wanted), 8):  # whole 4K frames: about 200 MB at a time
        part = wanted[begin : begin + 8]
        for number, frame in zip(part, reader.get_batch(part).asnumpy(), strict=True):
            keep(number, frame)


def _walk(container: Any, stream: Any) -> Iterator[Any]:
    """Frames from the present position on, leaving out packets that do not decode."""
    from av.error import FFmpegError

    try:
        for packet in container.demux(stream):
            try:
                yield from packet.decode()
            except FFmpegError:
                continue
    except FFmpegError:
        return


def _upright(frame: Any) -> np.ndarray:
    """[h w 3] RGB, turned as the file says; a damaged display matrix gives no right angle and is ignored."""
    turns = frame.rotation // 90 if frame.rotation in (90, -90, 180, -180) else 0
    return np.rot90(frame.to_ndarray(format="rgb24"), turns)


def decode_pyav(path: str, table: Table, wanted: list[int], keep: Keep) -> dict[int, int]:
    """As `decode_decord`, with PyAV; a frame that does not decode is replaced by a near one.

    Returns {wanted frame: the frame shown in its place} for those; frames with none near are left out.
    """
    missing, place, near = set(wanted), table.place, {}

    def found(number: int | None, frame: Any) -> None:
        if number in missing:
            keep(number, _upright(frame))
            missing.discard(number)

    # Fast: jump to the key frame before each wanted frame.
    starts = [number for number, _ in table.keys]
    if place is not None:
        container, stream = open_video(path)
        with container:
            frames, here = iter(()), -1
            for target in wanted:
                key = int(np.searchsorted(starts, target, side="right")) - 1
                if key >= 0 and not starts[key] <= here < target:
                    with contextlib.suppress(OSError):  # where there is no seeking, reading goes on
                        container.seek(table.keys[key][1], stream=stream)
                    frames = _walk(container, stream)
                for frame in frames:
                    here = place.get(frame.pts, here)
                    found(place.get(frame.pts), frame)
                    if here >= target:
                        break
                if here != target:  # the jump went too far: this kind of file cannot be trusted to seek
                    break
    if not missing:
        return {}

    # Sure: from the beginning, for what jumping did not find; remember the nearest in case it never comes.
    container, stream = open_video(path)
    with container:
        for counter, frame in enumerate(_walk(container, stream)):
            number = counter if place is None else place.get(frame.pts)
            if number is None or number >= len(table.seconds):
                continue
            found(number, frame)
            for target in missing:
                distance = abs(float(table.seconds[target] - table.seconds[number]))
                if distance <= NEIGHBOUR_SECONDS and distance < near.get(target, (1e9,))[0]:
                    near[target] = (distance, number, frame)
            if not missing or table.seconds[number] > table.seconds[max(missing)] + NEIGHBOUR_SECONDS:
                break
    for target in missing & near.keys():
        keep(target, _upright(near[target][2]))
    return {target: near[target][1] for target in missing & near.keys()}


def scene_changes(path: str, table: Table, start: float, end: float) -> list[float]:
    """When one shot follows another in the moment from `start` to just before `end`: seconds, ascending.

    Every frame of the moment is decoded. FFmpeg's measure: how much the picture differs from the one before, less what
    changes all the time.
    """
    from av.filter import Graph
    from av.video.format import VideoFormat

    graph = Graph()
    parts = [
        graph.add_buffer(
            width=SCENE_SIDE, height=SCENE_SIDE, format=VideoFormat("yuv420p"), time_base=Fraction(1, 1000)
        ),
        graph.add("select", f"gt(scene\\,{SCENE_CHANGE})"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*parts).configure()
    first = max(int(np.searchsorted(table.seconds, start)) - 1, 0)  # one before, to compare with
    found: list[float] = []
    container, stream = open_video(path)
    with container:
        keys = [stamp for number, stamp in table.keys if number <= first]
        if keys and table.place is not None:
            with contextlib.suppress(OSError):
                container.seek(keys[-1], stream=stream)
        for counter, frame in enumerate(_walk(container, stream)):
            number = counter if table.place is None else table.place.get(frame.pts)
            if number is None or not first <= number < len(table.seconds):
                continue
            second = float(table.seconds[number])
            if second >= end:
                break
            small = frame.reformat(SCENE_SIDE, SCENE_SIDE, "yuv420p", interpolation="FAST_BILINEAR")
            small.pts, small.time_base = number, Fraction(1, 1000)
            graph.push(small)
            with contextlib.suppress(OSError, EOFError):  # nothing comes out where nothing changes
                graph.pull()
                if second >= start:
                    found.append(second)
    return found


def fit(frame: np.ndarray, size: int | None, crop: bool, shape: tuple[int, int] | None = None) -> np.ndarray:
    """Shrink or enlarge [h, w, 3] uint8 until the shorter side is `size`; with `crop` cut the centre square.

    Pillow's bicubic filter, which averages over all source pixels when it shrinks: to the bit what CLIP's own
    preprocessing (resize, centre crop) does with the same picture. `shape` (h, w) overrides the outcome.
    """
    from PIL import Image

    def resized(frame: np.ndarray, height: int, width: int) -> np.ndarray:
        if frame.shape[:2] == (height, width):
            return frame
        picture = Image.fromarray(np.ascontiguousarray(frame))
        return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))

    height, width = frame.shape[:2]
    if size is not None:
        short = min(height, width)
        height, width = (size if side == short else int(size * side / short) for side in (height, width))
    if height * width > MAX_PIXELS:
        raise Unreadable(f"A picture of {width} x {height} is too large; ask for a smaller size.")
    frame = resized(frame, height, width)
    if crop:
        side = min(height, width)
        top, left = round((height - side) / 2), round((width - side) / 2)
        frame = frame[top : top + side, left : left + side]
    return resized(frame, *shape) if shape else frame  # some streams change their picture size on the way


def representative(frames: np.ndarray) -> int:
    """Which of frames [frame h w 3] uint8 to show as a still: the one most like the others, but no flat one.

    Flat = hardly any contrast (black leader, fade); only where all frames are flat may one be chosen.
    """
    small = frames[:, :: max(1, frames.shape[1] // 48), :: max(1, frames.shape[2] // 48)].astype(np.float32)
    distance = np.abs(small[:, None] - small[None]).mean(axis=(1, 2, 3, 4))
    flat = small.mean(axis=-1).std(axis=(1, 2)) < 8.0
    return int(np.argmin(distance + 1000.0 * flat))


def jpeg(frame: np.ndarray, size: int) -> bytes:
    """[h w 3] uint8 as JPEG, its shorter side `size` pixels (never enlarged)."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(fit(frame, min(size, *frame.shape[:2]), False)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def read(request: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray | None, bytes]:
    """Answer one request of `video.py`: the facts, and the frames [frame h w 3] and the still (JPEG) where it
    asks for them."""
    path, name = request["path"], Path(request["path"]).name
    check_file(path)
    container, stream = open_video(path)
    with container:
        table = _known_table(path, container, stream)
        codec, kind = stream.codec_context.name, container.format.name
        size = stream.codec_context.height, stream.codec_context.width
        if request["op"] == "probe":  # only a frame knows whether players turn it
            container.seek(0)
            frame = next(_walk(container, stream), None)
            size = size[::-1] if frame is not None and frame.rotation in (90, -90) else size
    about = {"duration": table.duration, "fps": table.fps, "frame_count": len(table.seconds)}
    about |= {"height": size[0], "width": size[1], "codec": "av1" if codec in DECORD_LACKS else codec}
    if request["op"] == "probe":
        return about, None, b""
    if request["op"] == "cuts":
        return about | {"cuts": scene_changes(path, table, request["start"], request["end"])}, None, b""

    try:
        first, stop = frame_span(table.seconds, table.duration, request["start"], request["end"])
    except ValueError as error:
        raise Unreadable(f"{name}: {error}; ask for a moment inside it.") from None
    n, count = request["n"], stop - first
    sample = sample_even(count, n) if request["rule"] == "even" else sample_published(count, table.fps, n)
    numbers = (first + sample.numbers[sample.mask]).tolist()
    wanted = sorted(set(numbers))
    pictures: dict[int, np.ndarray] = {}
    large: dict[int, np.ndarray] = {}

    def keep(number: int, frame: np.ndarray) -> None:
        shape = next(iter(pictures.values())).shape[:2] if pictures else None
        about["height"], about["width"] = frame.shape[:2]
        pictures[number] = fit(frame, request["size"], request["crop"], shape)
        if request["still"]:
            # One of them will be the still: until it is known which, shrinking them all takes longer than room.
            roomy = frame.nbytes * len(wanted) <= STILL_BYTES
            large[number] = frame if roomy else fit(frame, min(request["still"], *frame.shape[:2]), False)

    engine, shown = request["engine"], {}
    suits_decord = kind in DECORD_CONTAINERS and codec not in DECORD_LACKS and not table.hidden
    if engine == "decord" or (engine == "auto" and suits_decord):
        try:
            decode_decord(path, len(table.seconds), wanted, keep)
        except Exception:  # decord raises whatever it likes; PyAV reads the file or says what is wrong
            if engine == "decord":
                raise Unreadable(f"{name} cannot be read by decord; read it with PyAV.") from None
            pictures.clear()
    if len(pictures) < len(wanted):
        shown = decode_pyav(path, table, wanted, keep)
    lost = [number for number in wanted if number not in pictures]
    if lost:
        at = f" at {table.seconds[lost[0]]:.1f} s of {table.duration:.1f} s" if pictures else ""
        raise Unreadable(f"{name} is damaged or protected and cannot be decoded{at}; get another copy.")

    frames, stamps = np.zeros((n, *pictures[wanted[0]].shape), dtype=np.uint8), np.full(n, np.nan)
    for row, number in enumerate(numbers):
        frames[row], stamps[row] = pictures[number], table.seconds[shown.get(number, number)]
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


if __name__ == "__main__":
    serve()
