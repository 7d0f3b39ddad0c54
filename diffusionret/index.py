"""A folder of videos -> a gallery: decode, encode, write in shards. Interrupted, it goes on where it was."""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from .checkpoint import load_model
from .encoders import VideoFeatures, folded
from .gallery import LIGHT, POSTERS, TABLE, Failure, Gallery
from .model import DiffusionRet
from .similarity import mean_frame
from .store import Row, Store
from .video import EXTENSIONS, VideoError, VideoFrames, read_many

CAPTIONS = "captions.csv"
POSTER_SIZE = 320  # pixels of the shorter side, at most
BATCH = 16  # videos encoded together
SHARD = 256  # videos a commit
SHARD_SECONDS = 30.0  # and a commit this often, so that little is lost


class Progress(NamedTuple):
    """How far indexing is. done counts failures too; seconds_left is 0 when all is read."""

    done: int
    total: int
    failed: int
    seconds_left: float


class IndexReport(NamedTuple):
    """What a run did, in files. failures: those that this run could not read."""

    added: int
    unchanged: int
    removed: int
    failures: list[Failure]
    seconds: float


def index_folder(
    videos: str | Path,
    gallery: str | Path,
    model: DiffusionRet,
    model_name: str,
    progress: Callable[[Progress], None] | None = None,
    timeout: float = 30.0,
    shard: int = SHARD,
) -> IndexReport:
    """Bring the gallery in folder `gallery` up to date with the videos in folder `videos` (or with one file).

    New files, changed ones (size, date or caption) and those that failed before are read; files that are gone
    from `videos` are forgotten; the rest stays. Captions come from `captions.csv` in `videos`, with columns
    video (path below the folder, extension optional) and caption; the first of a video's captions counts.
    model_name: what `load_model` took, kept with the gallery. progress is called after every file. timeout:
    seconds a file. shard: videos a commit.
    May be interrupted at any moment: what was committed stays, and the next run does the rest.
    Raises ValueError where there are no videos or the gallery belongs to another model.
    """
    begun = time.monotonic()
    videos, folder = Path(videos).resolve(), Path(gallery).resolve()
    root = videos if videos.is_dir() else videos.parent
    found = {_uri(path, folder): path for path in find_videos(videos)}
    captions = read_captions(root)
    Gallery.create(folder, model, model_name)
    store = Store.open(folder / TABLE)
    known = {row.uri: row for row in store.rows(LIGHT)}
    gone = {
        uri: row for uri, row in known.items() if uri not in found and (folder / uri).is_relative_to(videos)
    }
    store.remove(gone)
    for row in gone.values():
        _poster_file(folder, row.id).unlink(missing_ok=True)

    ids = _Ids(row.id for uri, row in known.items() if uri not in gone)
    todo: dict[Path, Row] = {}
    for uri, path in found.items():
        old, status = known.get(uri), path.stat()
        caption = captions.get(_caption_key(path.relative_to(root).as_posix()), "")
        state = (status.st_size, status.st_mtime_ns, caption)
        if old is None or old.error or (old.size, old.modified, old.caption) != state:
            id = old.id if old and old.id else ids.make(path, root)
            todo[path] = Row(id, uri, status.st_size, status.st_mtime_ns, caption=caption)
    failures = _index(todo, folder, store, model, progress, timeout, shard)
    store.compact()
    return IndexReport(
        added=len(todo) - len(failures),
        unchanged=len(found) - len(todo),
        removed=len(gone),
        failures=failures,
        seconds=time.monotonic() - begun,
    )


def find_videos(folder: str | Path) -> list[Path]:
    """Files with a video's extension below `folder`, hidden ones left out, sorted; or `folder`, being a file.

    Raises FileNotFoundError where there is no such folder, ValueError where it holds no video.
    """
    folder = Path(folder)
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    files = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(parent, name) for name in names if not name.startswith("."))
        files += [path for path in paths if path.suffix.lower() in EXTENSIONS and path.is_file()]
    if not files:
        raise ValueError(
            f"There are no videos in {folder}: their names end in {', '.join(sorted(EXTENSIONS))}."
        )
    return sorted(files)


def read_captions(folder: Path) -> dict[str, str]:
    """Path of a video below `folder`, without extension -> its first caption, from `captions.csv` if any.

    Raises ValueError where that file has other columns.
    """
    file = folder / CAPTIONS
    if not file.is_file():
        return {}
    captions: dict[str, str] = {}
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        if not {"video", "caption"} <= set(reader.fieldnames or ()):
            raise ValueError(f"{file} needs the columns video and caption in its first line.")
        for row in reader:
            captions.setdefault(_caption_key(row["video"]), (row["caption"] or "").strip())
    return captions


@torch.no_grad()
def encode_clips(
    model: DiffusionRet, clips: Sequence[VideoFrames], tower: nn.Module | None = None
) -> VideoFeatures:
    """Features of clips read with the model's own rule, number of frames and size; on the CPU. tower: see
    `DiffusionRet.encode_frames`."""
    mask = torch.from_numpy(np.stack([clip.mask for clip in clips])).to(model.device)
    frames = model.preprocess(torch.from_numpy(np.stack([clip.frames for clip in clips])).to(model.device))
    frames = frames * mask[..., None, None, None]  # as published, padding is zero after normalisation too
    video = model.encode_frames(frames, mask.long(), tower)
    return VideoFeatures(video.frames.float().cpu(), video.mask.cpu())


# --- the parts of a run ---------------------------------------------------------------------------------


def _index(
    todo: dict[Path, Row],
    folder: Path,
    store: Store,
    model: DiffusionRet,
    progress: Callable[[Progress], None] | None,
    timeout: float,
    shard: int,
) -> list[Failure]:
    """Read, encode and commit all of `todo`."""
    config, tower, begun = model.config, folded(model.towers.visual), time.monotonic()
    failures: list[Failure] = []
    batch: list[tuple[Row, VideoFrames]] = []
    ready: list[Row] = []
    encoding: Future[list[Row]] | None = None  # while the next videos are being read
    committed = begun

    def collect() -> None:
        nonlocal encoding
        if encoding is not None:
            done, encoding = encoding, None
            ready.extend(done.result())

    def encode() -> None:
        nonlocal encoding
        collect()
        if batch:
            encoding = encoder.submit(_encode, model, tower, tuple(batch), folder)
            batch.clear()

    def commit() -> None:
        nonlocal committed
        if ready:
            store.upsert(ready)
            ready.clear()
        committed = time.monotonic()

    size = config.clip.image_size
    clips = read_many(todo, config.frame_rule, config.frames, size, timeout, crop=True, still=POSTER_SIZE)
    with ThreadPoolExecutor(1) as encoder, closing(clips):
        try:
            for done, (path, clip) in enumerate(clips, 1):
                row = todo[Path(path)]
                if isinstance(clip, VideoError):
                    failures.append(Failure(row.uri, str(clip)))
                    ready.append(replace(row, id="", error=str(clip)))
                else:
                    batch.append((row, clip))
                uncommitted = len(ready) + len(batch) + (BATCH if encoding else 0)
                due = uncommitted >= shard or time.monotonic() - committed > SHARD_SECONDS
                if due or len(batch) == BATCH:
                    encode()
                if due:
                    collect()
                    commit()
                if progress:
                    left = (time.monotonic() - begun) / done * (len(todo) - done)
                    progress(Progress(done, len(todo), len(failures), left))
            encode()
        finally:  # an interrupt, too, leaves behind what is encoded
            try:
                collect()
            finally:
                commit()
    return sorted(failures)


def _encode(
    model: DiffusionRet, tower: nn.Module, batch: Sequence[tuple[Row, VideoFrames]], folder: Path
) -> list[Row]:
    video = encode_clips(model, [clip for _, clip in batch], tower)
    pooled = mean_frame(video)
    for row, clip in batch:
        _poster_file(folder, row.id).write_bytes(clip.still)
    return [
        replace(
            row,
            duration=clip.duration,
            timestamps=clip.timestamps.tolist(),
            pooled=pooled[i].numpy(),
            frames=video.frames[i].numpy(),
            mask=clip.mask,
        )
        for i, (row, clip) in enumerate(batch)
    ]


def _poster_file(folder: Path, id: str) -> Path:
    return folder / POSTERS / f"{id}.jpg"


def _uri(path: Path, folder: Path) -> str:
    """Relative where the video lies below the gallery, so that the two can move together."""
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _caption_key(video: str) -> str:
    path = PurePosixPath(video.strip().replace("\\", "/"))
    return str(path.with_suffix("") if path.suffix.lower() in EXTENSIONS else path)


class _Ids:
    """Names videos after their files: fit for a file name, and unique where capitals do not count."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = {id.casefold() for id in taken}

    def make(self, path: Path, root: Path) -> str:
        id = re.sub(r"[^\w.-]+", "_", path.stem).strip("._") or "video"
        if id.casefold() in self.taken:  # the path makes the difference, so that every run finds the same
            id += "-" + hashlib.sha256(path.relative_to(root).as_posix().encode()).hexdigest()[:8]
        self.taken.add(id.casefold())
        return id


# --- the command ----------------------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m diffusionret index`."""
    parser.add_argument(
        "videos", type=Path, help="a folder of videos (and captions.csv, if you have one), or a file"
    )
    parser.add_argument("--gallery", type=Path, required=True, help="folder to make or update")
    parser.add_argument("--model", required=True, help="as for `search`; a gallery keeps to one model")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    parser.add_argument(
        "--timeout", type=float, default=30.0, help="seconds that a file may take (default: 30)"
    )


def run(args: argparse.Namespace) -> None:
    """Index, with progress on standard error and the files that failed at the end."""
    model = load_model(args.model, args.device)
    report = index_folder(args.videos, args.gallery, model, args.model, _ProgressLine().show, args.timeout)
    counts = f"{report.added} added, {report.unchanged} unchanged, {report.removed} removed"
    print(f"{counts}, {len(report.failures)} failed; {report.seconds:.0f} s")
    for failure in report.failures:
        print(f"  {failure.reason}")


class _ProgressLine:
    """One line that is overwritten on a terminal, and a line now and then in a log."""

    def __init__(self) -> None:
        self.shown = time.monotonic()

    def show(self, progress: Progress) -> None:
        terminal, now, end = sys.stderr.isatty(), time.monotonic(), progress.done == progress.total
        if not end and now - self.shown < (0.2 if terminal else 10):
            return
        self.shown = now
        left = f"{int(progress.seconds_left) // 60}:{int(progress.seconds_left) % 60:02} left"
        line = f"{progress.done} of {progress.total} videos, {progress.failed} failed, {left}"
        print(
            f"\r{line:60}" if terminal else line,
            end="" if terminal and not end else "\n",
            file=sys.stderr,
            flush=True,
        )
