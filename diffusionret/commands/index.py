"""`index`: with progress on standard error, and what went wrong at the end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..spans import DEFAULT
from .options import Device, Model
from .progress import FileProgress

if TYPE_CHECKING:
    from ..index import IndexReport


def index(
    videos: Annotated[
        Path, typer.Argument(help="a folder of videos (and captions.csv, if you have one), or a file")
    ],
    gallery: Annotated[Path, typer.Option(help="folder to make or update")],
    model: Model,
    device: Device = "auto",
    timeout: Annotated[
        float, typer.Option(help="seconds that a file may take, and of a long one every span")
    ] = 30.0,
    spans: Annotated[
        str,
        typer.Option(
            help="how long videos are divided: windows of so many seconds (4s to 3600s) that overlap, shots, or whole"
        ),
    ] = DEFAULT,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="forget files that are not there any more (else they stay, marked absent)"
        ),
    ] = False,
) -> int:
    """Make or update a gallery from a folder of videos.

    A gallery keeps to one model. A long video is searched by its spans, a short one as a whole; another --spans
    than before reads long videos anew. The exit status is 1 where every file failed.

    \b
    Examples:
      python -m diffusionret index my_videos --gallery my_gallery --model clip:ViT-B-32-quickgelu:openai
      python -m diffusionret index my_videos --gallery my_gallery --model msrvtt --prune
      python -m diffusionret index my_films --gallery my_gallery --model msrvtt --spans shots
    """
    from ..checkpoint import load_model
    from ..index import index_folder

    loaded = load_model(model, device)
    with FileProgress("videos") as progress:
        report = index_folder(
            videos,
            gallery,
            loaded,
            model,
            lambda p: progress.show(p.done, p.total, p.failed, p.part),
            timeout,
            prune=prune,
            spans=spans,
        )
    print(outcome(report))
    return 1 if report.failures and not report.added + report.unchanged else 0


def outcome(report: IndexReport) -> str:
    """A line of counts, and a line for everything that went wrong."""
    added = f"{report.added} added"
    added += f" ({report.spans} spans)" if report.spans > report.added else ""
    counts = [added, f"{report.unchanged} unchanged", f"{len(report.failures)} failed"]
    counts += [f"{report.moved} found under another name"] if report.moved else []
    counts += [f"{report.absent} absent (kept; --prune forgets them)"] if report.absent else []
    counts += [f"{report.forgotten} forgotten"] if report.forgotten else []
    wrong = [*(failure.reason for failure in report.failures), *report.notes]
    return "\n  ".join([f"{', '.join(counts)}; {report.seconds:.0f} s", *wrong])
