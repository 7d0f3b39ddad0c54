"""Indexing: what is read, what is skipped, what failed, and going on after a kill."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import textwrap
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import write_clip
from PIL import Image
from tiny import CONFIG, tiny_model

from diffusionret import Gallery, Retriever, index, intake
from diffusionret.gallery import TABLE
from diffusionret.index import index_folder, read_captions
from diffusionret.listing import list_videos
from diffusionret.lock import Busy
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
    return report.added, report.unchanged, report.absent, len(report.failures)


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
    assert (out / "posters" / "three.jpg").exists() and (out / "posters" / "new.jpg").exists()
    assert counts(add(videos, out, model, prune=True)) == (0, 5, 0, 0)
    assert not (out / "posters" / "three.jpg").exists() and not Gallery.open(out).failures


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
    files = list_videos(realdata / "decoding").videos
    report = add(realdata / "decoding", tmp_path / "out", model)
    assert report.added + len(report.failures) == len(files) and report.added > 10
    assert any("chunk_out_of_range" in failure.reason for failure in report.failures)
    assert all("\n" not in failure.reason for failure in report.failures)
    gallery = Gallery.open(tmp_path / "out")
    assert len(gallery) == report.added
    assert torch.isfinite(gallery.features().frames).all() and torch.isfinite(gallery.pooled).all()
    assert len(Retriever(model, gallery).search("a boat", k=50, steps=10).hits) == report.added


# --- nothing is lost by accident -----------------------------------------------------------------------


def test_what_is_missing_is_marked_and_comes_back_unread(videos, tmp_path, model, monkeypatch):
    out = tmp_path / "out"
    add(videos, out, model)
    before = Gallery.open(out)
    (videos / "deep").rename(tmp_path / "away")
    assert counts(add(videos, out, model)) == (0, 4, 1, 0)
    gallery = Gallery.open(out)
    assert gallery.ids == ["four", "one", "three", "two"]
    (failure,) = gallery.failures
    assert failure.uri.endswith("deep/five.mp4") and "missing since 20" in failure.reason
    assert counts(add(videos, out, model)) == (0, 4, 1, 0)  # said each time, marked once
    assert Gallery.open(out).failures == gallery.failures

    (tmp_path / "away").rename(videos / "deep")
    monkeypatch.setattr(intake, "_encode", lambda *rest: pytest.fail("read again"))
    assert counts(add(videos, out, model)) == (0, 5, 0, 0)
    after = Gallery.open(out)
    assert after.ids == before.ids and not after.failures
    assert torch.equal(after.features().frames, before.features().frames)


def unlistable(monkeypatch, *folders: Path) -> None:
    """These folders cannot be listed, as for a user who may not, or while a network is down. Root may list all."""
    real = os.scandir

    def scandir(path):
        if Path(path) in folders:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)


def test_a_folder_that_cannot_be_read_loses_nothing(videos, tmp_path, model, monkeypatch):
    out = tmp_path / "out"
    add(videos, out, model)
    unlistable(monkeypatch, videos.resolve() / "deep")
    for prune in (False, True):
        report = add(videos, out, model, prune=prune)
        assert counts(report) == (0, 4, 1, 0) and report.forgotten == 0
        (note,) = report.notes
        assert "deep cannot be read (Permission denied)" in note
    monkeypatch.undo()
    assert counts(add(videos, out, model)) == (0, 5, 0, 0) and len(Gallery.open(out)) == 5


def test_prune_forgets_what_is_gone(videos, tmp_path, model):
    out = tmp_path / "out"
    add(videos, out, model)
    (videos / "one.mp4").unlink()
    report = add(videos, out, model, prune=True)
    assert counts(report) == (0, 4, 0, 0) and report.forgotten == 1
    assert not (out / "posters" / "one.jpg").exists()


def test_a_failure_whose_file_is_gone_is_forgotten(videos, tmp_path, model):
    (videos / "broken.mp4").write_bytes(b"no video at all")
    add(videos, tmp_path / "out", model)
    (videos / "broken.mp4").unlink()
    assert add(videos, tmp_path / "out", model).forgotten == 1
    assert not Gallery.open(tmp_path / "out").failures


def test_a_file_out_of_reach_is_listed_and_the_rest_goes_on(videos, tmp_path, model):
    (videos / "nowhere.mp4").symlink_to(tmp_path / "no such file.mp4")
    (videos / "loop").symlink_to(videos)
    report = add(videos, tmp_path / "out", model)
    assert counts(report) == (5, 0, 0, 1)
    assert report.failures[0].reason == "nowhere.mp4 cannot be seen (No such file or directory)."
    assert report.notes == [
        f"{videos}/loop is a link to a folder, which is not followed: index that folder by itself."
    ]


def test_links_whose_disk_is_away_keep_their_features(videos, tmp_path, model):
    """Removable or shared disks are often linked file by file."""
    out, links = tmp_path / "out", tmp_path / "links"
    links.mkdir()
    for file in videos.glob("*.mp4"):
        (links / file.name).symlink_to(file)
    add(links, out, model)
    before = Gallery.open(out)
    videos.rename(tmp_path / "away")
    for _ in range(2):
        report = add(links, out, model)
        assert counts(report) == (0, 0, 4, 4) and not Gallery.open(out).ids
        assert "cannot be seen (No such file or directory)" in report.failures[0].reason
    (tmp_path / "away").rename(videos)
    assert counts(add(links, out, model)) == (0, 4, 0, 0)
    after = Gallery.open(out)
    assert after.ids == before.ids and torch.equal(after.features().frames, before.features().frames)


def test_files_of_two_folders_never_share_an_id(tmp_path, model):
    out = tmp_path / "out"
    for name in ("x", "y", "z"):
        (tmp_path / name).mkdir()
        write_clip(tmp_path / name / "clip.mp4", count=5)
        assert counts(add(tmp_path / name, out, model)) == (1, 0, 0, 0)
    gallery = Gallery.open(out)
    assert len(set(gallery.ids)) == 3
    assert len({gallery.poster(i) for i in range(3)}) == 3 and all(gallery.poster(i) for i in range(3))


def test_rows_that_an_earlier_run_doubled_are_mended(videos, tmp_path, model):
    out = tmp_path / "out"
    add(videos, out, model)
    table = Store.open(out / TABLE)._table
    table.insert(table.to_table())  # what two runs at once left behind
    one, two = "videos/one.mp4", "videos/two.mp4"
    table.update({"id": "'two'"}, where=f"uri LIKE '%{one}'")
    assert len(Gallery.open(out)) == 10
    report = add(videos, out, model)
    assert "5 rows that stood twice" in report.notes[0]
    assert counts(report) == (
        2,
        3,
        0,
        0,
    )  # both of one id are read again: one's poster had hidden the other's
    gallery = Gallery.open(out)
    assert len(gallery) == len(set(gallery.ids)) == 5
    files = {str(gallery.path(i)).removeprefix(str(tmp_path) + "/"): id for i, id in enumerate(gallery.ids)}
    assert {files[one][:3], files[two][:3]} == {"two"}


def test_one_run_a_gallery(videos, tmp_path, model):
    out = tmp_path / "out"

    def progress(state):
        if state.done == 2:
            with pytest.raises(Busy, match=rf"Another run .* \(process {os.getpid()} on .*, since 20"):
                add(videos, out, model)

    assert counts(add(videos, out, model, progress=progress)) == (5, 0, 0, 0)
    assert counts(add(videos, out, model)) == (0, 5, 0, 0)  # the lock ended with the run


# --- odd names ------------------------------------------------------------------------------------------


def names(realdata: Path, tmp_path: Path, folder: str) -> Path:
    with tarfile.open(
        realdata / "failing" / "names.tar.gz", encoding="utf-8", errors="surrogateescape"
    ) as tar:
        tar.extractall(
            tmp_path, [member for member in tar if member.name.split("/")[0] == folder], filter="data"
        )
    return tmp_path / folder


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every name is text")
def test_a_name_that_is_no_utf8_is_listed(videos, tmp_path, model):
    (videos / "one.mp4").rename(videos / os.fsdecode(b"caf\xe9.mp4"))
    report = add(videos, tmp_path / "out", model)
    assert counts(report) == (4, 0, 0, 1)
    assert report.failures == Gallery.open(tmp_path / "out").failures
    assert report.failures[0].reason.endswith(
        "caf\\xe9.mp4 is no name in UTF-8: rename the file or its folder."
    )


def test_long_names_fit_a_file_system(tmp_path, model):
    for folder, name in (("p", 120 * "é"), ("q", 120 * "é"), ("q", 251 * "x")):
        (tmp_path / "videos" / folder).mkdir(parents=True, exist_ok=True)
        write_clip(tmp_path / "short.mp4", count=5).rename(tmp_path / "videos" / folder / f"{name}.mp4")
    add_report = add(tmp_path / "videos", tmp_path / "out", model)
    assert counts(add_report) == (3, 0, 0, 0)
    gallery = Gallery.open(tmp_path / "out")
    assert len(set(gallery.ids)) == 3 and all(gallery.poster(i) for i in range(3))
    assert all(len(f"{id}.jpg".encode()) < 255 for id in gallery.ids)


def test_a_failed_file_keeps_no_poster(videos, tmp_path, model):
    out = tmp_path / "out"
    add(videos, out, model)
    (videos / "one.mp4").write_bytes(b"no video at all")
    assert counts(add(videos, out, model)) == (0, 4, 0, 1)
    assert not (out / "posters" / "one.jpg").exists()


def test_captions_that_are_no_file_are_refused(videos, tmp_path, model):
    (videos / "captions.csv").symlink_to(tmp_path / "nowhere.csv")
    with pytest.raises(
        ValueError, match=r"captions.csv is no file that can be read: mend it, or take it away\."
    ):
        add(videos, tmp_path / "out", model)


@pytest.mark.parametrize("timeout", [0.0, float("nan"), float("inf")])
def test_a_timeout_is_a_time(videos, tmp_path, model, timeout):
    with pytest.raises(ValueError, match=r"timeout is .*: it must be above 0 and at most 86,400 seconds"):
        add(videos, tmp_path / "out", model, timeout=timeout)


def test_a_full_disk_is_one_sentence(videos, tmp_path, model, monkeypatch):
    out = tmp_path / "out"
    add(videos / "deep", out, model)

    def full(*_):
        raise OSError("LanceError(IO): No space left on device (os error 28), /home/x/lance/writer.rs:254:9")

    monkeypatch.setattr("diffusionret.store._to_arrow", full)
    with pytest.raises(
        OSError, match=r"^There is no space left on the disk of out/gallery.lance: free some"
    ) as caught:
        add(videos, out, model)
    assert ".rs" not in str(caught.value)
    monkeypatch.undo()
    assert counts(add(videos, out, model)) == (4, 1, 0, 0)


def test_marks_belong_to_their_letters(tmp_path, model):
    (tmp_path / "videos").mkdir()
    for name in ("सूर्यास्त", "สวัสดี", unicodedata.normalize("NFD", "Über Café")):
        write_clip(tmp_path / "videos" / f"{name}.mp4", count=5)
    text = "video,caption\n" + unicodedata.normalize("NFC", "Über Café") + ",A café.\n"
    (tmp_path / "videos" / "captions.csv").write_text(text, encoding="utf-8")
    add(tmp_path / "videos", tmp_path / "out", model)
    gallery = Gallery.open(tmp_path / "out")
    assert set(gallery.ids) == {"सूर्यास्त", "สวัสดี", "Über_Café"}
    assert gallery.captions[gallery.position("Über_Café")] == "A café."


def test_a_row_without_all_its_cells_is_left_out_and_listed(videos, tmp_path, model):
    (videos / "captions.csv").write_text("caption,video\nonly one cell\nThe second clip.,two\n")
    report = add(videos, tmp_path / "out", model)
    assert counts(report) == (5, 0, 0, 0)
    assert report.notes == [f"{videos}/captions.csv, line 2: the row has 1 cell where 2 are needed."]
    assert Gallery.open(tmp_path / "out").captions == ["", "", "", "", "The second clip."]


def test_the_names_that_used_to_end_a_run(realdata, tmp_path, model):
    expected = {"long": 2, "long-twice": 2, "newline": 1, "dots": 2, "nfd": 1, "marks": 2, "linked": 1}
    for folder, count in expected.items():
        videos = names(realdata, tmp_path, folder)
        report = add(videos, tmp_path / f"{folder}-gallery", model)
        assert counts(report) == (count + (folder == "linked"), 0, 0, 0), folder
    report = add(names(realdata, tmp_path, "latin1"), tmp_path / "latin1-gallery", model)
    assert counts(report) == (1, 0, 0, 1)
    report = add(names(realdata, tmp_path, "linked-folder") / "videos", tmp_path / "links", model)
    assert counts(report) == (1, 0, 0, 0) and "is a link to a folder" in report.notes[0]


# --- a damaged table ------------------------------------------------------------------------------------


def damaged(out: Path, how: str) -> None:
    newest = min((out / TABLE / "_versions").glob("*.manifest"))
    if how == "empty":
        newest.write_bytes(b"")
    elif how == "zeros":
        newest.write_bytes(bytes(newest.stat().st_size))
    elif how == "garbage":
        newest.write_bytes(os.urandom(400))
    else:  # the rows that it added
        max((out / TABLE / "data").iterdir(), key=lambda file: file.stat().st_mtime_ns).write_bytes(b"")


@pytest.mark.parametrize("how", ["empty", "zeros", "garbage", "data"])
def test_after_a_power_loss_the_version_before_is_used(videos, tmp_path, model, how):
    out = tmp_path / "out"
    add(videos / "deep", out, model)
    assert counts(add(videos / "one.mp4", out, model)) == (1, 0, 0, 0)
    table = Store.open(out / TABLE)
    table.upsert([replace(table.rows(["id", "uri", "size", "modified"])[0], id="", uri="x", error="x.")])
    damaged(out, how)
    gallery = Gallery.open(out)
    assert gallery.ids == ["five", "one"] and gallery.damage.endswith("index the videos again.")
    report = add(videos, out, model)
    assert counts(report) == (3, 2, 0, 0) and "what it lacks is read again" in report.notes[0]
    after = Gallery.open(out)
    assert len(after) == 5 and not after.damage and torch.isfinite(after.features().frames).all()
    assert counts(add(videos, out, model)) == (0, 5, 0, 0)


def test_a_table_of_which_nothing_can_be_read_says_what_to_do(videos, tmp_path, model):
    out = tmp_path / "out"
    add(videos / "deep", out, model)
    for manifest in (out / TABLE / "_versions").glob("*.manifest"):
        manifest.write_bytes(b"")
    for action in (lambda: Gallery.open(out), lambda: add(videos, out, model)):
        with pytest.raises(
            ValueError, match=r"out/gallery.lance .* is damaged: move it away and index"
        ) as caught:
            action()
        assert "\n" not in str(caught.value) and ".rs" not in str(caught.value)


def test_a_folder_of_a_table_without_one_is_made_anew(videos, tmp_path, model):
    out = tmp_path / "out"
    (out / TABLE / "_versions").mkdir(parents=True)
    (out / TABLE / "data").mkdir()
    with pytest.raises(FileNotFoundError, match="There is no gallery in"):
        Gallery.open(out)
    assert counts(add(videos, out, model)) == (5, 0, 0, 0)


def test_the_galleries_that_used_to_be_lost(realdata, videos, tmp_path, model):
    with tarfile.open(realdata / "failing" / "galleries.tar.gz") as tar:
        tar.extractall(tmp_path, filter="data")
    assert counts(add(videos, tmp_path / "empty-table", model)) == (5, 0, 0, 0)
    gallery = Gallery.open(tmp_path / "zero-manifest")
    assert len(gallery) == 80 and gallery.damage


def test_a_table_of_before_files_could_be_absent_takes_part(videos, tmp_path, model):
    out = tmp_path / "out"
    add(videos, out, model)
    Store.open(out / TABLE)._table.drop_columns(["absent"])
    assert len(Gallery.open(out)) == 5
    (videos / "one.mp4").unlink()
    assert counts(add(videos, out, model)) == (0, 4, 1, 0) and len(Gallery.open(out)) == 4


# --- interrupted ----------------------------------------------------------------------------------------


KILLED = """
    import os, signal, sys
    sys.path.insert(0, sys.argv[1])
    import tiny
    from diffusionret import index, intake

    def progress(p):
        if p.done == 9:
            os.kill(os.getpid(), signal.SIGKILL)

    intake.BATCH = 2
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
    monkeypatch.setattr(intake, "BATCH", 1)

    def progress(state):
        if state.done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add(videos, tmp_path / "out", model, progress=progress)
    assert len(Gallery.open(tmp_path / "out")) == 3
    assert counts(add(videos, tmp_path / "out", model)) == (2, 3, 0, 0)


def test_shards_are_committed_in_time(videos, tmp_path, model, monkeypatch):
    monkeypatch.setattr(intake, "SHARD_SECONDS", 0.0)
    sizes = []

    def progress(state):
        sizes.append(len(Gallery.open(tmp_path / "out")))

    add(videos, tmp_path / "out", model, progress=progress)
    assert sizes == [1, 2, 3, 4, 5]


# --- what is found --------------------------------------------------------------------------------------


def test_captions_are_read_by_path(tmp_path):
    assert read_captions(tmp_path) == ({}, [])
    text = "caption,video\nfirst,a.mp4\nsecond,a\n  spaced ,b\\c.mov\n,d\nversion,e.v2\n"
    (tmp_path / "captions.csv").write_text("\ufeff" + text, encoding="utf-8")
    assert read_captions(tmp_path) == ({"a": "first", "b/c": "spaced", "d": "", "e.v2": "version"}, [])
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
