"""Small synthetic videos whose frames say their own numbers."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

SIDE = 64


def stamped(number: int, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """A picture [h w 3] that says its number: eight stripes, black = 0, white = 1, above a reddish field."""
    frame = np.full((height, width, 3), (200, 60, 60), dtype=np.uint8)
    for bit in range(8):
        frame[: height // 2, bit * width // 8 : (bit + 1) * width // 8] = 255 * (number >> bit & 1)
    return frame


def number_of(frame: np.ndarray) -> int:
    """The number `stamped` wrote, read back from lossy pixels of any size."""
    height, width = frame.shape[:2]
    bits = [frame[height // 4, (2 * bit + 1) * width // 16].mean() > 128 for bit in range(8)]
    return sum(int(bit) << place for place, bit in enumerate(bits))


def write_clip(path: Path, count: int = 60, fps: int = 10, codec: str = "libx264", **options: str) -> Path:
    """A small clip of `count` stamped frames; key frames every 16, B-frames in between."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=fps, options={"g": "16", "bf": "2", "crf": "18"} | options)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for number in range(count):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(stamped(number), format="rgb24")))
        out.mux(stream.encode())
    return path
