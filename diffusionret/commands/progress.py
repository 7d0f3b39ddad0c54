"""Progress over files on standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

EVERY = 10.0  # seconds from line to line where standard error is no terminal


class FileProgress:
    """How many files are done, with the time that is left: a bar on a terminal, in a log a line now and then."""

    def __init__(self, noun: str) -> None:
        """noun: what the files are, in the plural."""
        self.noun = noun
        self.begun = self.said = time.monotonic()
        console = Console(stderr=True)
        self.bar: Progress | None = None
        if sys.stderr.isatty() and not console.is_dumb_terminal:
            columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), TextColumn("left")
            self.bar = Progress(*columns, console=console)
            self.task = self.bar.add_task("", visible=False)

    def __enter__(self) -> FileProgress:
        if self.bar:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar:
            self.bar.stop()

    def show(self, done: int, total: int, failed: int | None = None, part: float = 0.0) -> None:
        """done: of `total` files, the `failed` ones included; None where none can fail. part: of the next one, in
        [0, 1)."""
        text = f"{done} of {total} {self.noun}" + ("" if failed is None else f", {failed} failed")
        if self.bar:
            self.bar.update(self.task, description=text, completed=done + part, total=total, visible=True)
            return
        now = time.monotonic()
        if done == total or now - self.said >= EVERY:
            self.said = now
            left = round((now - self.begun) / (done + part) * (total - done - part))
            print(f"{text}, {left // 60}:{left % 60:02} left", file=sys.stderr, flush=True)
