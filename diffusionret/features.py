"""Features of a benchmark's clips: read, encoded, and cached by content."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from .datasets.captioned import Captioned, Clip, find_files
from .digest import file_digest, text_digest
from .encoders import TextFeatures, VideoFeatures, folded
from .encoding import encode_videos
from .frames import read_clip
from .model import DiffusionRet
from .video import VideoError, VideoFrames

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
    files, missing = find_files(captioned, videos)
    digest = model_digest(model)
    cache.mkdir(parents=True, exist_ok=True)
    content: dict[Path, str] = {}
    todo, places = [], {}
    for i, clip in enumerate(captioned.clips):
        if clip not in files:
            continue
        path = files[clip]
        if path not in content:
            content[path] = file_digest(path)
        key = json.dumps([digest, content[path], clip.start, clip.end])
        places[i] = cache / f"{text_digest(key)}.safetensors"
        if not is_whole(places[i]):
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


def is_whole(place: Path) -> bool:
    """Whether cached features are there, and not cut off as by a full disk or a lost machine."""
    try:
        with safe_open(place, "pt") as file:  # compares the file's length with its head
            return {*file.keys()} >= {"frames", "mask"}
    except (OSError, SafetensorError):
        return False


@torch.no_grad()
def encode_captions(model: DiffusionRet, captions: Sequence[str]) -> TextFeatures:
    """Features of any number of sentences, a few at a time."""
    parts = [model.encode_text(captions[i : i + CAPTIONS]) for i in range(0, len(captions), CAPTIONS)]
    return TextFeatures(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _encode(
    model: DiffusionRet, todo: Sequence[tuple[int, Path, Clip]], places: dict[int, Path], timeout: float
) -> Iterator[tuple[int, VideoError]]:
    """Write the features of clips to their `places`; yield those that cannot be read."""

    def read(item: tuple[int, Path, Clip]) -> VideoFrames | VideoError:
        _, path, clip = item
        try:
            return read_clip(path, clip, model.config, timeout)
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
            video = encode_videos(model, [clip for _, clip in good], tower)
            for k, (i, _) in enumerate(good):
                part = places[i].with_suffix(f".{os.getpid()}")
                save_file({"frames": video.frames[k], "mask": video.mask[k]}, part)
                part.replace(places[i])


def model_digest(model: DiffusionRet) -> str:
    """SHA-256 of all that decides a clip's features: how it is read, the image tower, the temporal transformer.

    Unlike a gallery's fingerprint it is exact and leaves the text tower out: what is measured must never come from
    another model's features, and other words do not change them.
    """
    config = model.config
    rule = [config.frame_rule, config.frames, config.image_mean, config.image_std, config.feature_norm]
    digest = hashlib.sha256(json.dumps([rule, config.to_dict()["clip"]]).encode())
    for name, value in sorted(model.state_dict().items()):
        if name.startswith(("towers.visual.", "temporal.")):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
