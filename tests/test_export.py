"""A gallery exported: what a notebook reads is what the gallery holds."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from tiny import features

from diffusionret import Gallery, export


def test_parquet_and_arrays_hold_the_gallery(tmp_path, monkeypatch) -> None:
    _, video = features(1, 7)
    gallery = Gallery.in_memory(video, captions=[f"caption {i}" for i in range(7)], durations=[*range(1, 8)])
    monkeypatch.setattr(export, "BLOCK", 3)
    files = export.export_gallery(gallery, tmp_path / "out")
    assert [file.name for file in files] == ["gallery.parquet", "frames.npy", "mask.npy", "pooled.npy"]
    frames, mask, pooled = (np.load(file) for file in files[1:])
    assert np.array_equal(frames, video.frames.numpy().astype(np.float16)) and frames.dtype == np.float16
    assert np.array_equal(mask, video.mask.numpy().astype(bool))
    assert np.array_equal(pooled, gallery.pooled.numpy())
    table = pq.read_table(files[0])
    assert table["id"].to_pylist() == gallery.ids and table["caption"].to_pylist() == gallery.captions
    assert table["end"].to_pylist() == gallery.durations and table["start"].to_pylist() == 7 * [0.0]
    assert np.array_equal(np.array(table["pooled"].to_pylist(), np.float32), pooled)
    assert np.array_equal(np.array(table["frames"].to_pylist(), np.float16), frames)
    with pytest.raises(FileExistsError, match=r"gallery.parquet already: choose another folder"):
        export.export_gallery(gallery, tmp_path / "out")


def test_an_empty_gallery_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="holds no videos"):
        export.export_gallery(Gallery.in_memory(features(1, 0)[1]), tmp_path / "out")
    assert not (tmp_path / "out").exists()
