"""The rows of a gallery on disk: a Lance table. Nothing else in the library knows Lance.

Every write is one atomic commit: a program that is killed loses what it had not yet committed, and nothing
more. Readers keep the version that they opened. Lance does not survive a fork; start processes by spawning.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # importing Lance takes a second, which no other part of the library should pay
    import lance
    import pyarrow

# Fragments smaller than this are merged at the end of a run; one of this size is never rewritten.
FRAGMENT_ROWS = 10_000
# Replaced files stay this long, for readers that still hold the version before.
KEEP_REPLACED = timedelta(days=1)


@dataclass(frozen=True)
class Row:
    """One video file: its features, or why it has none.

    id: unique among videos, fit for a file name; "" for a failure. uri: the file, relative to the gallery's
    folder where it lies below it, else absolute; unique. size (bytes) and modified (nanoseconds since 1970)
    tell whether the file has changed. duration: seconds. timestamps [frame]: seconds, NaN for padding.
    pooled [dim], frames [frame dim] and mask [frame] are the features; None where `error`, a sentence, says
    why the file could not be read, and where only the light columns were read.
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


class Store:
    """A Lance table of `Row`s, opened at one version."""

    def __init__(self, table: lance.LanceDataset) -> None:
        self._table = table

    @classmethod
    def create(cls, path: Path, dim: int, metadata: dict[str, str]) -> Store:
        """An empty table for features of `dim` numbers. Raises OSError where there is one already."""
        import lance

        schema = _schema(dim, metadata)
        return cls(lance.write_dataset(schema.empty_table(), str(path), schema=schema, mode="create"))

    @classmethod
    def open(cls, path: Path) -> Store:
        """The newest version. Raises ValueError where there is no such table."""
        import lance

        return cls(lance.dataset(str(path)))

    @property
    def metadata(self) -> dict[str, str]:
        return {k.decode(): v.decode() for k, v in (self._table.schema.metadata or {}).items()}

    @property
    def _dim(self) -> int:
        return self._table.schema.field("pooled").type.list_size

    def rows(self, names: Sequence[str]) -> list[Row]:
        """All rows in the order of storage, with the columns `names` only (none that holds features)."""
        columns = self._table.to_table(columns=list(names)).to_pydict()
        return [
            Row(**dict(zip(names, values, strict=True))) for values in zip(*columns.values(), strict=True)
        ]

    def pooled(self, rows: np.ndarray) -> np.ndarray:
        """float32 [row dim], of rows that have features, by their places in the order of storage."""
        column = self._table.take(rows.tolist(), columns=["pooled"])["pooled"].combine_chunks()
        return column.flatten().to_numpy(zero_copy_only=False).reshape(len(rows), self._dim)

    def features(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """frames float16 [row frame dim] and mask bool [row frame], as `pooled`."""
        table = self._table.take(rows.tolist(), columns=["frames", "mask"])
        frames, mask = (table[name].combine_chunks().flatten() for name in ("frames", "mask"))
        mask = mask.to_numpy(zero_copy_only=False).reshape(len(rows), len(mask) // max(len(rows), 1))
        return frames.flatten().to_numpy(zero_copy_only=False).reshape(*mask.shape, self._dim), mask

    def upsert(self, rows: Sequence[Row]) -> None:
        """Add rows; one whose uri is there already replaces it. One commit."""
        merge = self._table.merge_insert("uri").when_matched_update_all().when_not_matched_insert_all()
        merge.execute(_to_arrow(rows, self._table.schema))

    def remove(self, uris: Iterable[str]) -> None:
        """Forget some files. One commit."""
        quoted = ", ".join("'" + uri.replace("'", "''") + "'" for uri in uris)
        if quoted:
            self._table.delete(f"uri IN ({quoted})")

    def compact(self) -> None:
        """Merge small fragments into large ones and drop what was replaced long ago."""
        if len(self._table.get_fragments()) > 1:
            self._table.optimize.compact_files(target_rows_per_fragment=FRAGMENT_ROWS)
        self._table.cleanup_old_versions(older_than=KEEP_REPLACED)


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
        for name in ("id", "uri", "size", "modified", "duration", "caption", "error")
    }
    arrays["timestamps"] = [list(row.timestamps) for row in rows]
    arrays["mask"] = [[] if row.mask is None else row.mask.astype(bool).tolist() for row in rows]
    arrays["pooled"] = pa.FixedSizeListArray.from_arrays(
        pa.array(np.concatenate(pooled).astype(np.float32)), dim
    )
    flat = pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate(frames).ravel()), dim)
    arrays["frames"] = pa.ListArray.from_arrays(pa.array(offsets), flat)
    return pa.table({name: arrays[name] for name in schema.names}, schema=schema)
