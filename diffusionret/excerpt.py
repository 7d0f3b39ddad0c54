"""A part of a video as a file of its own.

Runs in a process of its own (`main`), with nothing of the package but what opens films: it reads what is not to be
trusted and may die of it. It prints a line of JSON: how the part was cut, or what is wrong.
"""

from __future__ import annotations

import contextlib
import json
import sys
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.error import FFmpegError

from .film import Film, Unreadable
from .picture import HLG, PQ, orientation, render

MOST_BYTES = 2**32  # of what is written
# Of pictures and sound that an MP4 may hold as they are, and that browsers play.
VIDEO, AUDIO = {"h264", "av1", "vp9"}, {"aac", "mp3", "ac3", "opus"}
TIMES = Fraction(1, 90_000)
RATE = 60  # frames a second that are encoded, at most


def excerpt(source: str, start: float, end: float, target: str) -> str:
    """Write the part from `start` to before `end`, seconds on the player's clock, as MP4; "copied" or "encoded".

    Copied, every picture as it was, where a key frame begins the part and another one what follows it, and an MP4 holds
    the codec; else encoded anew. Raises Unreadable, what PyAV raises, and ValueError where there is nothing.
    """
    with Film(source) as film:
        container, stream = film.container, film.stream
        origin = (container.start_time or 0) / av.time_base
        rate = float(stream.average_rate or stream.guessed_rate or 25)
        frame = 0.5 / (rate if 0 < rate <= 1000 else 25.0)
        last = container.duration is not None and end + frame >= container.duration / av.time_base
        exact = all(begins(container, stream, s + origin, frame) for s in ([start] if last else [start, end]))
        if exact and stream.codec_context.name in VIDEO and not turned(container, stream):
            with contextlib.suppress(FFmpegError, ValueError):
                copy(source, start + origin, end + origin, frame, target)
                return "copied"
    encode(source, start, end, target)
    return "encoded"


def turned(container: Any, stream: Any) -> bool:
    """Whether players turn the pictures, which a copy may forget."""
    seek(container, stream, 0)
    for frame in container.decode(stream):
        return orientation(frame) is not None
    return False


def seek(container: Any, stream: Any, second: float) -> None:
    """Go to the key frame at or before a second of the file's own clock; where there is no seeking, stay."""
    with contextlib.suppress(FFmpegError):
        container.seek(int(max(second, 0) / stream.time_base), stream=stream)


def begins(container: Any, stream: Any, second: float, slack: float) -> bool:
    """Whether a key frame is shown at a second of the file's own clock."""
    seek(container, stream, second + slack)
    for packet in container.demux(stream):
        if packet.pts is None:
            continue
        shown = float(packet.pts * stream.time_base)
        if packet.is_keyframe and abs(shown - second) <= slack:
            return True
        if shown > second + 1:
            break
    return False


def copy(source: str, start: float, end: float, slack: float, target: str) -> None:
    """Packets from `start` to before `end`, on the file's own clock, as they are. slack: seconds of half a frame."""
    with Film(source) as film, av.open(target, "w", format="mp4") as out:
        container, stream = film.container, film.stream
        sound = next((s for s in container.streams.audio if s.codec_context.name in AUDIO), None)
        streams = [s for s in (stream, sound) if s is not None]
        written = {s.index: out.add_stream_from_template(s) for s in streams}
        seek(container, stream, start + slack)
        pictures, over = 0, set()
        for packet in container.demux(streams):
            index, tick = packet.stream.index, packet.stream.time_base
            if packet.pts is None or packet.dts is None or packet.pts * tick < start - slack:
                continue
            # Pictures that are shown later but stored before the last of the part are what it refers to.
            begins = packet.is_keyframe and packet.pts * tick >= end - slack
            if begins or packet.dts * tick >= end - slack:
                over.add(index)
                if len(over) == len(streams):
                    break
            elif index not in over:
                first = round(start / tick)
                packet.pts, packet.dts = packet.pts - first, packet.dts - first
                packet.stream = written[index]
                pictures += index == stream.index
                out.mux(packet)
        if not pictures:
            raise ValueError("There are no pictures in this part.")


def encode(source: str, start: float, end: float, target: str) -> None:
    """As `copy`, decoded and encoded anew in H.264 and AAC. start, end: on the player's clock."""
    with Film(source) as film, av.open(target, "w", format="mp4") as out:
        container, stream = film.container, film.stream
        stream.thread_type = "AUTO"
        sound = next(iter(container.streams.audio), None)
        if sound is not None and not (
            sound.codec_context.sample_rate and sound.codec_context.layout.nb_channels
        ):
            sound = None
        origin = (container.start_time or 0) / av.time_base
        rate = min(Fraction(stream.average_rate or 25).limit_denominator(1001), Fraction(RATE))
        pictures = out.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "20"})
        pictures.pix_fmt = "yuv420p"
        pictures.codec_context.time_base = TIMES
        noise = None
        if sound is not None:
            noise = out.add_stream("aac", rate=min(sound.codec_context.sample_rate, 48_000), layout="stereo")
            resampler = av.AudioResampler("fltp", "stereo", noise.codec_context.sample_rate)
        seek(container, stream, start + origin)
        last, samples, over = -1, -1, set()
        held: list[Any] = []  # sound from before the first picture, which alone says how large pictures are
        streams = [s for s in (stream, sound) if s is not None]
        for packet in container.demux(streams):
            try:
                frames = packet.decode()
            except FFmpegError:
                continue
            for frame in frames:
                if frame.pts is None:
                    continue
                second = float(frame.pts * frame.time_base) - origin
                if second >= end - 1e-6:
                    over.add(packet.stream.index)
                elif isinstance(frame, av.VideoFrame) and second >= start - 1e-6:
                    last = picture(
                        out, pictures, frame, film.stretch, max(round((second - start) / TIMES), 0), last
                    )
                elif noise is not None and isinstance(frame, av.AudioFrame) and second >= start - 1e-6:
                    if samples < 0:
                        samples = max(round((second - start) * noise.codec_context.sample_rate), 0)
                    for part in resampler.resample(frame):
                        part.pts, part.time_base = samples, Fraction(1, part.sample_rate)
                        samples += part.samples
                        held.append(part)
            if last >= 0 and noise is not None:
                for part in held:
                    out.mux(noise.encode(part))
                held.clear()
            late = packet.dts is not None and float(packet.dts * packet.time_base) - origin > end + 1
            if len(over) == len(streams) or (stream.index in over and late):
                break
        if last < 0:
            raise ValueError("There are no pictures in this part.")
        out.mux(pictures.encode())
        if noise is not None and samples > 0:
            out.mux(noise.encode())


def picture(out: Any, stream: Any, frame: Any, stretch: float, at: int, last: int) -> int:
    """Encode one frame as players show it, with even sides; its time, or `last` where no time has passed.

    stretch: as `render` takes it.
    """
    if at <= last:  # a clock that stands still or starts anew
        return last
    height, width = frame.height, frame.width
    if not is_plain(frame, stretch):
        shown = render(frame, stretch)
        height, width = shown.height, shown.width
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(shown.pixels), format="rgb24")
    if last < 0:
        stream.width, stream.height = (max(side // 2 * 2, 2) for side in (width, height))
    drawn = frame.reformat(stream.width, stream.height, "yuv420p")
    drawn.pts, drawn.time_base = at, TIMES
    out.mux(stream.encode(drawn))
    return at


def is_plain(frame: Any, stretch: float) -> bool:
    """Whether a frame is shown as it is stored."""
    plain = frame.format.name in ("yuv420p", "yuvj420p") and not frame.interlaced_frame and stretch == 1
    return plain and int(frame.color_trc) not in (PQ, HLG) and orientation(frame) is None


def limit(seconds: int) -> None:
    """Let this process take no more than so many seconds of a processor, and write no more than MOST_BYTES."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES, MOST_BYTES))


def main() -> None:
    """The arguments of the program: a folder (see children.py), video, start, end, file to write, and seconds of a
    processor that it may take."""
    source, start, end, target, seconds = sys.argv[2:]
    limit(int(seconds))
    try:
        answer = {"how": excerpt(source, float(start), float(end), target)}
    except Unreadable as error:
        answer = {"sentence": str(error)}
    except Exception as error:  # whatever a decoder says, in a line
        answer = {"error": f"{type(error).__name__}: {error}".replace(source, "the file").partition("\n")[0]}
    sys.stdout.write(f"{json.dumps(answer)}\n")
