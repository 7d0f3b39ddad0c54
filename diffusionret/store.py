"""The rows of a gallery on disk: a Lance table. Nothing else in the library knows Lance.

Every write is one atomic commit upon the newest version, one writer after the other: a program that is killed
loses what it had not yet committed, and nothing more. Readers keep the version that they opened. A version that a
power loss left unreadable is passed over. Lance does not survive a fork; start processes by spawning.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .lock import commit_lock

if TYPE_CHECKING:  # importing Lance takes a second, which no other part of the library should pay
    import lance
    import pyarrow

# Fragments smaller than this are merged at the end of a run; one of this size is never rewritten.
FRAGMENT_ROWS = 10_000
# Replaced files stay this long, for readers that still hold the version before.
KEEP_REPLACED = timedelta(days=1)
# Columns that older tables lack, and what they then hold: every video was one span.
LATER = {
    "absent": "''",
    "start": "CAST(0 AS DOUBLE)",
    "end": "duration",
    "division": "'whole'",
    "fps": "CAST(0 AS DOUBLE)",
    "digest": "''",
}


@dataclass(frozen=True)
class Row:
    """One span of a video file: its features, or why it has none. A short video is one span.

    id: unique among spans, fit for a file name; "" for a failure. uri: the file, relative to the gallery's folder where
    it lies below it, else absolute. size (bytes) and modified (nanoseconds since 1970) tell whether the file has
    changed. duration: seconds, of the file. start, end: of the span, in seconds of the file; no two rows of a file have
    the same start. timestamps [frame]: seconds of the file, NaN for padding. pooled [dim], frames [frame dim] and mask
    [frame] are the features; None where `error`, a sentence, says why the file could not be read, and where only the
    light columns were read. absent: the day (2026-01-31) on which the file was missing, "" while it is there; its
    features stay. division: how the file was divided into spans (spans.py). fps: average frames a second, 0 where
    unknown. digest: of what the file holds (`digest.sketch`), by which it is known again under another name; "" where
    unknown.
    """

    id: str
    uri: str
    size: int
    modified: int
    duration: float = 0.0
    caption: str = ""
    timestamps: Sequence[float] = ()
    pooled: np.ndarray | None = None
    frames: np.ndarray | None = None
    mask: np.ndarray | None = None
    error: str = ""
    absent: str = ""
    start: float = 0.0
    end: float = 0.0
    division: str = ""
    fps: float = 0.0
    digest: str = ""


class DamagedTable(ValueError):
    """A table that cannot be read. The text is one sentence: what is wrong and what to do."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The table {path.parent.name}/{path.name} of the gallery is damaged: move it away and index the videos "
            "again."
        )


class Store:
    """A Lance table of `Row`s, opened at one version.

    broken: (number, manifest) of newer versions, which cannot be read; the next commit sets them aside.
    """

    def __init__(
        self, table: lance.LanceDataset, path: Path, broken: Sequence[tuple[int, Path]] = ()
    ) -> None:
        """Use `create` or `open`."""
        self._table, self._path, self.broken = table, path, tuple(broken)

    @staticmethod
    def exists(path: Path) -> bool:
        """Whether there is a version, readable or not; a run that a full disk ended may leave an empty folder."""
        return bool(_manifests(path))

    @classmethod
    def create(cls, path: Path, dim: int, metadata: dict[str, str]) -> Store:
        """An empty table for features of `dim` numbers. Raises OSError where there is one already."""
        import lance

        if cls.exists(path):
            raise OSError(f"There is a table in {path} already.")
        schema = _schema(dim, metadata)
        with _writing(path):
            lance.write_dataset(schema.empty_table(), str(path), schema=schema, mode="create")
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Store:
        """The newest version that can be read.

        Raises FileNotFoundError where there is no such table, DamagedTable where no version can be read.
        """
        manifests = _manifests(path)
        if not manifests:
            raise FileNotFoundError(f"There is no table in {path}.")
        for place, (version, _) in enumerate(manifests):
            if (table := _version(path, version)) is not None:
                return cls(table, path, manifests[:place])
        raise DamagedTable(path)

    @property
    def metadata(self) -> dict[str, str]:
        return {k.decode(): v.decode() for k, v in (self._table.schema.metadata or {}).items()}

    @property
    def _dim(self) -> int:
        return self._table.schema.field("pooled").type.list_size

    def rows(self, names: Sequence[str]) -> list[Row]:
        """All rows in the order of storage, with the columns `names` only (none that holds features)."""
        stored = [name for name in names if name in self._table.schema.names]
        with self._readable():
            columns = self._table.to_table(columns=stored).to_pydict()
        return [
            Row(**dict(zip(stored, values, strict=True))) for values in zip(*columns.values(), strict=True)
        ]

    def ids(self, uris: Iterable[str]) -> list[str]:
        """The ids of the rows of some files."""
        chosen = _among(uris)
        with self._readable():
            return self._table.to_table(columns=["id"], filter=chosen)["id"].to_pylist() if chosen else []

    def pooled(self, rows: np.ndarray) -> np.ndarray:
        """float32 [row dim], of rows that have features, by their places in the order of storage."""
        with self._readable():
            column = self._table.take(rows.tolist(), columns=["pooled"])["pooled"].combine_chunks()
        return column.flatten().to_numpy(zero_copy_only=False).reshape(len(rows), self._dim)

    def features(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """frames float16 [row frame dim] and mask bool [row frame], as `pooled`."""
        with self._readable():
            table = self._table.take(rows.tolist(), columns=["frames", "mask"])
        frames, mask = (table[name].combine_chunks().flatten() for name in ("frames", "mask"))
        mask = mask.to_numpy(zero_copy_only=False).reshape(len(rows), len(mask) // max(len(rows), 1))
        return frames.flatten().to_numpy(zero_copy_only=False).reshape(*mask.shape, self._dim), mask

    def upsert(self, rows: Sequence[Row]) -> None:
        """Add the rows of some files, at least one row, in place of all that is there of these files. One commit: a
        file never stands with spans of two divisions, or with a part of them."""
        with self._commit():
            merge = self._table.merge_insert(["uri", "start"])
            merge = merge.when_matched_update_all().when_not_matched_insert_all()
            merge = merge.when_not_matched_by_source_delete(_among({row.uri for row in rows}))
            merge.execute(_to_arrow(rows, self._table.schema))

    def remove(self, uris: Iterable[str]) -> None:
        """Forget some files. One commit."""
        if chosen := _among(uris):
            with self._commit():
                self._table.delete(chosen)

    def mark(self, uris: Iterable[str], absent: str) -> None:
        """Say of some files since when they are absent, or with "" that they are back. One commit."""
        if chosen := _among(uris):
            with self._commit():
                self._table.update({"absent": _quoted(absent)}, where=chosen)

    def move(self, uri: str, other: str, modified: int) -> None:
        """Say that a file now lies at `other`, with all its spans, and is there. modified: as in `Row`. One commit."""
        with self._commit():
            values = {"uri": _quoted(other), "modified": str(modified), "absent": "''"}
            self._table.update(values, where=_among([uri]))

    def deduplicate(self) -> int:
        """Keep one row a span, a readable one where there is one; how many were dropped. One commit."""
        with self._commit():
            columns = self._table.to_table(columns=["uri", "start", "error"], with_row_id=True).to_pydict()
            rows = sorted(zip(*(columns[name] for name in ("uri", "start", "error", "_rowid")), strict=True))
            kept = {(uri, start): id for uri, start, _, id in reversed(rows)}
            dropped = [str(id) for uri, start, _, id in rows if kept[uri, start] != id]
            if dropped:
                self._table.delete(f"_rowid IN ({', '.join(dropped)})")
            return len(dropped)

    def compact(self) -> None:
        """Merge small fragments into large ones."""
        with self._commit():
            if len(self._table.get_fragments()) > 1:
                self._table.optimize.compact_files(target_rows_per_fragment=FRAGMENT_ROWS)

    def clean(self) -> None:
        """Drop what was replaced long ago.

        Only where the newest version is so old: a version's age is that of its writing, and readers may still hold the
        one that the newest has just replaced.
        """
        with self._commit():
            newest = _manifests(self._path)[0][1].stat().st_mtime
            if time.time() - newest >= KEEP_REPLACED.total_seconds():
                self._table.cleanup_old_versions(older_than=KEEP_REPLACED)

    @contextmanager
    def _commit(self) -> Iterator[None]:
        """Alone with the newest version, which holds what other writers have committed meanwhile: two that insert
        the same file at once would both succeed."""
        with commit_lock(self._path), _writing(self._path):
            for version, manifest in self.broken:
                if (
                    manifest.exists() and _version(self._path, version) is None
                ):  # still so, and not for a moment only
                    manifest.rename(manifest.with_suffix(".broken"))
            self.broken = ()
            self._table = Store.open(self._path)._table
            lacking = {name: value for name, value in LATER.items() if name not in self._table.schema.names}
            if lacking:
                self._table.add_columns(lacking)
            yield

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, OSError, RuntimeError) as error:  # whatever Lance says, in its own words
            if Store.open(self._path)._table.version > self._table.version:
                raise ValueError("The gallery has been changed meanwhile: open it again.") from error
            raise DamagedTable(self._path) from error


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """What stops a write, in a sentence: Lance speaks of its own source files."""
    try:
        yield
    except DamagedTable:
        raise
    except (ValueError, OSError, RuntimeError) as error:
        name = f"{path.parent.name}/{path.name}"
        if "No space left" in str(error):
            raise OSError(
                f"There is no space left on the disk of {name}: free some and run it again; what is in it stays."
            ) from error
        reason = str(error).split(", /")[0].partition("\n")[0]
        raise OSError(f"{name} cannot be written ({reason}): check its folder and disk.") from error


def _manifests(path: Path) -> list[tuple[int, Path]]:
    """The versions that a table's folder lists, newest first: (number, manifest)."""
    found = []
    for manifest in (path / "_versions").glob("*.manifest"):
        if manifest.stem.isdecimal():
            number = int(manifest.stem)
            # Names count down from 2^64 - 1, so that the newest is listed first; in older tables they count up.
            found.append((2**64 - 1 - number if number >= 2**63 else number, manifest))
    return sorted(found, reverse=True)


def _version(path: Path, number: int) -> lance.LanceDataset | None:
    """A version of a table, None where it cannot be read."""
    import lance

    try:
        table = lance.dataset(str(path), version=number)
        table.to_table(columns=["uri"])  # a manifest of zeros opens, and data of zeros is found out only here
    except Exception:  # Lance raises ValueError, OSError, RuntimeError and Arrow's own errors for one cause
        return None
    return table


def _among(uris: Iterable[str]) -> str:
    """The condition that picks some files, "" for none."""
    quoted = ", ".join(map(_quoted, uris))
    return f"uri IN ({quoted})" if quoted else ""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _schema(dim: int, metadata: dict[str, str]) -> pyarrow.Schema:
    import pyarrow as pa

    columns = {
        "id": pa.string(),
        "uri": pa.string(),
        "size": pa.int64(),
        "modified": pa.int64(),
        "duration": pa.float64(),
        "caption": pa.string(),
        "timestamps": pa.list_(pa.float64()),
        "pooled": pa.list_(pa.float32(), dim),
        "frames": pa.list_(pa.list_(pa.float16(), dim)),
        "mask": pa.list_(pa.bool_()),
        "error": pa.string(),
        "absent": pa.string(),
        "start": pa.float64(),
        "end": pa.float64(),
        "division": pa.string(),
        "fps": pa.float64(),
        "digest": pa.string(),
    }
    return pa.schema(list(columns.items()), metadata=metadata)


def _to_arrow(rows: Sequence[Row], schema: pyarrow.Schema) -> pyarrow.Table:
    import pyarrow as pa

    dim = schema.field("pooled").type.list_size
    nothing = np.zeros((0, dim), np.float16)
    frames = [nothing if row.frames is None else row.frames.astype(np.float16) for row in rows]
    offsets = np.cumsum([0, *(len(f) for f in frames)], dtype=np.int32)
    pooled = [np.zeros(dim, np.float32) if row.pooled is None else row.pooled for row in rows]
    arrays: dict[str, Any] = {
        name: [getattr(row, name) for row in rows]
        for name in schema.names
        if name not in ("timestamps", "pooled", "frames", "mask")
    }
    arrays["timestamps"] = [list(row.timestamps) for row in rows]
    arrays["mask"] = [[] if row.mask is None else row.mask.astype(bool).tolist() for row in rows]
    arrays["pooled"] = pa.FixedSizeListArray.from_arrays(
        pa.array(np.concatenate(pooled).astype(np.float32)), dim
    )
    flat = pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate(frames).ravel()), dim)
    arrays["frames"] = pa.ListArray.from_arrays(pa.array(offsets), flat)
    return pa.table({name: arrays[name] for name in schema.names}, schema=schema)
