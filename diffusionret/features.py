"""Features of a benchmark's clips: read, encoded, and cached by content."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from .datasets.captioned import Captioned, Clip, VideoFolder
from .encoders import TextFeatures, VideoFeatures, folded
from .model import DiffusionRet
from .video import VideoError, VideoFrames, read_frames

CACHE = Path.home() / ".cache" / "diffusionret" / "features"
BATCH = 16  # clips encoded together
CAPTIONS = 256  # captions encoded together


class Encoded(NamedTuple):
    """A split as features. captioned: what could be read of it. missing: why each other video could not."""

    captioned: Captioned
    text: TextFeatures
    video: VideoFeatures
    missing: list[str]


def encode_split(
    model: DiffusionRet, captioned: Captioned, videos: Path, cache: Path = CACHE, timeout: float = 60.0
) -> Encoded:
    """Features of the captions and clips of a split, on the model's device.

    videos: folder of the files. cache: folder where the features of each clip are kept, under a name made of the
    model's weights, the file's content and the moment: another file or model never meets them, and an interrupted
    run goes on. Videos that are absent or unreadable are listed in `missing`. timeout: seconds a file.
    Raises ValueError where no video can be read.
    """
    folder, digest = VideoFolder(videos), model_digest(model)
    cache.mkdir(parents=True, exist_ok=True)
    missing = [f"{video}: no caption" for video in captioned.uncaptioned]
    content: dict[Path, str] = {}
    todo, places = [], {}
    for i, clip in enumerate(captioned.clips):
        path = folder.find(clip.id)
        if path is None:
            missing.append(f"{clip.id}: no file")
            continue
        if path not in content:
            content[path] = file_digest(path)
        key = json.dumps([digest, content[path], clip.start, clip.end])
        places[i] = cache / f"{hashlib.sha256(key.encode()).hexdigest()}.safetensors"
        if not places[i].is_file():
            todo.append((i, path, clip))
    for i, error in _encode(model, todo, places, timeout):
        missing.append(f"{captioned.clips[i].id}: {error}")
        del places[i]
    if not places:
        raise ValueError(
            f"None of the {len(captioned.clips)} videos of {captioned.name} could be read in {videos}."
        )
    kept = captioned.only(sorted(places))
    parts = [load_file(places[i]) for i in sorted(places)]
    frames, mask = (torch.stack([part[key] for part in parts]).to(model.device) for key in ("frames", "mask"))
    return Encoded(kept, encode_captions(model, kept.captions), VideoFeatures(frames, mask), missing)


@torch.no_grad()
def encode_captions(model: DiffusionRet, captions: Sequence[str]) -> TextFeatures:
    """Features of any number of sentences, a few at a time."""
    parts = [model.encode_text(captions[i : i + CAPTIONS]) for i in range(0, len(captions), CAPTIONS)]
    return TextFeatures(*(torch.cat(part) for part in zip(*parts, strict=True)))


@torch.no_grad()
def _encode(
    model: DiffusionRet, todo: Sequence[tuple[int, Path, Clip]], places: dict[int, Path], timeout: float
) -> Iterator[tuple[int, VideoError]]:
    """Write the features of clips to their `places`; yield those that cannot be read."""
    config = model.config

    def read(item: tuple[int, Path, Clip]) -> VideoFrames | VideoError:
        _, path, clip = item
        try:
            return read_frames(
                path, config.frame_rule, config.frames, config.clip.image_size,
                clip.start, clip.end, timeout, crop=True,
            )  # fmt: skip
        except VideoError as error:
            return error

    tower = folded(model.towers.visual)
    with ThreadPoolExecutor(os.cpu_count()) as readers:
        for start in range(0, len(todo), BATCH):
            group, good = todo[start : start + BATCH], []
            for (i, _, _), clip in zip(group, readers.map(read, group), strict=True):
                if isinstance(clip, VideoError):
                    yield i, clip
                else:
                    good.append((i, clip))
            if not good:
                continue
            mask = torch.from_numpy(np.stack([clip.mask for _, clip in good])).to(model.device)
            frames = torch.from_numpy(np.stack([clip.frames for _, clip in good])).to(model.device)
            # As published, padding is zero after normalisation too.
            pictures = model.preprocess(frames) * mask[..., None, None, None]
            video = model.encode_frames(pictures, mask.long(), tower)
            for k, (i, _) in enumerate(good):
                part = places[i].with_suffix(f".{os.getpid()}")
                save_file({"frames": video.frames[k].float().cpu(), "mask": video.mask[k].cpu()}, part)
                part.replace(places[i])


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def model_digest(model: DiffusionRet) -> str:
    """SHA-256 of all that decides a clip's features: how it is read, the image tower, the temporal transformer."""
    config = model.config
    rule = [config.frame_rule, config.frames, config.image_mean, config.image_std, config.feature_norm]
    digest = hashlib.sha256(json.dumps([rule, config.to_dict()["clip"]]).encode())
    for name, value in sorted(model.state_dict().items()):
        if name.startswith(("towers.visual.", "temporal.")):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
