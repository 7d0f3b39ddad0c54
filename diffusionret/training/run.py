"""A run of training: one stage of a preset put together, from its start or from where it was stopped."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, cast

from ..benchmarks import BENCHMARKS
from ..checkpoint import pick_device
from ..config import PRESETS
from ..frames import FrameCache
from . import records
from .benchmark_pairs import read_pairs
from .benchmark_stages import BenchmarkFeatures, benchmark_stage
from .distributed import Process
from .loop import Duration, Loop
from .records import Record
from .start import benchmark_start, storybook_start
from .storybook import storybook_stage


def storybook_loop(
    preset: str,
    runs: Path,
    cache: Path,
    families: int,
    steps: int | None = None,
    batch: int | None = None,
    seed: int | None = None,
    compiled: bool = False,
    device: str = "auto",
) -> Loop:
    """The loop of a stage on Storybook, in its folder below `runs`: one of its own with another seed than the preset's.

    preset: its name. cache: folder of drawn clips. families: training clips / 4. steps, batch, seed: None for the
    preset's. compiled: whether to compile the image tower. device: see `pick_device`.
    Raises ValueError or FileNotFoundError where something is missing or a stopped run had other settings.
    """
    usual, where = PRESETS[preset], pick_device(device)
    config = replace(usual, **_given(steps=steps, batch=batch, seed=seed))
    model = storybook_start(config, runs, config.seed).to(where)
    own = "" if config.seed == usual.seed else f"-seed{config.seed}"
    stage = storybook_stage(config, model, cache, families, compiled)
    duration = Duration(config.steps, config.evaluate_every)
    return Loop(stage, config.optimisation, duration, runs / f"{config.name}{own}")


@dataclass(frozen=True)
class BenchmarkOptions:
    """What a run on a benchmark may be told beside its preset.

    annotations, videos: folders of the benchmark's files. frame_cache: folder of decoded frames. steps, batch, seed:
    None for the preset's. init: the model to start from, None for the preset's. precision: of the towers on a GPU, no,
    bf16 or fp16. chunk: pairs that a process encodes at once, None for all of its part. workers: processes that read
    frames ahead. device: see `pick_device`.
    """

    annotations: Path | None
    videos: Path | None
    frame_cache: Path
    steps: int | None = None
    batch: int | None = None
    seed: int | None = None
    init: str | None = None
    precision: str = "bf16"
    chunk: int | None = None
    workers: int = 4
    device: str = "auto"


class BenchmarkRun(NamedTuple):
    """loop: ready to run. log: adds a record to TensorBoard's. about: a sentence about the data."""

    loop: Loop
    log: Callable[[Record], None]
    about: str


@contextmanager
def benchmark_run(preset: str, runs: Path, options: BenchmarkOptions) -> Iterator[BenchmarkRun]:
    """A stage on a benchmark, in this process or as one of many (see distributed.py).

    Raises ValueError or FileNotFoundError where something is missing or a stopped run had other settings.
    """
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise ValueError(
            "Training on a benchmark needs accelerate: run `pip install accelerate tensorboard`."
        ) from error

    config = replace(BENCHMARKS[preset], **_given(batch=options.batch, seed=options.seed))
    if options.annotations is None or options.videos is None:
        raise ValueError(
            f"Training on {config.data} needs --annotations and --videos, the folders of its files."
        )
    on_cpu = pick_device(options.device).type == "cpu"
    folder = runs / config.name
    accelerator = Accelerator(
        cpu=on_cpu,
        mixed_precision="no" if on_cpu else options.precision,
        log_with="tensorboard",
        project_dir=folder,
    )
    process = cast(Process, accelerator)
    model = benchmark_start(config, runs, options.init)
    cache = FrameCache(options.frame_cache, model.config)
    train, selection, missing = read_pairs(config, options.annotations, options.videos, cache, process)
    about = f"{len(train.places):,} videos with {len(train.captions):,} captions train, "
    about += f"{len(selection.places):,} videos select, {len(missing):,} are missing"
    about += f": {'; '.join(missing[:5])}" if missing else ""
    features = BenchmarkFeatures(config, model, train, selection, cache, process, options.steps)
    stage = benchmark_stage(features, options.chunk, options.workers)
    loop = Loop(stage, config.optimisation, features.duration, folder, process)
    accelerator.init_trackers("logs")

    def log(record: Record) -> None:
        finite = {name: x for name, x in records.values(record).items() if math.isfinite(x)}
        accelerator.log(finite, step=record.step)

    yield BenchmarkRun(loop, log, about)
    accelerator.end_training()


def _given(**changes: int | None) -> dict[str, int]:
    """Those that are not None."""
    return {name: value for name, value in changes.items() if value is not None}
