"""A folder of videos -> a gallery: decode, encode, write in shards. Interrupted, it goes on where it was."""

from __future__ import annotations

import os
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from torch import nn

from .digest import text_digest
from .encoders import folded
from .encoding import encode_videos
from .gallery import LIGHT, POSTERS, TABLE, Failure, Gallery
from .listing import CAPTIONS, list_videos
from .lock import run_lock
from .model import DiffusionRet
from .similarity import mean_frame
from .store import Row, Store
from .tables import read_table, read_utf8
from .video import EXTENSIONS, VideoError, VideoFrames, check_timeout, printable, read_many

POSTER_SIZE = 320  # pixels of the shorter side, at most
BATCH = 16  # videos encoded together
SHARD = 256  # videos a commit
ID_BYTES = 120  # of a file's name in its id, so that a poster's name stays below the 255 of a file system
SHARD_SECONDS = 30.0  # and a commit this often, so that little is lost


class Progress(NamedTuple):
    """How far indexing is. done counts failures too; seconds_left is 0 when all is read."""

    done: int
    total: int
    failed: int
    seconds_left: float


class IndexReport(NamedTuple):
    """What a run did, in files.

    absent: rows whose files this run could not see; they stay, marked. forgotten: rows that are gone for good.
    failures: files that this run could not read. notes: sentences about all else that went wrong.
    """

    added: int
    unchanged: int
    absent: int
    forgotten: int
    failures: list[Failure]
    notes: list[str]
    seconds: float


def index_folder(
    videos: str | Path,
    gallery: str | Path,
    model: DiffusionRet,
    model_name: str,
    progress: Callable[[Progress], None] | None = None,
    timeout: float = 30.0,
    shard: int = SHARD,
    prune: bool = False,
) -> IndexReport:
    """Bring the gallery in folder `gallery` up to date with the videos in folder `videos` (or with one file).

    New files, changed ones (size, date or caption) and those that failed before are read; the rest stays. A file of
    an earlier run that is not in `videos` any more is marked absent, which takes it out of the search and keeps its
    features for its return; with `prune` it is forgotten, unless its folder cannot be read. Captions come from
    `captions.csv` in `videos`, with columns video (path below the folder, extension optional) and caption; the first
    of a video's captions counts.
    model_name: what `load_model` took, kept with the gallery. progress is called after every file. timeout:
    seconds a file. shard: videos a commit.
    May be interrupted at any moment: what was committed stays, and the next run does the rest.
    Raises ValueError where there are no videos, the captions are no table, the gallery belongs to another model or
    another run is at work on it.
    """
    check_timeout(timeout)
    begun = time.monotonic()
    videos, folder = Path(videos).resolve(), Path(gallery).resolve()
    root = videos if videos.is_dir() else videos.parent
    listing = list_videos(videos)
    captions, notes = read_captions(root)
    (folder / POSTERS).mkdir(parents=True, exist_ok=True)
    with run_lock(folder):
        notes = [*listing.notes, *notes]
        if Gallery.create(folder, model, model_name).damage:
            notes.append(
                "The newest version of this gallery could not be read: the one before is used, and what it lacks is "
                "read again."
            )
        store = Store.open(folder / TABLE)
        store.clean()
        if doubled := store.deduplicate():
            notes.append(f"{doubled} rows that stood twice in the gallery were dropped.")
        found = {_uri(path, folder): path for path in listing.videos}
        known = {row.uri: row for row in store.rows(LIGHT)}
        absent, gone = _missing(known, found, videos, folder, listing.unseen, prune)
        store.mark([uri for uri in absent if not known[uri].absent], date.today().isoformat())
        store.remove(gone)
        for uri in gone:
            _poster_file(folder, known.pop(uri).id).unlink(missing_ok=True)

        ids, clashing = _Ids(row.id for row in known.values()), _clashing(known.values())
        todo: dict[Path, Row] = {}
        failed: list[Row] = []
        away: list[Row] = []
        back: list[str] = []
        for uri, path in found.items():
            old = known.get(uri)
            try:
                status = _stat(path)
            except OSError as error:
                row = Row("", uri, 0, 0, error=f"{printable(path.name)} cannot be seen ({error.strerror}).")
                if old is None or old.error:
                    failed.append(row)
                else:  # what is known of it stays for its return
                    away.append(row)
                continue
            except UnicodeEncodeError:
                failed.append(
                    Row(
                        "",
                        uri,
                        0,
                        0,
                        error=f"{printable(path.name)} is no name in UTF-8: rename the file or its folder.",
                    )
                )
                continue
            caption = captions.get(_caption_key(path.relative_to(root).as_posix()), "")
            state = (status.st_size, status.st_mtime_ns, caption)
            same = old is not None and (old.size, old.modified, old.caption) == state
            if old is None or not same or old.error or uri in clashing:
                id = old.id if old and old.id and not clashing.get(uri) else ids.make(path.stem, uri)
                todo[path] = Row(id, uri, status.st_size, status.st_mtime_ns, caption=caption)
            elif old.absent:
                back.append(uri)
        store.mark(back, "")
        store.mark([row.uri for row in away if not known[row.uri].absent], date.today().isoformat())
        if failed:
            store.upsert(failed)
        failures = _index(todo, folder, store, model, progress, timeout, shard)
        store.compact()
    return IndexReport(
        added=len(todo) - len(failures),
        unchanged=len(found) - len(todo) - len(failed) - len(away),
        absent=len(absent) + len(away),
        forgotten=len(gone),
        failures=sorted([*failures, *(Failure(row.uri, row.error) for row in [*failed, *away])]),
        notes=notes,
        seconds=time.monotonic() - begun,
    )


def read_captions(folder: Path) -> tuple[dict[str, str], list[str]]:
    """Path of a video below `folder`, without extension -> its first caption, from `captions.csv` if any; and a
    sentence for every row that had to be left out.

    Raises ValueError where that file is no table with the columns video and caption.
    """
    file = folder / CAPTIONS
    if not file.is_file():
        if os.path.lexists(file):
            raise ValueError(f"{file} is no file that can be read: mend it, or take it away.")
        return {}, []
    captions: dict[str, str] = {}
    left_out: list[str] = []
    for _, row in read_table(file, read_utf8(file), ("video", "caption"), left_out.append):
        captions.setdefault(_caption_key(row["video"]), row["caption"].strip())
    return captions, left_out


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
                    if row.id:  # the picture of what the file was
                        _poster_file(folder, row.id).unlink(missing_ok=True)
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
    video = encode_videos(model, [clip for _, clip in batch], tower)
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


def _missing(
    known: dict[str, Row],
    found: dict[str, Path],
    videos: Path,
    folder: Path,
    unseen: Sequence[Path],
    prune: bool,
) -> tuple[list[str], list[str]]:
    """Of the rows below `videos` whose file was not found: those that are absent, and those that are forgotten.

    A row that only says why a file failed holds nothing that could be lost.
    """
    absent, gone = [], []
    for uri, row in known.items():
        path = folder / uri
        if uri in found or not path.is_relative_to(videos):
            continue
        hidden = any(path.is_relative_to(other) for other in unseen)
        (gone if (prune or row.error) and not hidden else absent).append(uri)
    return absent, gone


def _clashing(rows: Iterable[Row]) -> dict[str, bool]:
    """Files whose rows have one id, so that one's poster hides the other's: uri -> whether it needs another id."""
    by_id: dict[str, list[str]] = {}
    for row in rows:
        if row.id:
            by_id.setdefault(row.id.casefold(), []).append(row.uri)
    several = (sorted(uris) for uris in by_id.values() if len(uris) > 1)
    return {uri: place > 0 for uris in several for place, uri in enumerate(uris)}


def _stat(path: Path) -> os.stat_result:
    """Size and date of a file. Raises OSError where it cannot be seen, UnicodeEncodeError for a name that is no text:
    the table holds text only."""
    str(path).encode()
    return path.stat()


def _uri(path: Path, folder: Path) -> str:
    """Relative where the video lies below the gallery, so that the two can move together; bytes that are no UTF-8,
    which the table cannot hold, are spelled out."""
    uri = (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()
    return os.fsencode(uri).decode(errors="backslashreplace")


def _caption_key(video: str) -> str:
    """The name by which a table and a folder know a video, whichever way its letters are composed."""
    path = PurePosixPath(unicodedata.normalize("NFC", video).strip().replace("\\", "/"))
    return str(path.with_suffix("") if path.suffix.lower() in EXTENSIONS else path)


class _Ids:
    """Names videos after their files: fit for a file name, and unique where capitals do not count."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = {id.casefold() for id in taken}

    def make(self, name: str, uri: str) -> str:
        """An id for the file `uri`, whose name without extension is `name`."""
        name = unicodedata.normalize("NFC", name)
        letters = "".join(c if c in "_.-" or unicodedata.category(c)[0] in "LMN" else " " for c in name)
        whole = "_".join(letters.split()).strip("._") or "video"
        base = whole.encode()[:ID_BYTES].decode(errors="ignore")
        # What makes the difference is where the file lies, so that no two folders give the same.
        digest = text_digest(uri)
        id, length = (whole if base == whole else f"{base}-{digest[:8]}"), 8
        while id.casefold() in self.taken:
            id, length = f"{base}-{digest[:length]}", length + 8
        self.taken.add(id.casefold())
        return id
