"""The (video, caption) pairs of a benchmark, and the batches of them that each process trains on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch.utils.data import DataLoader, Dataset

from .. import datasets
from ..benchmarks import FinetuneConfig
from ..datasets.captioned import find_files
from ..frames import FrameCache, TrainingPairs, held_out
from .distributed import Process


class Batch(NamedTuple):
    """Of one process. pairs: indices into the captions. frames uint8 [video frame h w 3], mask bool [video frame]."""

    pairs: np.ndarray
    frames: np.ndarray
    mask: np.ndarray


class Batches(Dataset):
    """Batch number `step` of this process. It depends on the seed and the step alone, so a run can be resumed."""

    def __init__(
        self,
        pairs: TrainingPairs,
        cache: FrameCache | None,
        batch: int,
        seed: int,
        process: int = 0,
        processes: int = 1,
    ) -> None:
        """cache: None gives the indices only. batch: pairs of all processes together.

        Raises ValueError where the batch cannot be dealt out evenly, or is more than there is.
        """
        if batch % processes:
            raise ValueError(f"A batch of {batch} pairs cannot be dealt evenly to {processes} processes.")
        if batch > len(pairs.captions):
            raise ValueError(
                f"A batch of {batch} is more than the {len(pairs.captions)} pairs: pass --batch."
            )
        self.pairs, self.cache, self.batch, self.seed = pairs, cache, batch, seed
        self.own = slice(process * batch // processes, (process + 1) * batch // processes)

    @property
    def an_epoch(self) -> int:
        """Steps that see all pairs once, but for those that fill no batch."""
        return len(self.pairs.captions) // self.batch

    def indices(self, step: int) -> np.ndarray:
        """The pairs of all processes at a step."""
        epoch, place = divmod(step, self.an_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.pairs.captions))
        return order[place * self.batch : (place + 1) * self.batch]

    def __getitem__(self, step: int) -> Batch:
        rows = self.indices(step)[self.own]
        if self.cache is None:
            return Batch(rows, np.empty(0), np.empty(0))
        clips = [self.cache.load(self.pairs.places[i]) for i in self.pairs.owner[rows]]
        frames, mask = zip(*clips, strict=True)
        return Batch(rows, np.stack(frames), np.stack(mask))


class ReadAhead:
    """Batches in the order of their steps, read ahead by other processes."""

    def __init__(self, batches: Batches, steps: int, workers: int) -> None:
        """steps: of the whole training. workers: processes, 0 reads where a batch is asked for."""
        self.batches, self.steps, self.workers = batches, steps, workers
        self._next, self._loader = -1, iter(())

    def __getitem__(self, step: int) -> Batch:
        if not self.workers:
            return self.batches[step]
        if step != self._next:  # the first batch of this run
            self._loader = self._read(step)
        self._next = step + 1
        return next(self._loader)

    def _read(self, step: int) -> Iterator[Batch]:
        return iter(DataLoader(
            self.batches, batch_size=None, sampler=range(step, self.steps), num_workers=self.workers,
            collate_fn=_as_it_is, multiprocessing_context="spawn",
        ))  # fmt: skip


def _as_it_is(batch: object) -> object:
    return batch


def read_pairs(
    config: FinetuneConfig, annotations: Path, videos: Path, cache: FrameCache, process: Process
) -> tuple[TrainingPairs, TrainingPairs, list[str]]:
    """The pairs to train on, those that select the weights, and why each missing video is missing.

    Every process decodes its share of the videos; the folder of frames must be shared by all. Raises ValueError where
    no video can be read.
    """
    from accelerate.utils import gather_object  # slow to import, and every other command does without

    captioned = datasets.read(config.data, annotations, "train")
    files, missing = find_files(captioned, videos)
    clips = [(path, clip) for clip, path in files.items()]
    errors = cache.fill(clips[process.process_index :: process.num_processes])
    missing += sorted(gather_object([f"{clip.id}: {error}" for clip, error in errors.items()]))
    places = [cache.place(files[c], c) if c in files else None for c in captioned.clips]
    kept = [i for i, place in enumerate(places) if place is not None and place.is_file()]
    if not kept:
        raise ValueError(f"None of the {len(captioned.clips)} training videos could be read in {videos}.")
    readable = captioned.only(kept)
    pairs = TrainingPairs(
        readable.captions, np.array(readable.owner), tuple(p for p in (places[i] for i in kept) if p)
    )
    aside = held_out([clip.id for clip in readable.clips], config.held_out, config.seed)
    train, selection = (
        pairs.only([i for i, out in enumerate(aside) if out == side]) for side in (False, True)
    )
    return train, selection, missing
