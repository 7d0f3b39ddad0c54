"""Folders that are watched: once what changed in one is quiet, it is indexed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from watchfiles import Change, watch

from diffusionret.index import CAPTIONS
from diffusionret.video import EXTENSIONS

FILE = "watched.json"
MOST = 20  # folders a gallery
QUIET = 5.0  # seconds in which neither size nor date of a file may change
LOOK = 1000  # milliseconds between two looks at what is pending


class Watch:
    """One folder. `act` is called with it, in a thread of its own, once something in it changed and is quiet."""

    def __init__(self, folder: Path, act: Callable[[Path], None], quiet: float = QUIET) -> None:
        self.folder, self.act, self.quiet = folder, act, quiet
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {folder.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._end.set()

    def _run(self) -> None:
        pending = Pending(self.quiet)
        while not self._end.is_set():
            try:
                for changes in watch(
                    self.folder, stop_event=self._end, rust_timeout=LOOK, yield_on_timeout=True,
                    watch_filter=_is_video, raise_interrupt=False, ignore_permission_denied=True,
                ):  # fmt: skip
                    pending.add(Path(path) for _, path in changes)
                    if pending.is_due(time.monotonic()):
                        self.act(self.folder)
            except (OSError, RuntimeError):  # an unplugged disk may come back
                self._end.wait(30)


class Pending:
    """Files that changed, until all of them have been quiet for long enough."""

    def __init__(self, quiet: float) -> None:
        self.quiet = quiet
        self._files: dict[Path, tuple[int, int]] = {}
        self._since = 0.0
        self._fresh = False

    def add(self, files: Iterable[Path]) -> None:
        """Files that changed just now, or are gone."""
        for file in files:
            self._files[file] = (-1, -1)
            self._fresh = True

    def is_due(self, now: float) -> bool:
        """Whether there are such files and none has changed for `quiet` seconds; then they are pending no more.

        now: seconds of a clock that never goes back.
        """
        if not self._files:
            return False
        states = {file: _state(file) for file in self._files}
        if states != self._files or self._fresh:
            self._files, self._since, self._fresh = states, now, False
        if now - self._since < self.quiet:
            return False
        self._files = {}
        return True


def read(gallery: Path) -> list[str]:
    """The folders that a gallery's own file names; none where it is damaged."""
    try:
        content = json.loads((gallery / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    return [name for name in content if isinstance(name, str)][:MOST] if isinstance(content, list) else []


def keep(gallery: Path, folders: Iterable[str]) -> None:
    """Name the folders in a gallery's own file, at once or not at all."""
    part = gallery / f"{FILE}.part"
    part.write_text(json.dumps(sorted(folders), ensure_ascii=False), encoding="utf-8")
    part.replace(gallery / FILE)


def _state(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
        return status.st_size, status.st_mtime_ns
    except OSError:  # gone, which is a state too
        return 0, 0


def _is_video(_: Change, path: str) -> bool:
    name = Path(path).name
    return not name.startswith(".") and (name == CAPTIONS or Path(name).suffix.lower() in EXTENSIONS)
