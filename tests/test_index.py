"""Indexing: what is read, what is skipped, what failed, and going on after a kill."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import write_clip
from PIL import Image
from tiny import CONFIG, tiny_model

from diffusionret import Gallery, Retriever, index
from diffusionret.gallery import TABLE
from diffusionret.index import find_videos, index_folder, read_captions
from diffusionret.similarity import mean_frame
from diffusionret.store import Store
from diffusionret.video import read_frames


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    """Five clips of different lengths, one of them in a folder of its own."""
    folder = tmp_path_factory.mktemp("clips")
    (folder / "deep").mkdir()
    for i, name in enumerate(("one", "two", "three", "four", "deep/five")):
        write_clip(folder / f"{name}.mp4", count=12 + 6 * i)
    return folder


@pytest.fixture
def videos(clips, tmp_path) -> Path:
    """A copy of them to change."""
    for path in clips.rglob("*.mp4"):
        copy = tmp_path / "videos" / path.relative_to(clips)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return tmp_path / "videos"


def add(videos: Path, gallery: Path, model, **options) -> index.IndexReport:
    return index_folder(videos, gallery, model, "tiny", **options)


def counts(report: index.IndexReport) -> tuple[int, int, int, int]:
    return report.added, report.unchanged, report.removed, len(report.failures)


def test_a_folder_becomes_a_gallery(videos, tmp_path, model):
    (videos / "captions.csv").write_text(
        'video,caption\ntwo.mp4,The second clip.\ntwo.mp4,Another caption.\ndeep/five," Five, deep "\n'
    )
    seen = []
    report = add(videos, tmp_path / "out", model, progress=seen.append)
    assert counts(report) == (5, 0, 0, 0) and report.seconds > 0
    assert [p.done for p in seen] == [1, 2, 3, 4, 5] and {p.total for p in seen} == {5}
    assert seen[-1].seconds_left == 0 and seen[0].seconds_left > 0
    gallery = Gallery.open(tmp_path / "out")
    assert gallery.ids == ["five", "four", "one", "three", "two"]
    assert gallery.captions == ["Five, deep", "", "", "", "The second clip."]
    assert gallery.model_name == "tiny"
    for i, id in enumerate(gallery.ids):
        assert gallery.path(i) == next(videos.resolve().rglob(f"{id}.mp4"))
        with Image.open(gallery.poster(i)) as poster:
            assert poster.format == "JPEG" and poster.size == (64, 64)
    result = Retriever(model, gallery).search("a red boat", steps=10)
    assert len(result.hits) == 5
    assert all(0 <= hit.moment < hit.duration for hit in result.hits)


@pytest.mark.parametrize("rule", ["even", "published"])
def test_features_are_those_of_each_clip_alone(clips, tmp_path, rule):
    model = tiny_model(config=replace(CONFIG, frame_rule=rule))
    add(clips, tmp_path / "out", model)
    gallery = Gallery.open(tmp_path / "out")
    video = gallery.features()
    for i, id in enumerate(gallery.ids):
        clip = read_frames(next(clips.rglob(f"{id}.mp4")), rule, 4, 32, crop=True)
        mask = torch.from_numpy(clip.mask)
        frames = model.preprocess(torch.from_numpy(clip.frames))
        frames[~mask] = 0
        with torch.no_grad():
            alone = model.encode_frames(frames[None], mask[None].long())
        assert torch.equal(video.mask[i].bool(), mask)
        assert torch.allclose(video.frames[i], alone.frames[0], atol=1e-2)  # norm 10 in half precision
        assert torch.allclose(gallery.pooled[i], mean_frame(alone)[0], atol=1e-5)
        assert np.array_equal(gallery.timestamps[i], clip.timestamps, equal_nan=True)
        assert gallery.durations[i] == clip.duration
    if rule == "published":
        assert (video.mask == 0).any()  # a clip of 1.2 s has two frames of four


def test_only_what_changed_is_read_again(videos, tmp_path, model):
    out = tmp_path / "out"
    add(videos, out, model)
    before = Gallery.open(out)
    assert counts(add(videos, out, model)) == (0, 5, 0, 0)

    (videos / "one.mp4").unlink()
    write_clip(videos / "one.mp4", count=40)
    (videos / "three.mp4").unlink()
    write_clip(videos / "new.mp4", count=10)
    (videos / "captions.csv").write_text("video,caption\nfour,Now with a caption.\n")
    assert counts(add(videos, out, model)) == (3, 2, 1, 0)
    after = Gallery.open(out)
    assert after.ids == ["five", "four", "new", "one", "two"]
    assert after.captions[1] == "Now with a caption."
    assert after.durations[3] == pytest.approx(4.0) != before.durations[before.position("one")]
    assert not (out / "posters" / "three.jpg").exists() and (out / "posters" / "new.jpg").exists()
    assert counts(add(videos, out, model)) == (0, 5, 0, 0)


def test_another_folder_and_a_single_file_may_join(videos, clips, tmp_path, model):
    out = tmp_path / "out"
    add(videos / "deep", out, model)
    assert counts(add(videos / "two.mp4", out, model)) == (1, 0, 0, 0)
    assert counts(add(clips / "deep", out, model)) == (1, 0, 0, 0)
    ids = Gallery.open(out).ids
    assert len(ids) == 3 and "two" in ids and "five" in ids


def test_names_that_clash_get_ids_of_their_own(tmp_path, model):
    folder = tmp_path / "videos"
    for name in (
        "a/clip.mp4",
        "b/clip.mp4",
        "c/CLIP.mp4",
        "c/clip.mkv",
        "d/what is (this).mp4",
        "d/__.mp4",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_clip(folder / name, count=5)
    add(folder, tmp_path / "out", model)
    gallery = Gallery.open(tmp_path / "out")
    assert len({id.casefold() for id in gallery.ids}) == 6
    assert {"clip", "what_is_this", "video"} <= set(gallery.ids)
    assert all(gallery.poster(i).parent == gallery.folder / "posters" for i in range(6))
    again = add(folder, tmp_path / "other", model)
    assert counts(again) == (6, 0, 0, 0) and Gallery.open(tmp_path / "other").ids == gallery.ids


def test_videos_below_the_gallery_move_with_it(tmp_path, model):
    home = tmp_path / "home"
    (home / "videos").mkdir(parents=True)
    write_clip(home / "videos" / "clip.mp4", count=5)
    add(home / "videos", home, model)
    home.rename(tmp_path / "elsewhere")
    gallery = Gallery.open(tmp_path / "elsewhere")
    assert gallery.path(0) == (tmp_path / "elsewhere").resolve() / "videos" / "clip.mp4"
    assert gallery.path(0).is_file() and gallery.poster(0).is_file()
    assert counts(add(tmp_path / "elsewhere" / "videos", tmp_path / "elsewhere", model)) == (0, 1, 0, 0)


def test_a_broken_file_is_listed_and_tried_again(videos, tmp_path, model):
    (videos / "broken.mp4").write_bytes(b"no video at all")
    out = tmp_path / "out"
    report = add(videos, out, model)
    assert counts(report) == (5, 0, 0, 1)
    assert report.failures == Gallery.open(out).failures
    uri, reason = report.failures[0]
    assert uri.endswith("broken.mp4") and reason.startswith("broken.mp4") and reason.endswith(".")
    assert counts(add(videos, out, model)) == (0, 5, 0, 1)
    (videos / "broken.mp4").unlink()
    write_clip(videos / "broken.mp4", count=8)
    assert counts(add(videos, out, model)) == (1, 5, 0, 0)
    assert "broken" in Gallery.open(out).ids and not Gallery.open(out).failures


def test_real_broken_files_are_listed(realdata, tmp_path, model):
    files = find_videos(realdata / "decoding")
    report = add(realdata / "decoding", tmp_path / "out", model)
    assert report.added + len(report.failures) == len(files) and report.added > 10
    assert any("chunk_out_of_range" in failure.reason for failure in report.failures)
    assert all("\n" not in failure.reason for failure in report.failures)
    gallery = Gallery.open(tmp_path / "out")
    assert len(gallery) == report.added
    assert torch.isfinite(gallery.features().frames).all() and torch.isfinite(gallery.pooled).all()
    assert len(Retriever(model, gallery).search("a boat", k=50, steps=10).hits) == report.added


# --- interrupted ----------------------------------------------------------------------------------------


KILLED = """
    import os, signal, sys
    sys.path.insert(0, sys.argv[1])
    import tiny
    from diffusionret import index

    def progress(p):
        if p.done == 9:
            os.kill(os.getpid(), signal.SIGKILL)

    index.BATCH = 2
    index.index_folder(sys.argv[2], sys.argv[3], tiny.tiny_model(), "tiny", progress, shard=4)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
def test_a_killed_run_is_gone_on_with(tmp_path, model):
    folder, out = tmp_path / "videos", tmp_path / "out"
    folder.mkdir()
    for i in range(12):
        write_clip(folder / f"clip{i:02d}.mp4", count=5 + i)
    tests = Path(__file__).parent
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tests), str(folder), str(out)]
    done = subprocess.run(command, cwd=tests.parent, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(Gallery.open(out)) == 8  # two shards of four
    report = add(folder, out, model)
    assert counts(report) == (4, 8, 0, 0)
    resumed = Gallery.open(out)
    add(folder, tmp_path / "whole", model)
    whole = Gallery.open(tmp_path / "whole")
    assert resumed.ids == whole.ids == [f"clip{i:02d}" for i in range(12)]
    assert torch.allclose(resumed.features().frames, whole.features().frames, atol=2e-2)
    assert torch.allclose(resumed.pooled, whole.pooled, atol=1e-5)
    assert all(resumed.poster(i) for i in range(12))


def test_an_interrupt_keeps_what_is_encoded(videos, tmp_path, model, monkeypatch):
    monkeypatch.setattr(index, "BATCH", 1)

    def progress(state):
        if state.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add(videos, tmp_path / "out", model, progress=progress)
    assert len(Gallery.open(tmp_path / "out")) == 3
    assert counts(add(videos, tmp_path / "out", model)) == (2, 3, 0, 0)


def test_shards_are_committed_in_time(videos, tmp_path, model, monkeypatch):
    monkeypatch.setattr(index, "SHARD_SECONDS", 0.0)
    sizes = []

    def progress(state):
        sizes.append(len(Gallery.open(tmp_path / "out")))

    add(videos, tmp_path / "out", model, progress=progress)
    assert sizes == [1, 2, 3, 4, 5]


# --- what is found --------------------------------------------------------------------------------------


def test_videos_are_found_by_extension(tmp_path):
    for name in ("b.MP4", "a/c.webm", "a/.hidden.mp4", ".cache/d.mp4", "notes.txt", "e.mov/f.avi"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert find_videos(tmp_path) == [tmp_path / "a/c.webm", tmp_path / "b.MP4", tmp_path / "e.mov/f.avi"]
    assert find_videos(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        find_videos(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="There are no videos"):
        find_videos(tmp_path / "empty")


def test_captions_are_read_by_path(tmp_path):
    assert read_captions(tmp_path) == {}
    text = "caption,video\nfirst,a.mp4\nsecond,a\n  spaced ,b\\c.mov\n,d\nversion,e.v2\n"
    (tmp_path / "captions.csv").write_text("\ufeff" + text, encoding="utf-8")
    assert read_captions(tmp_path) == {"a": "first", "b/c": "spaced", "d": "", "e.v2": "version"}
    (tmp_path / "captions.csv").write_text("file,text\na,b\n")
    with pytest.raises(ValueError, match="columns video and caption"):
        read_captions(tmp_path)


def test_nothing_is_written_where_nothing_can_be_indexed(tmp_path, model):
    with pytest.raises(FileNotFoundError):
        add(tmp_path / "nowhere", tmp_path / "out", model)
    assert not (tmp_path / "out").exists()


def test_a_gallery_keeps_to_its_model(videos, tmp_path, model):
    add(videos, tmp_path / "out", model)
    with pytest.raises(ValueError, match="another model"):
        add(videos, tmp_path / "out", tiny_model(seed=3))
    assert len(Store.open(tmp_path / "out" / TABLE).rows(["id", "uri", "size", "modified"])) == 5
