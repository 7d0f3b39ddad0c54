"""A picture or a short clip as a question: read within limits, in the child that decodes, and encoded as videos are."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from .encoders import VideoFeatures
from .encoding import encode_videos
from .model import DiffusionRet
from .query import check_number
from .video import VideoError, printable, read_frames

MOST_BYTES = 50_000_000
MOST_SECONDS = 60.0  # of a clip


@torch.no_grad()
def example_features(
    model: DiffusionRet, path: str | os.PathLike[str], timeout: float = 30.0
) -> VideoFeatures:
    """Features of one picture (PNG, JPEG, WebP) or clip (whatever `video.py` reads), on the CPU: [1 frame dim].

    timeout: seconds that reading may take. Raises ValueError with one sentence for a file that is larger than
    MOST_BYTES, longer than MOST_SECONDS, or that cannot be read.
    """
    name = printable(Path(path).name)
    try:
        size = Path(path).stat().st_size
    except (OSError, ValueError):
        raise ValueError(f"{name} cannot be opened: check the path.") from None
    if size > MOST_BYTES:
        raise ValueError(
            f"{name} has {size / 1e6:,.0f} MB: search with a picture or clip of at most {MOST_BYTES // 10**6} MB."
        )
    config = model.config
    try:
        clip = read_frames(
            path,
            config.frame_rule,
            config.frames,
            config.clip.image_size,
            timeout=timeout,
            crop=True,
            longest=MOST_SECONDS,
        )
    except VideoError as error:
        raise ValueError(str(error)) from None
    return encode_videos(model, [clip])


def check_example(features: VideoFeatures, dim: int) -> None:
    """Raises ValueError where `features` are not those of one video, of `dim` numbers a frame."""
    videos, _, numbers = features.frames.shape
    if (videos, numbers) != (1, dim):
        raise ValueError(
            f"Ask by the features of one video, [1 frame {dim}], not {[*features.frames.shape]}."
        )
    check_number("real frames", int(features.mask.sum()), 1)
