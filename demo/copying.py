"""`python copying.py VIDEO COPY`: the picture of a video in H.264, at most 720 pixels high, for a browser.

A program of its own, which imports nothing of the project: it reads what is not to be trusted and may die of it.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from typing import Any

import av
import numpy as np

HIGH = 720  # pixels
LONGEST = 4 * 3600  # seconds of a video
BASE = Fraction(1, 90_000)  # seconds a tick


def copy(source: str, target: str) -> None:
    """Write `target` anew. Raises ValueError where there is no frame, and what PyAV raises."""
    # Nothing but files: a list of addresses must not make the program fetch them.
    with (
        av.open(f"file:{source}", options={"protocol_whitelist": "file"}) as video,
        av.open(target, "w", format="mp4") as out,
    ):
        stream = video.streams.video[0]
        stream.thread_type = "AUTO"
        options = {"preset": "veryfast", "crf": "24"}
        written: Any = out.add_stream("libx264", rate=stream.average_rate or 25, options=options)
        written.pix_fmt = "yuv420p"
        written.codec_context.time_base = BASE
        first, last = None, -1
        for frame in video.decode(stream):
            seconds = float(frame.time or 0.0)
            if first is None:
                first = seconds
                written.width, written.height = shape(frame, stream.sample_aspect_ratio)
            at = int(Fraction(seconds - first) / BASE)
            if at <= last:  # a clock that stands still or starts anew
                continue
            if at * BASE > LONGEST:
                break
            last = at
            drawn = upright(frame).reformat(written.width, written.height, "yuv420p")
            drawn.pts, drawn.time_base = at, BASE
            out.mux(written.encode(drawn))
        if first is None:
            raise ValueError("There are no frames.")
        out.mux(written.encode())


def shape(frame: av.VideoFrame, aspect: Fraction | None) -> tuple[int, int]:
    """Width and height of the copy, even numbers of square pixels. aspect: of a pixel, None for square ones."""
    width, height = float(frame.width * (aspect or 1)), float(frame.height)
    if frame.rotation % 180:
        width, height = height, width
    scale = min(1.0, HIGH / min(width, height))
    return tuple(max(int(side * scale) // 2 * 2, 2) for side in (width, height))  # type: ignore[return-value]


def upright(frame: av.VideoFrame) -> av.VideoFrame:
    """A frame as a player shows it."""
    turns = round(frame.rotation / 90) % 4
    if not turns:
        return frame
    picture = np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns), dtype=np.uint8)
    return av.VideoFrame.from_ndarray(picture)


if __name__ == "__main__":
    copy(*sys.argv[1:3])
