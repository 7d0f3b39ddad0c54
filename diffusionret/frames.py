"""Frames of a benchmark's training clips, decoded once and kept on disk, and the captions that they belong to."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .config import ModelConfig
from .datasets.captioned import Clip, captions_of
from .digest import text_digest
from .video import VideoError, VideoFrames, read_frames

CACHE = Path.home() / ".cache" / "diffusionret" / "frames"
HELD_OUT = 1000  # videos, at most


def read_clip(video: Path, clip: Clip, config: ModelConfig, timeout: float) -> VideoFrames:
    """The frames of a clip that a model looks at, at the size that it sees. timeout: seconds. Raises VideoError."""
    return read_frames(
        video, config.frame_rule, config.frames, config.clip.image_size, clip.start, clip.end, timeout, crop=True
    )  # fmt: skip


def is_whole(place: Path) -> bool:
    """Whether a cached array is there, and not cut off as by a full disk or a lost machine."""
    try:
        return np.load(place, mmap_mode="r").ndim > 0
    except (OSError, ValueError, EOFError):
        return False


class FrameCache:
    """Clips as uint8 frames in a folder, a file each, so that decoding does not starve the GPU.

    A file's name is made of the video's path, size and time of change, the moment, and how frames are chosen: a
    changed video is read anew. A clip takes 0.15 MB a frame at 224 pixels, so 16 GB for the 9,000 of MSR-VTT.
    """

    def __init__(self, folder: Path, config: ModelConfig) -> None:
        self.folder, self.config = folder, config
        folder.mkdir(parents=True, exist_ok=True)

    def place(self, video: Path, clip: Clip) -> Path:
        """Where the frames of a clip lie, or will."""
        state = video.stat()
        key = [str(video.resolve()), state.st_size, state.st_mtime_ns, clip.start, clip.end]
        key += [self.config.frame_rule, self.config.frames, self.config.clip.image_size]
        return self.folder / f"{text_digest(json.dumps(key))}.npy"

    def fill(self, wanted: Sequence[tuple[Path, Clip]], timeout: float = 60.0) -> dict[Clip, str]:
        """Decode what is not there yet, on all cores; why each unreadable clip could not be read."""

        def one(item: tuple[Path, Clip]) -> str:
            video, clip = item
            place = self.place(video, clip)
            if is_whole(place):
                return ""
            try:
                found = read_clip(video, clip, self.config, timeout)
            except VideoError as error:
                return str(error)
            part = place.with_suffix(f".{os.getpid()}")
            with part.open("wb") as file:  # np.save would append .npy to a name
                np.save(file, found.frames[found.mask])
            part.replace(place)
            return ""

        with ThreadPoolExecutor(os.cpu_count()) as readers:
            errors = readers.map(one, wanted)
            return {clip: error for (_, clip), error in zip(wanted, errors, strict=True) if error}

    def load(self, place: Path) -> tuple[np.ndarray, np.ndarray]:
        """The frames of a clip, uint8 [frame h w 3], black ones after its last, and bool [frame]: which are real."""
        real = np.load(place)
        count = self.config.frames
        frames = np.zeros((count, *real.shape[1:]), np.uint8)
        frames[: len(real)] = real
        return frames, np.arange(count) < len(real)


@dataclass(frozen=True)
class TrainingPairs:
    """Captions and the clips they belong to: captions[i] describes clip owner[i], whose frames lie at places[…]."""

    captions: tuple[str, ...]
    owner: np.ndarray
    places: tuple[Path, ...]

    def only(self, kept: Sequence[int]) -> TrainingPairs:
        """The clips with indices `kept`, in that order, and their captions."""
        captions, owner = captions_of(kept, self.captions, self.owner.tolist())
        return TrainingPairs(captions, np.array(owner, dtype=np.int64), tuple(self.places[i] for i in kept))


def held_out(videos: Sequence[str], share: float, seed: int) -> list[bool]:
    """Which of the videos select the weights instead of training them: the same ones for the same names and seed.

    Moments of one video stay together. Raises ValueError where there are fewer than two videos.
    """
    names = sorted(set(videos), key=lambda video: text_digest(f"{seed} {video}"))
    if len(names) < 2:
        raise ValueError("Training needs two readable videos at least: one of them selects the weights.")
    kept = set(names[: max(1, min(HELD_OUT, round(share * len(names))))])
    return [video in kept for video in videos]
