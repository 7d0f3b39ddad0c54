"""A folder of videos -> a gallery: decode, encode, write in shards. Interrupted, it goes on where it was."""

from __future__ import annotations

import os
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from .digest import sketch, text_digest
from .edits import read_edits, write_edits
from .gallery import LIGHT, POSTERS, TABLE, Failure, Gallery
from .intake import SHARD, Intake, Progress, poster_file
from .listing import CAPTIONS, list_videos
from .lock import run_lock
from .model import DiffusionRet
from .spans import DEFAULT, Division, video_id
from .store import Row, Store
from .tables import read_table, read_utf8
from .video import EXTENSIONS, check_timeout, printable

ID_BYTES = 120  # of a file's name in its id, so that a poster's name stays below the 255 of a file system


class IndexReport(NamedTuple):
    """What a run did, in files.

    absent: known ones that this run could not see; they stay, marked. forgotten: those that are gone for good. spans:
    of the files that were added. moved: files that were known under another name; they count as unchanged. failures:
    files, or parts of long ones, that this run could not read. notes: sentences about all else that went wrong.
    """

    added: int
    unchanged: int
    absent: int
    forgotten: int
    spans: int
    moved: int
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
    spans: str = DEFAULT,
) -> IndexReport:
    """Bring the gallery in folder `gallery` up to date with the videos in folder `videos` (or with one file).

    New files, changed ones (size, date or caption), those that failed before and those that `spans` divides in another
    way are read; the rest stays. A file of an earlier run that is not in `videos` any more is marked absent, which
    takes it out of the search and keeps its features for its return; with `prune` it is forgotten, unless its folder
    cannot be read. Where the same content lies under another name, the rows move along. Captions come from
    `captions.csv` in `videos`, with columns video (path below the folder, extension optional) and caption; the first of
    a video's captions counts, for all of its spans. model_name: what `load_model` took, kept with the gallery. progress
    is called after every file, and within a long one after every span. timeout: seconds a file, and of a long one
    seconds a span. shard: rows a commit. spans: how a long video is divided, as `Division.of` takes it: windows of so
    many seconds, shots, or not at all. May be interrupted at any moment: what was committed stays, and the next run
    does the rest. Raises ValueError where there are no videos, the captions are no table, the gallery belongs to
    another model, `spans` is no division or another run is at work on it.
    """
    check_timeout(timeout)
    division = Division.of(spans)
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
        known = _files(store)
        moved = _move(store, known, found, folder)
        if moved:
            known = _files(store)
        absent, gone = _missing(known, found, videos, folder, listing.unseen, prune)
        store.mark([uri for uri in absent if not known[uri][0].absent], date.today().isoformat())
        store.remove(gone)
        for uri in gone:
            for row in known.pop(uri):
                poster_file(folder, row.id).unlink(missing_ok=True)

        rows = [row for of_file in known.values() for row in of_file]
        ids, clashing = _Ids(video_id(row.id) for row in rows), _clashing(rows)
        todo: dict[Path, Row] = {}
        failed: list[Row] = []
        away: list[Row] = []
        back: list[str] = []
        for uri, path in found.items():
            old = known.get(uri, [])
            try:
                status = _stat(path)
            except OSError as error:
                row = Row("", uri, 0, 0, error=f"{printable(path.name)} cannot be seen ({error.strerror}).")
                if all(part.error for part in old):
                    failed.append(row)
                else:  # what is known of it stays for its return
                    away.append(row)
                continue
            except UnicodeEncodeError:
                why = f"{printable(path.name)} is no name in UTF-8: rename the file or its folder."
                failed.append(Row("", uri, 0, 0, error=why))
                continue
            caption = captions.get(_caption_key(path.relative_to(root).as_posix()), "")
            row = Row("", uri, status.st_size, status.st_mtime_ns, caption=caption)
            if not _fits(old, row, division) or uri in clashing:
                id = next((video_id(part.id) for part in old if part.id and not clashing.get(uri)), "")
                todo[path] = replace(row, id=id or ids.make(path.stem, uri), digest=_sketch(path))
            elif old[0].absent:
                back.append(uri)
        store.mark(back, "")
        store.mark([row.uri for row in away if not known[row.uri][0].absent], date.today().isoformat())
        if failed:
            store.upsert(failed)
        intake = Intake(folder, store, model, shard)
        intake.run(todo, division, progress, timeout)
        store.compact()
    return IndexReport(
        added=len(todo) - len(intake.failed),
        unchanged=len(found) - len(todo) - len(failed) - len(away),
        absent=len(absent) + len(away),
        forgotten=len(gone),
        spans=intake.spans,
        moved=moved,
        failures=sorted([*intake.failures, *(Failure(row.uri, row.error) for row in [*failed, *away])]),
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


def _files(store: Store) -> dict[str, list[Row]]:
    """The rows of every file, by their start."""
    files: dict[str, list[Row]] = {}
    for row in sorted(store.rows(LIGHT), key=lambda row: row.start):
        files.setdefault(row.uri, []).append(row)
    return files


def _fits(old: Sequence[Row], new: Row, division: Division) -> bool:
    """Whether the rows of a file are what reading it now would give. new: what is known of it before it is read."""
    if not old or all(row.error for row in old):
        return False
    first = old[0]
    same = (first.size, first.modified, first.caption) == (new.size, new.modified, new.caption)
    return same and (
        first.division == division.text or (len(old) == 1 and division.leaves_whole(first.duration))
    )


def _move(store: Store, known: dict[str, list[Row]], found: dict[str, Path], folder: Path) -> int:
    """Where a new file is one that is known and no longer there, its rows take its name; how many files did."""
    lost: dict[tuple[int, str], list[str]] = {}
    new = [uri for uri in found if uri not in known]
    for uri, (first, *_) in known.items():
        if new and first.digest and uri not in found and not os.path.lexists(folder / uri):
            lost.setdefault((first.size, first.digest), []).append(uri)
    sizes, moves = {size for size, _ in lost}, {}
    for uri in new:
        try:
            status = _stat(found[uri])
            digest = sketch(found[uri]) if status.st_size in sizes else ""
        except (OSError, UnicodeEncodeError):
            continue
        if old := lost.get((status.st_size, digest)):
            # Of several alike the one of the same name, else the first.
            name = found[uri].name
            known_as = min(old, key=lambda uri: (PurePosixPath(uri).name != name, uri))
            old.remove(known_as)
            moves[known_as] = uri, status.st_mtime_ns
    edits = read_edits(folder) if moves else {}
    if edits.keys() & moves.keys():  # under both names until the rows have moved, so that a kill loses none
        edits |= {moves[uri][0]: edit for uri, edit in edits.items() if uri in moves}
        write_edits(folder, edits)
    for uri, (other, modified) in moves.items():
        store.move(uri, other, modified)
    if edits.keys() & moves.keys():
        write_edits(folder, {uri: edit for uri, edit in edits.items() if uri not in moves})
    return len(moves)


def _sketch(path: Path) -> str:
    """As `sketch`; "" where the file cannot be read, which reading it says in words."""
    try:
        return sketch(path)
    except OSError:
        return ""


def _missing(
    known: dict[str, list[Row]],
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
    for uri, rows in known.items():
        path = folder / uri
        if uri in found or not path.is_relative_to(videos):
            continue
        hidden = any(path.is_relative_to(other) for other in unseen)
        (gone if (prune or all(row.error for row in rows)) and not hidden else absent).append(uri)
    return absent, gone


def _clashing(rows: Iterable[Row]) -> dict[str, bool]:
    """Files whose rows have one id, so that one's poster hides the other's: uri -> whether it needs another id."""
    by_id: dict[str, set[str]] = {}
    for row in rows:
        if row.id:
            by_id.setdefault(video_id(row.id).casefold(), set()).add(row.uri)
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
