"""Indexing behind the page: one run at a time for each gallery, with progress, that can be stopped and goes on."""

from __future__ import annotations

import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from diffusionret import Gallery
from diffusionret.index import IndexReport, Progress, index_folder
from diffusionret.inventory import inventory
from diffusionret.spans import DEFAULT, Division

from .shelf import Place, Shelf

MOST_WAITING = 100  # folders that may wait for a gallery
NOTHING = Progress(0, 0, 0, 0.0)


class Order(NamedTuple):
    """A folder, or one file, to be indexed.

    model: a name, for a gallery that has none yet. spans: as `Division.of` takes it, "" for what the folder had.
    """

    videos: Path
    model: str
    spans: str = ""


class Stop(Exception):
    """Somebody stopped the run; what it committed stays."""


@dataclass(frozen=True)
class State:
    """How far the runs of a gallery are.

    phase: "" before the first one, "model" while a model is loaded or fetched, "list" while files are counted, "read",
    "copy" while copies for the browser are made, "done", "stopped" or "problem". problem: why a run ended, a sentence.
    added, notes: of the last run that ended. waiting: folders that follow.
    """

    phase: str = ""
    progress: Progress = NOTHING
    problem: str = ""
    added: int = 0
    notes: tuple[str, ...] = ()
    waiting: int = 0

    @property
    def is_running(self) -> bool:
        return self.phase in ("model", "list", "read", "copy")


@dataclass
class _Line:
    """The runs of one gallery: what waits, and what was stopped."""

    waiting: deque[Order] = field(default_factory=deque)
    stopped: list[Order] = field(default_factory=list)
    state: State = State()
    thread: threading.Thread | None = None
    halt: threading.Event = field(default_factory=threading.Event)


class Jobs:
    """The runs of all galleries. Safe to call from several threads."""

    def __init__(
        self, shelf: Shelf, finish: Callable[[Place, Callable[[], None]], None] | None = None
    ) -> None:
        """finish: called after each run with the gallery and with a function that raises once it shall stop."""
        self.shelf, self.finish = shelf, finish
        self._lines: dict[str, _Line] = {}
        self._lock = threading.Lock()

    def start(self, place: Place, order: Order) -> None:
        """Index a folder, or one file, after what is being indexed.

        Raises ValueError where too much waits already, or the order's spans are no division.
        """
        if order.spans:
            Division.of(order.spans)
        with self._lock:
            line = self._line(place)
            if order not in line.waiting:
                if len(line.waiting) >= MOST_WAITING:
                    raise ValueError("Too many folders wait to be indexed: let some of them end first.")
                line.waiting.append(order)
            self._run(place, line)

    def stop(self, place: Place) -> None:
        """End what runs and what waits; `resume` takes it up again."""
        with self._lock:
            line = self._line(place)
            line.stopped += [*line.waiting]
            line.waiting.clear()
            line.halt.set()

    def resume(self, place: Place) -> None:
        """Go on with what was stopped. Raises ValueError where there is nothing."""
        with self._lock:
            line = self._line(place)
            if not line.stopped:
                raise ValueError("There is nothing to go on with.")
            line.waiting.extend(dict.fromkeys(line.stopped))
            line.stopped.clear()
            self._run(place, line)

    def state(self, place: Place) -> State:
        """How far the runs of a gallery are."""
        with self._lock:
            line = self._line(place)
            return replace(line.state, waiting=len(line.waiting))

    def wait(self, place: Place, seconds: float | None = None) -> None:
        """Until nothing runs any more."""
        thread = self._line(place).thread
        if thread is not None:
            thread.join(seconds)

    def _line(self, place: Place) -> _Line:
        return self._lines.setdefault(place.key, _Line())

    def _run(self, place: Place, line: _Line) -> None:
        """The caller holds the lock."""
        if line.thread is None:
            line.halt.clear()
            line.state = State("list")
            line.thread = threading.Thread(
                target=self._work, args=(place, line), name=f"index {place.key}", daemon=True
            )
            line.thread.start()

    def _work(self, place: Place, line: _Line) -> None:
        while True:
            with self._lock:
                if line.halt.is_set() and line.waiting:  # stopped, and taken up again while it ended
                    line.halt.clear()
                if not line.waiting:
                    line.thread = None
                    return
                order = line.waiting.popleft()
            try:
                report = self._index(place, line, order)
                line.state = replace(
                    line.state, phase="done", added=line.state.added + report.added, notes=tuple(report.notes)
                )
            except Stop:
                with self._lock:
                    line.stopped.insert(0, order)
                    line.state = replace(line.state, phase="stopped")
            except (ValueError, OSError) as error:
                line.state = replace(line.state, phase="problem", problem=str(error))
            except Exception:  # the page waits for an end, whatever happens here
                traceback.print_exc()
                problem = "Something went wrong while indexing: its reason is in the app's own output."
                line.state = replace(line.state, phase="problem", problem=problem)

    def _index(self, place: Place, line: _Line, order: Order) -> IndexReport:
        assert place.folder is not None

        def check() -> None:
            if line.halt.is_set():
                raise Stop

        def progress(now: Progress) -> None:
            line.state = replace(line.state, phase="read", progress=now)
            check()

        check()
        line.state = State("model", added=line.state.added)
        name, spans = order.model, order.spans or DEFAULT
        if place.is_made:
            name = self.shelf.model or Gallery.open(place.folder).model_name
            spans = order.spans or division_of(place.folder, order.videos)
        model = self.shelf.load(name)
        check()
        line.state = replace(line.state, phase="list")
        try:
            report = index_folder(order.videos, place.folder, model, name, progress, spans=spans)
        finally:
            if place.is_made:
                self.shelf.reopen(place)
        if self.finish:
            line.state = replace(line.state, phase="copy")
            self.finish(place, check)
        return report


def division_of(gallery: Path, videos: Path | None = None) -> str:
    """How most spans of a gallery that is made are divided, as `Division.of` takes it; another division would read
    long videos anew. videos: the folder or file that counts, where the gallery knows some of it."""
    rows = [row for row in inventory(gallery) if row.division and not row.error]
    below = [row for row in rows if videos and (gallery / row.uri).is_relative_to(videos)]
    counts = Counter(row.division for row in below or rows)
    return counts.most_common(1)[0][0] if counts else DEFAULT
