"""One reader a benchmark, and the bundled world (storybook/)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from . import activitynet, didemo, lsmdc, msrvtt, msvd, table
from .captioned import Captioned

# name: reader of (folder of annotations, split)
READERS: dict[str, Callable[[str | Path, str], Captioned]] = {
    "msrvtt": msrvtt.read_9k,
    "msrvtt-7k": msrvtt.read_7k,
    "msrvtt-full": msrvtt.read_full,
    "msvd": msvd.read,
    "lsmdc": lsmdc.read,
    "activitynet": activitynet.read,
    "didemo": didemo.read,
    "csv": table.read,
}


def read(name: str, annotations: str | Path, split: str) -> Captioned:
    """A split of a benchmark from its annotation files.

    annotations: their folder (for "csv" a file will do). Raises FileNotFoundError for files that are not there,
    ValueError for an unknown name or split and for files of another form.
    """
    if name not in READERS:
        raise ValueError(f"There is no data set {name!r}: choose {', '.join(READERS)}.")
    if not Path(annotations).exists():
        raise FileNotFoundError(f"There is no folder of annotations {annotations}.")
    return READERS[name](annotations, split)
