"""`train`: records as they come, on standard output and in the file beside the weights."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..benchmarks import BENCHMARKS
from ..config import PRESETS
from ..datasets.storybook.clips import CACHE as CLIPS
from ..frames import CACHE as FRAMES
from .options import Annotations, Device, Videos, choices

if TYPE_CHECKING:
    from ..training.loop import Loop
    from ..training.records import Record

NAMES = sorted(PRESETS | BENCHMARKS)
PRECISIONS = ("no", "bf16", "fp16")


def train(
    preset: Annotated[
        str, typer.Option(help=f"which stage of which model: {', '.join(NAMES)}", **choices(NAMES))
    ],
    runs: Annotated[Path, typer.Option(help="folder of checkpoints")] = Path("runs"),
    cache: Annotated[Path, typer.Option(help="folder of drawn clips")] = CLIPS,
    families: Annotated[int, typer.Option(help="training clips / 4")] = 12000,
    steps: Annotated[
        int | None, typer.Option(help="instead of the preset's number", show_default=False)
    ] = None,
    batch: Annotated[int | None, typer.Option(help="instead of the preset's", show_default=False)] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="instead of the preset's: the result goes to a folder of its own", show_default=False
        ),
    ] = None,
    compiled: Annotated[
        bool, typer.Option("--compile", help="compile the image tower (a fifth faster)")
    ] = False,
    device: Device = "auto",
    annotations: Annotations = None,
    videos: Videos = None,
    init: Annotated[
        str | None,
        typer.Option(help="of a benchmark: model to start from instead of the preset's", show_default=False),
    ] = None,
    precision: Annotated[
        str, typer.Option(help="of a benchmark: no, bf16 or fp16", **choices(PRECISIONS))
    ] = "bf16",
    chunk: Annotated[
        int | None,
        typer.Option(
            help="of a benchmark: pairs that a process encodes at once (less memory, same result)",
            show_default=False,
        ),
    ] = None,
    frame_cache: Annotated[Path, typer.Option(help="of a benchmark: folder of decoded frames")] = FRAMES,
    workers: Annotated[int, typer.Option(help="of a benchmark: processes that read frames ahead")] = 4,
) -> None:
    """Train one stage of a preset, or go on with it.

    Standard output has one JSON record a line, records.jsonl beside the weights the same.

    \b
    Examples:
      python -m diffusionret train --preset storybook-1 --families 6000
      python -m diffusionret train --preset msrvtt-1 --annotations DIR --videos DIR
    """
    from ..training.run import BenchmarkOptions, benchmark_run, storybook_loop

    if preset not in BENCHMARKS:
        _print_records(storybook_loop(preset, runs, cache, families, steps, batch, seed, compiled, device))
        return
    options = BenchmarkOptions(
        annotations, videos, frame_cache, steps, batch, seed, init, precision, chunk, workers, device
    )
    with benchmark_run(preset, runs, options) as run:
        if run.loop.process.is_main_process:
            print(run.about, file=sys.stderr)
        _print_records(run.loop, run.log)


def _print_records(loop: Loop, log: Callable[[Record], None] | None = None) -> None:
    """Run a loop to its end; its records go to standard output, to the folder's file and to `log`.

    Raises KeyboardInterrupt where it was stopped before its end.
    """
    from ..training import records
    from ..training.interruption import interruption

    with interruption(loop) as stop:
        for record in loop.records(stop):
            if log:
                log(record)
            if loop.process.is_main_process:
                line = records.line(record)
                print(line, flush=True)
                records.append(loop.folder, line)
        if stop() and not loop.is_over:
            print(f"stopped at step {loop.step}; the same command goes on from there", file=sys.stderr)
            raise KeyboardInterrupt
