"""A gallery for a notebook: rows, captions and features as Parquet, the features as NumPy arrays as well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from .gallery import Gallery

TABLE = "gallery.parquet"
ARRAYS = ("frames", "mask", "pooled")
BLOCK = 1000  # rows read at a time


def export_gallery(gallery: Gallery, folder: str | Path) -> list[Path]:
    """Write what a gallery holds into `folder`, which is made; the files that were written.

    gallery.parquet has a row a span: id, file, start, end, duration (seconds), fps, caption, timestamps [frame] and
    the features pooled [dim] and frames [frame dim]. frames.npy, float16 [span frame dim], mask.npy, bool [span frame],
    and pooled.npy, float32 [span dim], hold the same features in the same order.
    Raises FileExistsError where one of them is there already, ValueError for an empty gallery.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = len(gallery)
    if not count:
        raise ValueError(
            "The gallery holds no videos that could be exported: index a folder of videos first."
        )
    folder = Path(folder)
    files = [folder / TABLE, *(folder / f"{name}.npy" for name in ARRAYS)]
    for file in files:
        if file.exists():
            raise FileExistsError(f"There is a {file} already: choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    sample = gallery.features(torch.arange(1))
    frames, dim = sample.frames.shape[1:]
    shapes = {"frames": (frames, dim), "mask": (frames,), "pooled": (dim,)}
    kinds = {"frames": np.float16, "mask": np.bool_, "pooled": np.float32}
    arrays = {
        name: np.lib.format.open_memmap(file, "w+", dtype=kinds[name], shape=(count, *shapes[name]))
        for name, file in zip(ARRAYS, files[1:], strict=True)
    }
    schema = pa.schema(
        [(name, pa.string()) for name in ("id", "file")]
        + [(name, pa.float64()) for name in ("start", "end", "duration", "fps")]
        + [
            ("caption", pa.string()),
            ("timestamps", pa.list_(pa.float64())),
            ("pooled", pa.list_(pa.float32(), dim)),
            ("frames", pa.list_(pa.list_(pa.float16(), dim))),
        ],
        metadata={"model": gallery.model_name},
    )
    with pq.ParquetWriter(files[0], schema) as table:
        for begin in range(0, count, BLOCK):
            rows = range(begin, min(begin + BLOCK, count))
            part = slice(rows.start, rows.stop)
            video = gallery.features(torch.arange(rows.start, rows.stop))
            arrays["frames"][part] = video.frames.numpy().astype(np.float16)
            arrays["mask"][part] = video.mask.numpy().astype(bool)
            arrays["pooled"][part] = gallery.pooled[part].numpy()
            columns = {
                "id": gallery.ids[part],
                "file": [gallery.file(i) for i in rows],
                "start": [gallery.spans[i].start for i in rows],
                "end": [gallery.spans[i].end for i in rows],
                "duration": gallery.durations[part],
                "fps": gallery.rates[part],
                "caption": gallery.captions[part],
                "timestamps": [list(stamps) for stamps in gallery.timestamps[part]],
            }
            pooled = pa.array(arrays["pooled"][part].ravel())
            flat = pa.FixedSizeListArray.from_arrays(pa.array(arrays["frames"][part].ravel()), dim)
            offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int32) * frames)
            features = [
                pa.FixedSizeListArray.from_arrays(pooled, dim),
                pa.ListArray.from_arrays(offsets, flat),
            ]
            plain = [pa.array(columns[name], schema.field(name).type) for name in schema.names[:-2]]
            table.write_table(pa.Table.from_arrays([*plain, *features], schema=schema))
    for array in arrays.values():
        array.flush()
    return files
