"""A still picture as a film of one frame, by way of Pillow: a question may be one, a row of a gallery never is.

Runs in the child that decodes, so it imports nothing of the package.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .animation import is_animated, is_webp
from .film import Table, Unreadable
from .picture import MAX_PIXELS, Picture, on_ground

SECONDS = 1.0  # that it counts as


def is_photo(path: str) -> bool:
    """Whether a file is a PNG, a JPEG or a still WebP, going by its first bytes. Raises OSError."""
    with open(path, "rb") as file:
        head = file.read(2**12)
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return b"acTL" not in head  # which makes an animation of it
    return head[:3] == b"\xff\xd8\xff" or (is_webp(path) and not is_animated(path))


def photo(path: str) -> Picture:
    """The picture, upright and on white. Raises Unreadable for one that is damaged or larger than MAX_PIXELS."""
    from PIL import Image, ImageOps

    name = Path(path).name
    Image.MAX_IMAGE_PIXELS = None  # this asks itself, with a sentence
    try:
        with Image.open(path, formats=["PNG", "JPEG", "WEBP"]) as image:
            if image.width * image.height > MAX_PIXELS:
                large = f"{image.width} x {image.height} pixels, more than {MAX_PIXELS // 10**6} million"
                raise Unreadable(f"{name} has {large}; make it smaller.")
            if image.mode.startswith("I"):  # 16 bits, of which Pillow would cut off the upper half
                image = Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))
            upright = ImageOps.exif_transpose(image)
            pixels = on_ground(np.asarray(upright.convert("RGBA")))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise Unreadable(f"{name} is a damaged picture; copy or download it again.") from None
    return Picture(pixels, *pixels.shape[:2])


def table() -> Table:
    """Its one frame."""
    return Table(np.zeros(1), SECONDS, 1 / SECONDS, None, [], False)
