"""The child processes that decode, kept for the next file, killed and replaced where they hang or crash."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from .film import CONVERT

START_SECONDS = (
    60.0  # a child imports for 0.3 s, much longer on a cold disk; not counted against a file's time
)

# Begins a child's program: this package without what its `__init__` imports (torch). Its folder is the first argument.
PACKAGE = """
import sys, types
sys.path[:] = [folder for folder in sys.path if folder]
package = types.ModuleType("diffusionret")
package.__path__ = [sys.argv[1]]
sys.modules["diffusionret"] = package
"""
CHILD = f"{PACKAGE}from diffusionret.decoding import serve; serve()"


class VideoError(Exception):
    """A file that cannot be read. `str(error)` is one sentence for the user; `path` is the file."""

    def __init__(self, message: str, path: str | os.PathLike[str] = "") -> None:
        super().__init__(printable(message))
        self.path = os.fspath(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.path)


def printable(text: str) -> str:
    """A text for one line: what a file's name may hold beside letters (ends of lines, orders to a terminal, bytes that
    are no UTF-8) is spelled out."""
    text = text.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Stop:
    """Ends readings that were begun together, those that wait for a file and those in a child."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._busy: set[_Worker] = set()
        self._lock = threading.Lock()

    def set(self) -> None:
        """End them; each raises VideoError."""
        with self._lock:
            self.event.set()
            for worker in self._busy:
                worker.process.kill()

    def begin(self, worker: _Worker) -> None:
        """A reading is in `worker` now."""
        with self._lock:
            self._busy.add(worker)
            if self.event.is_set():
                worker.process.kill()

    def end(self, worker: _Worker) -> None:
        """It is there no more."""
        with self._lock:
            self._busy.discard(worker)


class _Gone(Exception):
    """The child ended before it answered; `late` = we killed it because its time was up."""

    def __init__(self, late: bool) -> None:
        super().__init__()
        self.late = late


class _Worker:
    """One child process. Used by one thread at a time."""

    def __init__(self) -> None:
        # A plain program rather than multiprocessing: a spawned child would import the caller's main module
        # and the whole package (torch), a forked one would inherit the locks of other threads.
        self.process: Any = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(Path(__file__).parent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={
                **os.environ,
                "PYTHONSAFEPATH": "1",
            },  # what lies in the working directory is none of our modules
        )
        try:
            self._timed(self._line, START_SECONDS)
        except _Gone:
            self.kill()
            raise

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, request: dict[str, Any], seconds: float) -> tuple[dict[str, Any], np.ndarray, bytes]:
        """Send a request and wait for the answer. Raises _Gone."""
        return self._timed(lambda: self._exchange(request), seconds)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):  # an unsent request cannot be flushed any more
                pipe.close()

    def _timed(self, action: Any, seconds: float) -> Any:
        # Pipes have no portable time-out; killing the child ends the read with an end of file.
        late = threading.Event()

        def expire() -> None:
            late.set()
            self.process.kill()

        watchdog = threading.Timer(seconds, expire)
        watchdog.daemon = True
        watchdog.start()
        try:
            return action()
        except (OSError, EOFError, ValueError) as error:
            raise _Gone(late.is_set()) from error
        finally:
            watchdog.cancel()

    def _line(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return json.loads(line)

    def _exchange(self, request: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray, bytes]:
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        answer = self._line()
        frames = np.empty(answer["shape"] or 0, dtype=np.uint8)
        view = memoryview(frames.reshape(-1).data)
        while len(view):
            count = self.process.stdout.readinto(view)
            if not count:
                raise EOFError
            view = view[count:]
        still = self.process.stdout.read(answer["still"])
        if len(still) < answer["still"]:
            raise EOFError
        return answer, frames, still


class _Pool:
    """Idle children, kept for the next call. As many run at a time as threads ask."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew, without touching the children: after a fork they belong to the parent process."""
        self.idle: list[_Worker] = []
        self.lock = threading.Lock()

    def take(self) -> _Worker:
        while True:
            with self.lock:
                worker = self.idle.pop() if self.idle else None
            if worker is None:
                return _Worker()
            if worker.alive:
                return worker
            worker.kill()

    def give(self, worker: _Worker) -> None:
        with self.lock:
            if len(self.idle) < (os.cpu_count() or 1):
                self.idle.append(worker)
                return
        worker.kill()

    def close(self) -> None:
        with self.lock:
            workers, self.idle = self.idle, []
        for worker in workers:
            worker.kill()

    def ask(
        self, path: str | os.PathLike[str], request: dict[str, Any], timeout: float, stop: Stop
    ) -> tuple[dict[str, Any], np.ndarray, bytes]:
        """Have a child answer. timeout: seconds. Raises VideoError."""
        path = os.fspath(path)
        request = dict(request, path=os.path.abspath(path))  # noqa: PTH100 - children keep their working directory
        name = Path(path).name
        try:
            worker = self.take()
        except (_Gone, OSError) as error:
            advice = f"check that `{sys.executable}` runs and has numpy and av"
            raise VideoError(f"The decoding process does not start; {advice}.", path) from error
        try:
            stop.begin(worker)
            answer, frames, still = worker.ask(request, timeout)
        except _Gone as gone:
            worker.kill()
            if gone.late:
                advice = "copy it to a fast disk, shorten or convert it, or allow more time"
                raise VideoError(f"{name} was given up after {timeout:g} s; {advice}.", path) from None
            raise VideoError(f"{name} crashes the decoder; {CONVERT}.", path) from None
        except BaseException:  # interrupted half-way: the child would answer the wrong question next time
            worker.kill()
            raise
        finally:
            stop.end(worker)
        self.give(worker)
        if "error" in answer:
            raise VideoError(answer["error"], path)
        return answer, frames, still


POOL = _Pool()
close_workers = POOL.close
atexit.register(close_workers)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=POOL.forget)
