"""Ctrl-C while a training runs: the step ends, the state is written, and then the program."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .loop import Loop, never


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
