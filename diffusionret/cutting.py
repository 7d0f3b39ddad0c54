"""Cutting a part out of a video, by a process of its own (excerpt.py) that may die."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from .children import PACKAGE, VideoError, printable
from .video import check_timeout

PROGRAM = f"{PACKAGE}from diffusionret.excerpt import main; main()"

LONGEST = 3600.0  # seconds of a part
SUFFIX = ".mp4"
SECONDS = 600.0  # that cutting may take


def cut(
    video: str | os.PathLike[str],
    start: float,
    end: float,
    out: str | os.PathLike[str],
    timeout: float = SECONDS,
) -> bool:
    """Write what a video shows from `start` to before `end`, in seconds, as a file of its own, with its sound.

    out: an MP4 that does not exist yet. timeout: seconds that this may take, of the clock and of the processor's cores
    together four times as much.
    Returns True where the pictures were copied as they are, because the part begins with a key frame, False where they
    had to be encoded anew. Whatever goes wrong, nothing is left at `out`.
    Raises ValueError for a part that makes no sense and for another ending, FileExistsError where there is something,
    VideoError where the video cannot be cut.
    """
    check_timeout(timeout)
    video, out = Path(video), Path(out)
    if not (math.isfinite(start) and math.isfinite(end) and 0 <= start < end):
        raise ValueError(f"A part from {start} s to {end} s makes no sense: give a start and a later end.")
    if end - start > LONGEST:
        raise ValueError(f"The part is {end - start:.0f} s long: cut at most {LONGEST:.0f} s at once.")
    if out.suffix.lower() != SUFFIX:
        raise ValueError(f"{printable(out.name)} is no name of a part: let it end in {SUFFIX}.")
    if os.path.lexists(out):
        raise FileExistsError(f"There is a {printable(str(out))} already: choose another name.")
    name = printable(video.name)
    if not video.is_file():
        raise VideoError(f"{name} is not there; check the path.", video)
    with tempfile.TemporaryDirectory(prefix=".cut-", dir=out.parent) as folder:
        part = Path(folder) / f"part{SUFFIX}"
        what = [
            str(video.resolve()),
            repr(float(start)),
            repr(float(end)),
            str(part),
            str(math.ceil(4 * timeout)),
        ]
        try:
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM, str(Path(__file__).parent), *what],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=timeout,
                env={**os.environ, "PYTHONSAFEPATH": "1"},
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise VideoError(
                f"Cutting {name} was given up after {timeout:g} s; cut a shorter part.", video
            ) from None
        answer = _answer(done.stdout)
        if "sentence" in answer:
            raise VideoError(str(answer["sentence"]), video)
        if done.returncode or "how" not in answer or not part.is_file():
            why = f" ({printable(str(answer['error']))[:200]})" if "error" in answer else ""
            raise VideoError(f"{name} cannot be cut there{why}; try another part of it.", video)
        part.replace(out)
    return answer["how"] == "copied"


def _answer(line: bytes) -> dict:
    try:
        answer = json.loads(line)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
