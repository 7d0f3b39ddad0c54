"""`python -m diffusionret train`: one stage of a preset, from its start or from where it was stopped."""

from __future__ import annotations

import argparse
import math
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch

from ..benchmarks import BENCHMARKS
from ..config import PRESETS
from ..datasets.storybook import clips
from ..frames import CACHE, FrameCache
from . import records
from .benchmark_pairs import read_pairs
from .benchmark_stages import BenchmarkFeatures, benchmark_stage
from .distributed import Process
from .loop import Duration, Loop, never
from .records import Record
from .start import benchmark_start, storybook_start
from .storybook_stages import storybook_stage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `run`."""
    parser.add_argument(
        "--preset", required=True, choices=sorted(PRESETS | BENCHMARKS), help="which stage of which model"
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), help="folder of checkpoints (default: runs)"
    )
    parser.add_argument("--cache", type=Path, default=clips.CACHE, help="folder of drawn clips")
    parser.add_argument("--families", type=int, default=12000, help="training clips / 4")
    parser.add_argument("--steps", type=int, help="instead of the preset's number of steps")
    parser.add_argument("--batch", type=int, help="instead of the preset's batch")
    parser.add_argument(
        "--seed", type=int, help="instead of the preset's: the result goes to a folder of its own"
    )
    parser.add_argument("--compile", action="store_true", help="compile the image tower (a fifth faster)")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    group = parser.add_argument_group("of a benchmark")
    group.add_argument("--annotations", type=Path, help="folder of its annotation files")
    group.add_argument("--videos", type=Path, help="folder of its videos, looked for at any depth")
    group.add_argument("--init", help="model to start from instead of the preset's")
    group.add_argument("--precision", default="bf16", choices=("no", "bf16", "fp16"), help="default: bf16")
    group.add_argument(
        "--chunk", type=int, help="pairs that a process encodes at once (less memory, same result)"
    )
    group.add_argument("--frame-cache", type=Path, default=CACHE, help="folder of decoded frames")
    group.add_argument("--workers", type=int, default=4, help="processes that read frames ahead (default: 4)")


def run(args: argparse.Namespace) -> None:
    """Train a preset; standard output has one JSON record a line, records.jsonl beside the weights the same.

    Raises ValueError or FileNotFoundError where something is missing or a stopped run had other settings, and
    KeyboardInterrupt where the run is interrupted.
    """
    (_benchmark if args.preset in BENCHMARKS else _storybook)(args)


def _changes(args: argparse.Namespace, *names: str) -> dict[str, int]:
    """The options among `names` that are given."""
    return {name: getattr(args, name) for name in names if getattr(args, name) is not None}


def _storybook(args: argparse.Namespace) -> None:
    preset = PRESETS[args.preset]
    config = replace(preset, **_changes(args, "steps", "batch", "seed"))
    device = ("cuda" if torch.cuda.is_available() else "cpu") if args.device == "auto" else args.device
    model = storybook_start(config, args.runs, config.seed).to(device)
    own = "" if config.seed == preset.seed else f"-seed{config.seed}"
    stage = storybook_stage(config, model, args.cache, args.families, args.compile)
    duration = Duration(config.steps, config.evaluate_every)
    _train(Loop(stage, config.optimisation, duration, args.runs / f"{config.name}{own}"))


def _benchmark(args: argparse.Namespace) -> None:
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise ValueError(
            "Training on a benchmark needs accelerate: run `pip install accelerate tensorboard`."
        ) from error

    config = replace(BENCHMARKS[args.preset], **_changes(args, "batch", "seed"))
    if args.annotations is None or args.videos is None:
        raise ValueError(
            f"Training on {config.data} needs --annotations and --videos, the folders of its files."
        )
    on_cpu = args.device == "cpu" or not torch.cuda.is_available()
    folder = args.runs / config.name
    accelerator = Accelerator(
        cpu=on_cpu,
        mixed_precision="no" if on_cpu else args.precision,
        log_with="tensorboard",
        project_dir=folder,
    )
    process = cast(Process, accelerator)
    model = benchmark_start(config, args.runs, args.init)
    cache = FrameCache(args.frame_cache, model.config)
    train, selection, missing = read_pairs(config, args.annotations, args.videos, cache, process)
    if process.is_main_process:
        about = f"{len(train.places):,} videos with {len(train.captions):,} captions train, "
        about += f"{len(selection.places):,} videos select, {len(missing):,} are missing"
        sys.stderr.write(f"{about}{': ' if missing else ''}{'; '.join(missing[:5])}\n")
    features = BenchmarkFeatures(config, model, train, selection, cache, process, args.steps)
    stage = benchmark_stage(features, args.chunk, args.workers)
    loop = Loop(stage, config.optimisation, features.duration, folder, process)
    accelerator.init_trackers("logs")

    def log(record: Record) -> None:
        finite = {name: x for name, x in records.values(record).items() if math.isfinite(x)}
        accelerator.log(finite, step=record.step)

    _train(loop, log)
    accelerator.end_training()


def _train(loop: Loop, log: Callable[[Record], None] | None = None) -> None:
    """Run a loop to its end; its records go to standard output, to the folder's file and to `log`."""
    with interruption(loop) as stop:
        for record in loop.records(stop):
            if log:
                log(record)
            if loop.process.is_main_process:
                line = records.line(record)
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
                records.append(loop.folder, line)
        if stop() and not loop.is_over:
            sys.stderr.write(f"stopped at step {loop.step}; the same command goes on from there\n")
            raise KeyboardInterrupt


@contextmanager
def interruption(loop: Loop) -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C has been pressed: the step that runs is finished and its state written. A second one interrupts
    at once, and so does the first where several processes would have to agree on the step."""
    if loop.process.num_processes > 1:
        yield never
        return
    pressed = False

    def press(number: int, frame: object) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)
