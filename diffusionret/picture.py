"""A decoded frame -> the picture a player shows: one field of two, standard range, on a ground, upright, square pixels.

Runs in the child that decodes, so it imports nothing of the package. PyAV and Pillow are imported where they are
used: the parent never decodes.
"""

from __future__ import annotations

import io
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

import numpy as np

MAX_PIXELS = 2**26  # 8K has half of it; a header that declares more is a mistake or an attack
MOST_STRETCH = 20  # pixels that are declared wider or taller than this are a mistake
LONG = 4  # times the centre square, from which on the rest of a picture is not made
GROUND = 255  # white: what shows where a picture is transparent
# Transfer curves of high dynamic range, as ITU-T H.273 numbers them.
PQ, HLG = 16, 18
WHITE = 203.0  # nits of a sheet of paper in a film of high range (ITU-R BT.2408)
HLG_PEAK = 1000.0  # nits of the screen that HLG is made for
KNEE = 0.5  # of paper white: up to here light is kept as it is, above it is compressed
GAMMA = 2.4  # of the screen that ordinary films are made for (ITU-R BT.1886)
LEVELS = 4096  # of the tables of curves
# Linear light in BT.2020 -> BT.709 (ITU-R BT.2087, inverted), and the brightness of BT.2020.
NARROW = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
BRIGHTNESS = np.array([0.2627, 0.6780, 0.0593], np.float32)


class PictureError(Exception):
    """A picture that cannot be made. The text is one sentence."""


class Picture(NamedTuple):
    """pixels: [h w 3] uint8 RGB, upright. height, width: of the picture as shown, which they are to be stretched to."""

    pixels: np.ndarray
    height: int
    width: int


def render(frame: Any, stretch: float = 1.0, most: int | None = None) -> Picture:
    """The picture that a player shows of a PyAV frame.

    stretch: how many times wider than tall a pixel is. most: where high range is brought down the shorter side may
    be shrunk to so many pixels first; None keeps all.
    """
    height, width = frame.height, frame.width
    turn = orientation(frame)
    part = one_field(frame) if frame.interlaced_frame else frame
    if int(frame.color_trc) in (PQ, HLG):
        pixels = _standard_range(part, int(frame.color_trc), most)
    elif part.format.name == "pal8" or any(component.is_alpha for component in part.format.components):
        pixels = on_ground(part.to_ndarray(format="rgba"))
    else:
        pixels = part.to_ndarray(format="rgb24")
    if 1 / MOST_STRETCH <= stretch <= MOST_STRETCH:
        width = max(1, round(width * stretch))
    if turn is None:
        return Picture(pixels, height, width)
    turned = apply_orientation(pixels, turn)
    return Picture(turned, width, height) if turn[0] == 0 else Picture(turned, height, width)


def orientation(frame: Any) -> tuple[int, int, int, int] | None:
    """The display matrix as (a, b, c, d) of x' = a x + c y, y' = b x + d y, each -1, 0 or 1; None where nothing turns.

    One that turns by no right angle, which no camera writes, is ignored.
    """
    from av.sidedata.sidedata import Type

    data = frame.side_data.get(Type.DISPLAYMATRIX)
    if data is None or len(raw := bytes(data)) < 36:
        return None
    matrix = np.frombuffer(raw[:36], np.int32).reshape(3, 3)[:2, :2] / 65536.0
    size = np.abs(matrix).max()
    if not size:
        return None
    whole = np.rint(matrix / size)
    if np.abs(matrix / size - whole).max() > 0.05 or not (np.abs(whole).sum(axis=0) == 1).all():
        return None
    if not (np.abs(whole).sum(axis=1) == 1).all() or (whole == np.eye(2)).all():
        return None
    a, b, c, d = (int(value) for value in whole.ravel())
    return a, b, c, d


def apply_orientation(pixels: np.ndarray, turn: tuple[int, int, int, int]) -> np.ndarray:
    """[h w 3] turned and mirrored as `orientation` says."""
    a, b, c, d = turn
    if a == 0:  # x and y change places
        pixels, across, down = pixels.transpose(1, 0, 2), c, b
    else:
        across, down = a, d
    return pixels[:: down or 1, :: across or 1]


def one_field(frame: Any) -> Any:
    """The upper field of an interlaced frame, half as tall: both together are two moments, combed into one picture.

    A field is sharp enough for what models see, and needs no neighbours.
    """
    import av.filter

    if frame.height < 4:
        return frame
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25)
    )
    upper, sink = graph.add("field", "type=top"), graph.add("buffersink")
    source.link_to(upper)
    upper.link_to(sink)
    graph.configure()
    graph.push(frame)
    return graph.pull()


def on_ground(pixels: np.ndarray) -> np.ndarray:
    """[h w 4] RGBA over white, [h w 3]."""
    alpha = pixels[..., 3:].astype(np.uint16)
    mixed = pixels[..., :3] * alpha + GROUND * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def _standard_range(frame: Any, curve: int, most: int | None) -> np.ndarray:
    short = min(frame.height, frame.width)
    if most is not None and short > most:
        height, width = (max(1, round(side * most / short)) for side in (frame.height, frame.width))
        frame = frame.reformat(width=width, height=height, format="rgb48le", interpolation="AREA")
    else:
        frame = frame.reformat(format="rgb48le")
    return tone_mapped(frame.to_ndarray(), curve)


def tone_mapped(pixels: np.ndarray, curve: int) -> np.ndarray:
    """[h w 3] uint16 of high dynamic range (PQ or HLG, BT.2020) as uint8 of an ordinary film (BT.709).

    Up to half the brightness of paper light is kept; above, the brightest channel is bent towards white and the
    others go with it, so that colours stay.
    """
    light = light_table(curve)[pixels >> 4]
    if curve == HLG:  # what the screen adds: dark parts get darker
        light *= HLG_PEAK / WHITE * np.power(light @ BRIGHTNESS, 0.2)[..., None]
    light = np.maximum(light @ NARROW.T, 0.0)
    peak = light.max(axis=-1, keepdims=True)
    over = np.maximum(peak - KNEE, 0) / (1 - KNEE)
    bent = KNEE + (1 - KNEE) * over / (1 + over)
    light *= np.where(peak > KNEE, bent / np.maximum(peak, 1e-6), 1.0)
    return np.rint(255 * np.power(np.minimum(light, 1.0), 1 / GAMMA)).astype(np.uint8)


@cache
def light_table(curve: int) -> np.ndarray:
    """Light of every code, float32: paper white = 1 for PQ (SMPTE ST 2084), peak = 1 for HLG (ARIB STD-B67)."""
    code = np.linspace(0, 1, LEVELS)
    if curve == PQ:
        power = np.power(code, 32 / 2523)
        nits = 10000 * np.power(
            np.maximum(power - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * power), 8192 / 1305
        )
        return (nits / WHITE).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12).astype(np.float32)


def fit(
    pixels: np.ndarray,
    size: int | None,
    crop: bool,
    shape: tuple[int, int] | None = None,
    shown: tuple[int, int] | None = None,
) -> np.ndarray:
    """Shrink or enlarge [h, w, 3] uint8 until the shorter side is `size`; with `crop` only the centre square of it.

    Pillow's bicubic filter, which averages over all source pixels when it shrinks: to the bit what CLIP's own
    preprocessing (resize, centre crop) does with the same picture; of one that is very long only the square is ever
    made, to a level of 255. shown (h, w): of the picture as shown, where the pixels are no squares. shape (h, w)
    overrides the outcome: some streams change their picture size on the way. Raises PictureError where the outcome
    is too large.
    """
    from PIL import Image

    def resized(pixels: np.ndarray, height: int, width: int, box: Any = None) -> np.ndarray:
        if box is None and pixels.shape[:2] == (height, width):
            return pixels
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC, box=box))

    stored = pixels.shape[0], pixels.shape[1]
    height, width = shown or stored
    if size is not None:
        short = min(height, width)
        height, width = (size if side == short else int(size * side / short) for side in (height, width))
    top = left = 0
    tall, wide = height, width
    if crop:
        tall = wide = min(height, width)
        top, left = round((height - tall) / 2), round((width - wide) / 2)
    square = (left, top, left + wide, top + tall)
    long = height * width > LONG * tall * wide
    if (tall * wide if long else height * width) > MAX_PIXELS:
        raise PictureError(f"A picture of {width} x {height} is too large; ask for a smaller size.")
    if long:
        down, across = stored[0] / height, stored[1] / width
        part = [edge * scale for edge, scale in zip(square, (across, down, across, down), strict=True)]
        box = (part[0], part[1], min(part[2], stored[1]), min(part[3], stored[0]))
        pixels = resized(pixels, tall, wide, box)
    else:
        pixels = resized(pixels, height, width)[top : top + tall, left : left + wide]
    return resized(pixels, *shape) if shape else pixels


def representative(frames: np.ndarray) -> int:
    """Which of frames [frame h w 3] uint8 to show as a still: the one most like the others, but no flat one.

    Flat = hardly any contrast (black leader, fade); only where all frames are flat may one be chosen.
    """
    small = frames[:, :: max(1, frames.shape[1] // 48), :: max(1, frames.shape[2] // 48)].astype(np.float32)
    distance = np.abs(small[:, None] - small[None]).mean(axis=(1, 2, 3, 4))
    flat = small.mean(axis=-1).std(axis=(1, 2)) < 8.0
    return int(np.argmin(distance + 1000.0 * flat))


def jpeg(picture: Picture, size: int) -> bytes:
    """A picture as JPEG, its shorter side `size` pixels (never enlarged)."""
    from PIL import Image

    shown = picture.height, picture.width
    buffer = io.BytesIO()
    Image.fromarray(fit(picture.pixels, min(size, *shown), False, shown=shown)).save(
        buffer, "JPEG", quality=85
    )
    return buffer.getvalue()
