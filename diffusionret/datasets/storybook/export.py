"""Storybook clips as video files that any browser plays, with their captions."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av

from . import captions
from .render import duration, render_clip
from .world import Scene

FPS = 15


def write_video(scene: Scene, file: Path, size: int = 256, crf: int = 29) -> None:
    """One clip as H.264 in mp4 (yuv420p, index first so that it plays while loading). crf: smaller is finer."""
    count = round(duration(scene) * FPS)
    with av.open(str(file), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream(
            "libx264", rate=FPS, options={"crf": str(crf), "preset": "medium", "threads": "1"}
        )
        stream.width = stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, FPS)
        for picture in render_clip(scene, [(i + 0.5) / count for i in range(count)], size):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def export(
    scenes: Iterable[Scene],
    folder: Path,
    size: int = 256,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write NNNN.mp4 for every scene, and captions.csv (video, caption) with the canonical captions; the videos.

    progress is called after every clip, with how many are written and how many will be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scenes = list(scenes)
    files = [folder / f"{i:04d}.mp4" for i in range(len(scenes))]
    for i, (scene, file) in enumerate(zip(scenes, files, strict=True)):
        write_video(scene, file, size)
        if progress:
            progress(i + 1, len(scenes))
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(("video", "caption"))
        writer.writerows((f.name, captions.canonical(s).text) for f, s in zip(files, scenes, strict=True))
    return files
