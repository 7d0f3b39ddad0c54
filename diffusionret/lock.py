"""Locks on a gallery's folder: one run at a time, and one commit at a time. The system drops them with the process."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

RUN, HOLDER = "indexing.lock", "indexing.json"
COMMIT_SECONDS = 600.0  # a commit takes seconds; beyond this its writer hangs


class Busy(ValueError):
    """Somebody else is writing. The text is one sentence: who, and what to do."""


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Be the only run that changes the gallery in `folder`, an existing folder.

    Raises Busy at once where another run holds it; the sentence names its process, machine and start. A killed
    process leaves nothing behind that would keep the next one out.
    """
    lock = FileLock(folder / RUN)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise Busy(
            f"Another run is changing the gallery in {folder}{_holder(folder)}: wait until it has ended, or stop it."
        ) from None
    try:
        here = {"process": os.getpid(), "machine": socket.gethostname(), "since": time.time()}
        (folder / HOLDER).write_text(json.dumps(here), encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            (folder / HOLDER).unlink()
        lock.release()


@contextmanager
def commit_lock(table: Path) -> Iterator[None]:
    """Be the only writer of the table in folder `table`, for the moment of a commit. Waits for others.

    Raises Busy where the other one does not end.
    """
    try:
        with FileLock(table.with_name(f"{table.name}.lock"), timeout=COMMIT_SECONDS):
            yield
    except Timeout:
        raise Busy(
            f"Another process has been writing to {table.parent.name} for {COMMIT_SECONDS / 60:.0f} minutes: "
            "stop it and try again."
        ) from None


def _holder(folder: Path) -> str:
    """Who holds the lock of a run, as " (process 12 on host, since 14:02)"; "" where it has not said so yet."""
    try:
        told = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        since = datetime.fromtimestamp(told["since"]).strftime("%Y-%m-%d %H:%M")
        return f" (process {told['process']} on {told['machine']}, since {since})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
