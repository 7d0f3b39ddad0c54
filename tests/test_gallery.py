"""The store and the gallery over it: what goes in comes out, in one order, for one model."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import CONFIG, features, tiny_model

from diffusionret import Gallery, Retriever, lock, store
from diffusionret.cli import main
from diffusionret.gallery import TABLE, fingerprint
from diffusionret.inventory import forget, inventory
from diffusionret.model import DiffusionRet
from diffusionret.similarity import mean_frame
from diffusionret.store import Row, Store


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def rows(count: int, prefix: str = "clip", seed: int = 0) -> list[Row]:
    """Rows whose ids run backwards, so that storage and gallery order differ."""
    _, video = features(1, count, seed=seed)
    pooled = mean_frame(video)
    return [
        Row(
            id=f"{prefix}{count - i:03d}",
            uri=f"videos/{prefix} {i}.mp4",
            size=i,
            modified=1_700_000_000_000_000_000 + i,
            duration=i + 0.5,
            caption=f"caption {i}",
            timestamps=[0.0, 1.0, 2.0, float("nan") if i % 2 else 3.0],
            pooled=pooled[i].numpy(),
            frames=video.frames[i].numpy(),
            mask=video.mask[i].numpy(),
        )
        for i in range(count)
    ]


def failed(name: str) -> Row:
    return Row(id="", uri=name, size=1, modified=2, error=f"{name} is no video.")


@pytest.fixture
def folder(tmp_path, model):
    Gallery.create(tmp_path / "made", model, "tiny")
    return tmp_path / "made"


def test_what_goes_in_comes_out_in_the_order_of_ids(folder):
    written = rows(7)
    Store.open(folder / TABLE).upsert([*written[:4], failed("b.mp4"), *written[4:], failed("a.mp4")])
    gallery = Gallery.open(folder)
    expected = written[::-1]
    assert len(gallery) == 7 and gallery.ids == [row.id for row in expected]
    assert gallery.captions == [row.caption for row in expected]
    assert gallery.durations == [row.duration for row in expected]
    assert np.array_equal(gallery.timestamps, [row.timestamps for row in expected], equal_nan=True)
    assert np.array_equal(gallery.pooled, np.stack([row.pooled for row in expected]))
    video = gallery.features()
    assert video.frames.dtype == torch.float32
    assert np.array_equal(video.frames, np.stack([row.frames.astype(np.float16) for row in expected]))
    assert np.array_equal(video.mask, np.stack([row.mask for row in expected]))
    assert gallery.failures == [("a.mp4", "a.mp4 is no video."), ("b.mp4", "b.mp4 is no video.")]
    assert gallery.path(0) == folder.resolve() / expected[0].uri and gallery.poster(0) is None
    assert gallery.position(expected[3].id) == 3
    with pytest.raises(ValueError, match="no video 'nothing'"):
        gallery.position("nothing")


def test_some_features_are_read_without_the_rest(folder):
    Store.open(folder / TABLE).upsert([failed("a.mp4"), *rows(9)])
    some, whole = Gallery.open(folder), Gallery.open(folder)
    whole.features()
    positions = torch.tensor([5, 0, 8])
    for a, b in zip(some.features(positions), whole.features(positions), strict=True):
        assert torch.equal(a, b)
    assert some._features is None


def test_a_row_of_the_same_file_is_replaced(folder):
    table = Store.open(folder / TABLE)
    table.upsert([*rows(3), failed("videos/clip 9.mp4")])
    newer = replace(rows(1)[0], id="clip009", uri="videos/clip 9.mp4", caption="readable now")
    table.upsert([newer, replace(rows(3)[1], caption="changed")])
    gallery = Gallery.open(folder)
    assert gallery.captions == ["caption 2", "changed", "caption 0", "readable now"] and not gallery.failures


def test_writers_of_the_same_file_leave_one_row(folder):
    """Lance alone lets both insert it."""
    first, second = Store.open(folder / TABLE), Store.open(folder / TABLE)
    first.upsert(rows(2))
    second.upsert([replace(row, caption="later") for row in rows(3)])
    first.mark(["videos/clip 0.mp4"], "2026-01-31")
    gallery = Gallery.open(folder)
    assert gallery.captions == ["later", "later"] and len(gallery.failures) == 1


def test_a_commit_waits_for_the_one_before(folder, monkeypatch):
    monkeypatch.setattr(lock, "COMMIT_SECONDS", 0.1)
    table = Store.open(folder / TABLE)
    with (
        lock.commit_lock(folder / TABLE),
        pytest.raises(lock.Busy, match="Another process has been writing to made"),
    ):
        table.upsert(rows(1))
    table.upsert(rows(1))
    assert len(Gallery.open(folder)) == 1


def test_what_is_listed_and_what_is_forgotten(folder, capsys):
    table = Store.open(folder / TABLE)
    table.upsert([*rows(3), failed("a.mp4")])
    table.mark(["videos/clip 0.mp4"], "2026-01-31")
    (folder / "posters" / "clip001.jpg").touch()
    assert [row.uri for row in inventory(folder)] == ["a.mp4", *(f"videos/clip {i}.mp4" for i in range(3))]
    with pytest.raises(ValueError, match="holds no 'nothing': `python -m diffusionret list --gallery "):
        forget(folder, ["clip001", "nothing"])
    with pytest.raises(ValueError, match="holds no ''"):  # a shell's empty variable names no failed file
        forget(folder, [""])
    assert len(inventory(folder)) == 4
    assert main(["list", "--gallery", str(folder)]) == 0
    listed = capsys.readouterr().out
    assert (
        "clip 0.mp4 has been missing since 2026-01-31" in listed and "2 can be searched, 2 cannot." in listed
    )
    assert main(["list", "--gallery", str(folder), "--json"]) == 0
    assert [file["trouble"] for file in json.loads(capsys.readouterr().out)][2:] == ["", ""]
    names = ["clip001", "a.mp4", str(folder / "videos" / "clip 0.mp4")]
    assert main(["forget", *names, "--gallery", str(folder)]) == 0
    assert "3 forgotten; the files themselves are untouched" in capsys.readouterr().out
    assert Gallery.open(folder).ids == ["clip002"] and not Gallery.open(folder).failures
    assert not (folder / "posters" / "clip001.jpg").exists()


def test_a_reader_keeps_its_version(folder):
    table = Store.open(folder / TABLE)
    table.upsert(rows(3))
    reader = Gallery.open(folder)
    table.upsert(rows(5, "new", seed=1))
    table.remove(["videos/clip 0.mp4", "it's not there"])
    table.compact()
    assert len(reader) == 3 and reader.features().frames.shape == (3, 4, 32)
    assert len(Gallery.open(folder)) == 7


def test_compacting_merges_shards_and_drops_old_files(monkeypatch, folder):
    table = Store.open(folder / TABLE)
    for i in range(4):
        table.upsert(rows(3, f"shard{i}-", seed=i))
    before = Gallery.open(folder)
    table.compact()
    table.clean()  # readers may still hold what was replaced just now
    assert torch.equal(before.features().frames, Gallery.open(folder).features().frames)
    monkeypatch.setattr(store, "KEEP_REPLACED", timedelta(0))
    table.clean()
    after = Gallery.open(folder)
    assert after.ids == before.ids
    assert len(list((folder / TABLE / "data").iterdir())) == 1
    assert torch.equal(after.pooled, torch.from_numpy(np.stack(pooled_of(before.ids))))


def pooled_of(ids: list[str]) -> list[np.ndarray]:
    written = {row.id: row for i in range(4) for row in rows(3, f"shard{i}-", seed=i)}
    return [written[id].pooled for id in ids]


def test_names_may_hold_quotes(folder):
    table = Store.open(folder / TABLE)
    table.upsert([replace(rows(1)[0], uri="o'clock.mp4"), *rows(2)[:1]])
    table.remove(["o'clock.mp4"])
    assert [row.uri for row in table.rows(["uri", "id", "size", "modified"])] == ["videos/clip 0.mp4"]


def test_a_gallery_may_move(folder, tmp_path, model):
    """As files only: version control does not keep empty folders."""
    Store.open(folder / TABLE).upsert(rows(3))
    Gallery.open(folder)
    for path in folder.rglob("*"):
        if path.is_file():
            copy = tmp_path / "moved" / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    shutil.rmtree(folder)
    gallery = Gallery.open(tmp_path / "moved")
    assert gallery.path(0) == (tmp_path / "moved").resolve() / "videos/clip 2.mp4"
    Store.open(tmp_path / "moved" / TABLE).upsert(rows(1, "new"))
    assert len(Retriever(model, Gallery.open(tmp_path / "moved")).search("a boat", steps=10).hits) == 4


def test_an_empty_gallery_opens(folder, model):
    Store.open(folder / TABLE).upsert([failed("a.mp4")])
    gallery = Gallery.open(folder)
    assert len(gallery) == 0 and gallery.features().frames.shape[2] == 32 and gallery.pooled.shape == (0, 32)
    with pytest.raises(ValueError, match="holds no videos"):
        Retriever(model, gallery).search("a boat")


def test_there_may_be_no_gallery(tmp_path):
    with pytest.raises(FileNotFoundError, match="make one with"):
        Gallery.open(tmp_path)


def test_a_gallery_in_memory_has_no_files():
    _, video = features(1, 3)
    gallery = Gallery.in_memory(video, ids=["a", "b", "c"], durations=[1.0, 2.0, 3.0])
    assert (gallery.path(0), gallery.poster(0), gallery.folder, gallery.failures) == (None, None, None, [])
    assert gallery.timestamps[0] == [0.0, 1.0, 2.0, 3.0] and gallery.durations[2] == 3.0
    assert torch.equal(gallery.pooled, mean_frame(video))
    assert torch.equal(gallery.features(torch.tensor([2])).frames, video.frames[2:])


# --- one model a gallery --------------------------------------------------------------------------------


def test_another_model_is_refused(folder, model):
    Store.open(folder / TABLE).upsert(rows(3))
    other = tiny_model(seed=1)
    for action in (
        lambda: Retriever(other, Gallery.open(folder)),
        lambda: Gallery.create(folder, other, "other"),
    ):
        with pytest.raises(ValueError, match=r"made with another model \(tiny\)") as caught:
            action()
        assert "\n" not in str(caught.value)
    assert Gallery.create(folder, model, "tiny").model_name == "tiny"


def test_a_gallery_of_an_earlier_bundled_model_says_how_to_index_it_again(tmp_path, model, monkeypatch):
    monkeypatch.setattr("diffusionret.gallery.MODELS", tmp_path / "models")
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    gallery = Gallery.create(tmp_path / "mine", model, "tiny")
    gallery.check(model)
    with pytest.raises(ValueError, match="earlier tiny model") as caught:
        gallery.check(tiny_model(seed=1))
    said = str(caught.value)
    assert "index VIDEOS --gallery FOLDER --model tiny`" in said and str(tmp_path) not in said
    assert "\n" not in str(caught.value)


def test_a_table_that_names_no_model_is_refused(tmp_path, model):
    Store.create(tmp_path / TABLE, model.config.clip.embed_dim, {"model": "tiny"})
    with pytest.raises(ValueError, match="made with another model"):
        Gallery.open(tmp_path).check(model)


def test_a_model_folder_is_remembered_by_its_place(folder, tmp_path, model, monkeypatch):
    assert Gallery.open(folder).model_name == "tiny"  # a name stays a name
    model.save_pretrained(tmp_path / "weights")
    monkeypatch.chdir(tmp_path)
    assert Gallery.create("second", model, "weights").model_name == str((tmp_path / "weights").resolve())


def test_the_digest_knows_what_features_depend_on(tmp_path, model):
    own = fingerprint(model)
    model.save_pretrained(tmp_path)
    assert fingerprint(DiffusionRet.from_pretrained(tmp_path)) == own  # half precision or not
    retrained = tiny_model()
    for parameter in retrained.generator.parameters():
        parameter.data.add_(1)
    assert fingerprint(retrained) == own
    changed = tiny_model()
    changed.temporal.positions.weight.data.add_(0.01)
    assert fingerprint(changed) != own
    assert fingerprint(tiny_model(config=replace(CONFIG, frame_rule="published"))) != own
    assert fingerprint(tiny_model(config=replace(CONFIG, name="renamed", generator=None))) == own


def test_lance_is_imported_only_where_it_is_needed():
    code = "import sys, diffusionret; print('lance' in sys.modules, 'pyarrow' in sys.modules)"
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.split() == ["False", "False"]
