"""Files read, divided into spans, encoded and committed: the part of indexing that takes time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from torch import nn

from .children import Stop
from .encoders import folded
from .encoding import encode_videos
from .gallery import POSTERS, Failure
from .model import DiffusionRet
from .similarity import mean_frame
from .spans import Division, Span, span_id
from .store import Row, Store
from .video import Moment, VideoError, VideoFrames, read_many, scene_changes

POSTER_SIZE = 320  # pixels of the shorter side, at most
BATCH = 16  # spans encoded together
SHARD = 256  # rows a commit
SHARD_SECONDS = 30.0  # and a commit this often, so that little is lost
SCENE_SECONDS = 10.0  # of a video that one child searches for cuts at a time
LOST_SCENES = 3  # such parts of a video that may not decode before it is given up
TICK = 2e-3  # seconds by which a span that another follows ends early: both ends of a moment belong to it


class Progress(NamedTuple):
    """How far indexing is. done counts files, failures too; seconds_left is 0 when all is read. part: how much of the
    next file is done, in [0, 1), where it has many spans."""

    done: int
    total: int
    failed: int
    seconds_left: float
    part: float = 0.0


class Piece(NamedTuple):
    """What was read of a span of a file. count: of the file's spans."""

    path: Path
    span: Span
    count: int
    clip: VideoFrames | VideoError


def read_pieces(
    paths: Sequence[Path], division: Division, model: DiffusionRet, timeout: float
) -> Generator[Piece, None, None]:
    """Every span of every file. Files that are one span come first, the spans of a long one after each other.

    timeout: seconds a file, and of a long one seconds a span.
    """
    config = model.config
    size = config.clip.image_size

    def read(sources):
        return closing(
            read_many(sources, config.frame_rule, config.frames, size, timeout, crop=True, still=POSTER_SIZE)
        )

    long: dict[Path, float] = {}
    with read(paths) as clips:
        for path, clip in clips:
            if isinstance(clip, VideoError):
                yield Piece(path, Span(0.0, 0.0), 1, clip)
            elif division.leaves_whole(clip.duration):
                yield Piece(path, Span(0.0, clip.duration), 1, clip)
            else:
                long[path] = clip.duration
    for path, duration in long.items():
        try:
            spans = division.spans(duration, find_cuts(path, duration, timeout) if division.shots else ())
        except VideoError as error:
            yield Piece(path, Span(0.0, 0.0), 1, error)
            continue
        moments = {
            Moment(path, span.start, span.end - (TICK if span.end < duration else 0.0)): span
            for span in spans
        }
        with read(moments) as clips:
            for moment, clip in clips:
                yield Piece(path, moments[moment], len(spans), clip)


def find_cuts(path: Path, duration: float, timeout: float = 30.0) -> list[float]:
    """Seconds at which one shot of a video follows another, ascending. Every frame is decoded.

    duration: seconds. timeout: seconds for every SCENE_SECONDS of the video. A part that does not decode has no cuts.
    Raises VideoError where several do not.
    """
    starts = [SCENE_SECONDS * i for i in range(int(duration / SCENE_SECONDS) + 1)]
    found: list[float] = []
    lost = 0
    executor, stop = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="find_cuts"), Stop()
    try:
        parts = [executor.submit(scene_changes, path, s, s + SCENE_SECONDS, timeout, stop) for s in starts]
        for part in parts:
            try:
                found += part.result()
            except VideoError:
                lost += 1
                if lost > min(LOST_SCENES, len(parts) - 1):
                    raise
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        stop.set()
    return found


class Intake:
    """One run over files that are to be read. `failures`, `failed` and `spans` grow as it goes on."""

    def __init__(self, folder: Path, store: Store, model: DiffusionRet, shard: int = SHARD) -> None:
        """folder: of the gallery. shard: rows a commit."""
        self.folder, self.store, self.model, self.shard = folder, store, model, shard
        self.tower = folded(model.towers.visual)
        self.failures: list[Failure] = []
        self.failed: set[str] = set()  # files of which nothing can be searched
        self.spans = 0  # that can be
        self._batch: list[tuple[Row, VideoFrames]] = []
        self._encoding: Future[list[Row]] | None = None  # while the next spans are being read
        self._counts: dict[str, int] = {}  # spans of every file that is not complete
        self._parts: dict[str, list[Row]] = {}  # and what there is of it
        self._ready: list[Row] = []  # of complete files, to be committed
        self._committed = time.monotonic()

    def run(
        self,
        todo: dict[Path, Row],
        division: Division,
        progress: Callable[[Progress], None] | None = None,
        timeout: float = 30.0,
    ) -> None:
        """Read, encode and commit all of `todo`: the row of each file as its spans begin with, the id that of the
        video.

        A file is committed with all its spans at once, so that none is ever there in part.
        """
        begun, done, read = time.monotonic(), 0, {}
        pieces = read_pieces(list(todo), division, self.model, timeout)
        with ThreadPoolExecutor(1) as encoder, closing(pieces):
            try:
                for piece in pieces:
                    read[piece.path] = read.get(piece.path, 0) + 1
                    self._take(todo[piece.path], piece, division)
                    done += read[piece.path] == piece.count
                    self._write(encoder)
                    if progress:
                        part = read[piece.path] / piece.count % 1
                        left = (time.monotonic() - begun) / (done + part) * (len(todo) - done - part)
                        progress(Progress(done, len(todo), len(self.failed), left, part))
                self._encode(encoder)
            finally:  # an interrupt, too, leaves behind what is encoded
                try:
                    self._collect()
                finally:
                    self._commit()
        self.failures.sort()

    def _take(self, row: Row, piece: Piece, division: Division) -> None:
        self._counts[row.uri] = piece.count
        row = replace(row, start=piece.span.start, end=piece.span.end, division=division.text)
        if isinstance(piece.clip, VideoError):
            self._put(replace(row, id="", error=str(piece.clip)))
        else:
            clip = piece.clip
            row = replace(
                row, id=span_id(row.id, piece.span, piece.count), duration=clip.duration, fps=clip.fps
            )
            self._batch.append((row, clip))

    def _put(self, row: Row) -> None:
        """A row that is done; with the last one of its file all are ready."""
        parts = self._parts.setdefault(row.uri, [])
        parts.append(row)
        if len(parts) < self._counts[row.uri]:
            return
        del self._parts[row.uri]
        if all(part.error for part in parts):
            self.failed.add(row.uri)
            parts = [replace(parts[0], start=0.0, end=0.0)]
        else:
            parts = [replace(part, error=_placed(part)) if part.error else part for part in parts]
        self.spans += sum(not part.error for part in parts)
        self.failures += [Failure(row.uri, part.error) for part in parts if part.error]
        self._ready += parts

    def _write(self, encoder: ThreadPoolExecutor) -> None:
        """Encode where there is a batch, commit where it is due."""
        uncommitted = len(self._ready) + len(self._batch) + (BATCH if self._encoding else 0)
        due = uncommitted >= self.shard or time.monotonic() - self._committed > SHARD_SECONDS
        if due or len(self._batch) == BATCH:
            self._encode(encoder)
        if due:
            self._collect()
            self._commit()

    def _collect(self) -> None:
        if self._encoding is not None:
            done, self._encoding = self._encoding, None
            for row in done.result():
                self._put(row)

    def _encode(self, encoder: ThreadPoolExecutor) -> None:
        self._collect()
        if self._batch:
            self._encoding = encoder.submit(_encode, self.model, self.tower, tuple(self._batch), self.folder)
            self._batch.clear()

    def _commit(self) -> None:
        if self._ready:
            posters = self._outdated(self._ready)
            self.store.upsert(self._ready)
            self._ready.clear()
            for poster in posters:
                poster.unlink(missing_ok=True)
        self._committed = time.monotonic()

    def _outdated(self, rows: Sequence[Row]) -> list[Path]:
        """Pictures of spans that the files of `rows` no longer have."""
        uris, kept = {row.uri for row in rows}, {row.id.casefold() for row in rows}
        old = self.store.ids(uris)
        return [poster_file(self.folder, id) for id in old if id and id.casefold() not in kept]


def _placed(part: Row) -> str:
    """What is wrong with a part of a file, and which part that is."""
    start, end = (f"{int(second) // 60}:{int(second) % 60:02d}" for second in (part.start, part.end))
    return f"From {start} to {end}: {part.error}"


def _encode(
    model: DiffusionRet, tower: nn.Module, batch: Sequence[tuple[Row, VideoFrames]], folder: Path
) -> list[Row]:
    video = encode_videos(model, [clip for _, clip in batch], tower)
    pooled = mean_frame(video)
    for row, clip in batch:
        poster_file(folder, row.id).write_bytes(clip.still)
    return [
        replace(
            row,
            timestamps=clip.timestamps.tolist(),
            pooled=pooled[i].numpy(),
            frames=video.frames[i].numpy(),
            mask=clip.mask,
        )
        for i, (row, clip) in enumerate(batch)
    ]


def poster_file(folder: Path, id: str) -> Path:
    """Where the picture of a span lies."""
    return folder / POSTERS / f"{id}.jpg"
