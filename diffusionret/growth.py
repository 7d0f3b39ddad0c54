"""Files that are still being written: a download, a copy, a recording. Nothing says so but that they change."""

from __future__ import annotations

import os
import time
from threading import Event

QUIET = 2.0  # seconds without a change, after which a file counts as complete
LOOKS = 8  # at the file, in that time

State = tuple[int, int]


def state(path: str | os.PathLike[str]) -> State | None:
    """Size (bytes) and time of change (nanoseconds) of a file; None where it cannot be seen."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns


def wait_until_quiet(path: str | os.PathLike[str], limit: float, stop: Event | None = None) -> bool:
    """Wait until a file has not changed for `QUIET` seconds; at once where it was last written before that.

    limit: seconds to wait at most. stop: ends the waiting. Returns whether the file is quiet; one that cannot be seen
    is, and so is one from the future, whose clock is another.
    """
    stop = stop or Event()
    seen, begun = state(path), time.monotonic()
    if seen is None or not 0 <= (age := time.time() - seen[1] / 1e9) < QUIET:
        return True
    changed = begun - age
    while (now := time.monotonic()) - changed < QUIET:
        if now - begun > limit or stop.wait(QUIET / LOOKS):
            return False
        if (new := state(path)) != seen:
            seen, changed = new, time.monotonic()
    return True
