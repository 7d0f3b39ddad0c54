"""A video file opened: which of its streams is the film, when each of its frames appears, and the frames themselves.

Runs in the child that decodes, so it imports nothing of the package.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .picture import MAX_PIXELS

# FFmpeg also opens text as ANSI art, single pictures as films, and lists that name other files.
NOT_VIDEO = {"tty", "image2", "hls", "dash", "concat", "ffmetadata"}
CONVERT = "convert it with `ffmpeg -i INPUT output.mp4`"
# Containers whose packets carry no moment of display, or not every one: their frames are counted.
UNTIMED = {"avi"}
JUMP_BACK, JUMP_ON = 0.1, 10.0  # seconds from one packet to the next, beyond which a clock has started anew
MOST_RATE = 1000.0  # frames a second; a header that says more is mistaken


class Unreadable(Exception):
    """A file that cannot be read. The text is one sentence: what is wrong and what to do."""


class Table(NamedTuple):
    """The frames a player would show, in order of appearance, from the packets alone (nothing is decoded)."""

    seconds: np.ndarray  # [frame] float64, when each appears; the player's clock starts at 0
    duration: float  # seconds, end of the last frame
    fps: float  # average frames a second
    place: dict[int, int] | None  # time stamp -> frame number; None where packets carry no time stamps
    keys: list[tuple[int, int]]  # (frame number, time stamp to seek to) of the frames decoding can start at
    restarts: bool  # whether the clock starts anew on the way, so that nothing can be sought


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


class Film:
    """The film of a file, for one reader. A context manager, which closes the file.

    stream: PyAV's. codec: the decoder, which may be another than the stream's own. stretch: how many times wider than
    tall its pixels are.
    """

    def __init__(self, path: str) -> None:
        """Raises Unreadable where the file holds no film that can be decoded."""
        import av
        from av.error import FFmpegError

        self.name = Path(path).name
        try:
            # Nothing but files: a playlist must not make the program fetch addresses, nor may "10:30.mp4" be one.
            self.container = av.open(f"file:{path}", options={"protocol_whitelist": "file"}, **_tags())
        except FFmpegError:
            raise Unreadable(
                f"{self.name} is no video or its header is damaged; if a player shows it, {CONVERT}."
            ) from None
        try:
            self.stream: Any = self._choose(path)
        except BaseException:
            self.container.close()
            raise
        self.codec: Any = self._transparent() or self.stream.codec_context
        self.codec.thread_count = 1  # files are the unit of parallel work; errors repeat exactly
        shape = self.stream.sample_aspect_ratio
        self.stretch = float(shape) if shape else 1.0

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    def _choose(self, path: str) -> Any:
        """The film among the streams: the default one, among several of these the largest."""
        from av.stream import Disposition

        kind = self.container.format.name
        covers = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
        pictures = self.container.streams.video
        films = [stream for stream in pictures if not stream.disposition & covers]
        usable = [stream for stream in films if stream.codec_context is not None]
        usable = [s for s in usable if 0 < s.codec_context.width * s.codec_context.height <= MAX_PIXELS]
        if kind in NOT_VIDEO or kind.endswith("_pipe"):
            trouble = f"is not a video (it reads as `{kind}`); give a video file"
        elif not films:
            has = "only sound" if self.container.streams.audio else "nothing to see"
            has += " and a cover picture" if pictures else ""
            trouble = f"holds no video track, {has}; give a file with moving pictures"
        elif "mp4" in kind and is_encrypted(path):
            trouble = "is encrypted (DRM) and cannot be decoded; use an unprotected copy"
        elif not usable:
            trouble = f"has a codec or a picture size that cannot be read; {CONVERT}"
        else:
            default = [stream for stream in usable if stream.disposition & Disposition.default]
            return max(
                default or usable, key=lambda stream: stream.codec_context.width * stream.codec_context.height
            )
        raise Unreadable(f"{self.name} {trouble}.")

    def _transparent(self) -> Any:
        """The decoder that knows transparency, where the stream has it and its own decoder leaves it out."""
        import av

        context = self.stream.codec_context
        other = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(context.name)
        if self.stream.metadata.get("alpha_mode") != "1" or other is None:
            return None
        try:
            codec = av.CodecContext.create(other, "r")
        except ValueError:  # FFmpeg was built without it: the picture comes without its transparency
            return None
        codec.extradata = context.extradata
        return codec

    def seek(self, stamp: int) -> None:
        """Go to the key frame at or before a time stamp; where there is no seeking, reading goes on."""
        with contextlib.suppress(OSError):
            self.container.seek(stamp, stream=self.stream)
        if self.codec is not self.stream.codec_context:
            self.codec.flush_buffers()

    def packets(self) -> Iterator[Any]:
        """The packets of the film from here on, their clocks made one; ends where the file does not go on."""
        from av.error import FFmpegError

        self.restarts = False
        clock = _Clock(float(self.stream.time_base)) if _restarts(self.container) else None
        try:
            for packet in self.container.demux(self.stream):
                if clock is not None:
                    clock.adjust(packet)
                    self.restarts |= bool(clock.shift)
                yield packet
        except FFmpegError:
            return

    def frames(self, only: Collection[int] | None = None) -> Iterator[Any]:
        """Frames from here on, leaving out packets that do not decode.

        only: time stamps of the frames that matter: of the others those on which no frame depends may be left out.
        """
        from av.error import FFmpegError

        for packet in self.packets():
            if only is not None:
                self.codec.skip_frame = "DEFAULT" if packet.pts in only else "NONREF"
            try:
                yield from self.codec.decode(packet if packet.size else None)
            except (FFmpegError, EOFError):
                continue

    def table(self) -> Table:
        """List the frames by reading every packet. Raises Unreadable if there are none or the file ends early."""
        import av
        from av.format import Flags

        stream, kind = self.stream, self.container.format
        packets, first = [], None
        for packet in self.packets():
            if packet.size and packet.pts is not None:
                first = packet.pts if first is None else min(first, packet.pts)
            if packet.size and not packet.is_discard:  # what an edit list hides is no frame of the film
                packets.append((packet.pts, packet.duration or 0, packet.is_keyframe, packet.dts))
        if not packets:
            raise Unreadable(
                f"{self.name} declares a video track but holds no frames; copy or download it again."
            )
        rate = float(stream.average_rate or stream.guessed_rate or 25)
        rate = rate if 0 < rate <= MOST_RATE else 25.0
        timed = [packet for packet in packets if packet[0] is not None]
        if not timed or (len(timed) < len(packets) and kind.name in UNTIMED):
            return Table(np.arange(len(packets)) / rate, len(packets) / rate, rate, None, [], False)

        packets = sorted(timed, key=lambda packet: packet[0])  # the others are second halves of a frame
        tick = float(stream.time_base)
        begin = packets[0][0] * tick
        origin = min((self.container.start_time or 0) / av.time_base, begin)
        if self.restarts:
            origin = begin
        seconds = np.array([packet[0] for packet in packets]) * tick - origin
        end = float(seconds[-1]) + (packets[-1][1] * tick or 1 / rate)
        declared = 0.0 if _restarts(self.container) else float((stream.duration or 0) * tick)
        whole = end + origin - (first or 0) * tick
        if whole < 0.9 * declared:
            ends = f"{self.name} ends after {whole:.1f} s of {declared:.1f} s"
            raise Unreadable(f"{ends}: it was cut short; copy or download it again.")
        mean = len(packets) / (end - float(seconds[0]))
        rate = rate if abs(rate / mean - 1) < 0.01 else mean
        place = {packet[0]: number for number, packet in enumerate(packets)}
        by = 0 if kind.flags & Flags.seek_to_pts.value else 3
        keys = [(i, p[0] if p[by] is None else p[by]) for i, p in enumerate(packets) if p[2]]
        return Table(seconds, end, rate, place, keys, self.restarts)


class _Clock:
    """Makes one clock of several: joined recordings start theirs anew, and one of 33 bits runs over."""

    def __init__(self, tick: float) -> None:
        self.back, self.on = JUMP_BACK / tick, JUMP_ON / tick
        self.shift, self.last, self.step = 0, None, 0

    def adjust(self, packet: Any) -> None:
        """Set a packet's time stamps on the one clock. Packets come in the order of the file."""
        stamp = packet.pts if packet.dts is None else packet.dts
        if stamp is None:
            return
        if self.last is not None and not -self.back <= stamp + self.shift - self.last <= self.on:
            self.shift = self.last + (packet.duration or self.step) - stamp
        if self.last is not None:
            self.step = max(0, stamp + self.shift - self.last)
        self.last = stamp + self.shift
        if self.shift:
            packet.dts = None if packet.dts is None else packet.dts + self.shift
            packet.pts = None if packet.pts is None else packet.pts + self.shift


def _restarts(container: Any) -> bool:
    """Whether the clocks of this kind of file may start anew on the way (MPEG streams)."""
    from av.format import Flags

    return bool(container.format.flags & Flags.ts_discont.value)


def _tags() -> dict[str, Any]:
    """What makes PyAV read tags in whatever encoding: up to version 18 it raises unless told so, 19 knows no such
    argument and always reads them."""
    import av

    return {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}


def is_encrypted(path: str) -> bool:
    """Whether an MP4 describes an encrypted track. Scrambled pictures may decode without an error."""
    with open(path, "rb") as file:
        head = file.read(2**20)
        file.seek(max(0, os.path.getsize(path) - 2**22))  # the description stands at either end
        return any(re.search(rb"encv.{0,400}?sinf", part, re.DOTALL) for part in (head, file.read()))
