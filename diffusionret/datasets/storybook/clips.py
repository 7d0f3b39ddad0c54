"""Clips of Storybook as arrays: the evaluated splits, and training batches with relatives as hard negatives."""

from __future__ import annotations

import logging
import multiprocessing
import os
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import captions, lessons, truth, world
from .world import Scene

logger = logging.getLogger(__name__)
# Of drawn clips. Whatever changes how they look raises the number, so that no old drawing is taken for a new one.
CACHE = Path.home() / ".cache" / "diffusionret" / "storybook-2"
FAMILY = 4  # clips of a family: a scene and relatives that differ in one attribute each


def frame_times(count: int) -> list[float]:
    """Where the even rule looks at a clip: the centre of each of `count` equal segments."""
    return [(i + 0.5) / count for i in range(count)]


def clip_frames(scene: Scene, frames: int, size: int) -> np.ndarray:
    """uint8 [frame size size 3], drawn at the times of the even rule. Raises ValueError without skia-python."""
    try:
        from .render import render_clip
    except ImportError as error:
        raise ValueError("Drawing Storybook needs skia-python: run `pip install skia-python`.") from error

    return render_clip(scene, frame_times(frames), size)


def render_scenes(scenes: list[Scene], file: Path, frames: int, size: int) -> np.ndarray:
    """The frames of many clips, uint8 [clip frame size size 3], memory-mapped from `file` (drawn when absent or cut
    off)."""
    try:
        return np.load(file, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}")  # its own, since several trainings may draw the same
        array = np.lib.format.open_memmap(
            part, mode="w+", dtype=np.uint8, shape=(len(scenes), frames, size, size, 3)
        )
        try:
            start = time.monotonic()
            for i, clip in enumerate(_draw_all(scenes, partial(clip_frames, frames=frames, size=size))):
                array[i] = clip
                if (i + 1) % 2000 == 0:
                    left = (time.monotonic() - start) * (len(scenes) / (i + 1) - 1)
                    logger.info("drew %d of %d clips, %.1f minutes left", i + 1, len(scenes), left / 60)
        except BaseException:
            part.unlink()
            raise
        array.flush()
        part.rename(file)
    return np.load(file, mmap_mode="r")


def _draw_all(scenes: list[Scene], draw: Callable[[Scene], np.ndarray]) -> Iterator[np.ndarray]:
    if len(scenes) < 2000:  # drawn sooner than workers have started
        yield from map(draw, scenes)
        return
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        yield from pool.imap(draw, scenes, chunksize=64)


def split_frames(name: str, cache: Path, frames: int, size: int, look: str = "storybook") -> np.ndarray:
    """The clips of an evaluated split, uint8 [clip frame size size 3], drawn once into `cache`."""
    file = cache / f"{look}-{name}-{frames}x{size}.npy"
    return render_scenes(list(world.split(name, look)), file, frames, size)


class Batch(NamedTuple):
    """indices [clip] into the training clips; a text and a wrong text for each, and what they say; fits [text clip]:
    which are true."""

    indices: np.ndarray
    scenes: list[Scene]
    texts: list[captions.Caption]
    wrong: list[captions.Caption]
    fits: np.ndarray


class TrainingClips:
    """Training clips in families, drawn once into `cache`; captions are written anew for every batch."""

    def __init__(
        self, cache: Path, families: int, frames: int, size: int, seed: int = 0, look: str = "storybook"
    ):
        self.look = look
        self.families = [
            world.family(random.Random(f"train {look} {seed} {i}"), FAMILY, look)[0] for i in range(families)
        ]
        file = cache / f"{look}-train{seed}-{families}-{frames}x{size}.npy"
        self.scenes = [scene for members in self.families for scene in members]
        self.frames = render_scenes(self.scenes, file, frames, size)

    def __len__(self) -> int:
        return len(self.frames)

    def batch(self, step: int, size: int, seed: int, omit: float, relatives: int = FAMILY) -> Batch:
        """Batch number `step`, the same whenever it is asked for; a family stands in one batch an epoch.

        relatives: how many clips of a family stand in a batch together (1: clips on their own).
        omit: each caption draws from [0, omit] the probability with which it leaves a circumstance out.
        """
        count = size // relatives
        epoch, place = divmod(step, max(1, len(self.families) // count))
        order = list(range(len(self.families)))
        random.Random(f"epoch {seed} {epoch}").shuffle(order)
        rng = random.Random(f"batch {seed} {step}")
        indices: list[int] = []
        for family in order[place * count : (place + 1) * count]:
            indices += [FAMILY * family + i for i in sorted(rng.sample(range(FAMILY), relatives))]
        scenes = [self.scenes[i] for i in indices]
        written, wrong = [], []
        for scene in scenes:
            facts = captions.write(scene, rng, rng.uniform(0, omit), style=self.look).facts
            wording = rng.getrandbits(31)  # the same for both
            written.append(captions.compose(facts, random.Random(wording), self.look))
            wrong.append(captions.compose(lessons.wrong(facts, rng), random.Random(wording), self.look))
        return Batch(np.array(indices), scenes, written, wrong, truth.fit_matrix(written, scenes))
