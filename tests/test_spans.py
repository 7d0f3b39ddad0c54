"""Long videos are moments: how they are divided, indexed, searched, moved and forgotten."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from clips import number_of, write_clip
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_model

from diffusionret import Gallery, Retriever, intake
from diffusionret.gallery import TABLE
from diffusionret.index import IndexReport, index_folder
from diffusionret.inventory import forget, inventory
from diffusionret.spans import (
    BRIEF,
    OVERLAP,
    SHOT_LEAST,
    SHOT_MOST,
    Division,
    Span,
    span_id,
    video_id,
    windows,
)
from diffusionret.store import Store
from diffusionret.video import VideoError, read_frames, scene_changes


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def long(tmp_path_factory) -> Path:
    """25 seconds, numbered at ten a second; numbers count modulo 256."""
    return write_clip(tmp_path_factory.mktemp("long") / "film.mp4", count=250)


@pytest.fixture
def videos(long, tmp_path) -> Path:
    """A long film and a short clip, to change."""
    (tmp_path / "videos").mkdir()
    shutil.copy(long, tmp_path / "videos" / "film.mp4")
    write_clip(tmp_path / "videos" / "clip.mp4", count=12)
    return tmp_path / "videos"


def add(videos: Path, gallery: Path, model, spans: str = "10s", **options) -> IndexReport:
    return index_folder(videos, gallery, model, "tiny", spans=spans, timeout=120.0, **options)


def counts(report: IndexReport) -> tuple[int, int, int, int]:
    return report.added, report.unchanged, report.absent, len(report.failures)


def shots_film(path: Path, seconds: list[float], rate: int = 10) -> Path:
    """Shots of flat, moving pictures: `seconds` of each."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=rate, options={"crf": "18", "g": "1000", "sc_threshold": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        number = 0
        for length in seconds:
            ground, ball = rng.integers(0, 256, (2, 3))
            for _ in range(round(length * rate)):
                frame = np.full((64, 64, 3), ground, np.uint8)
                at = abs(number % 96 - 48)
                frame[at : at + 16, at : at + 16] = ball
                picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
                picture.pts, picture.time_base = number, Fraction(1, rate)
                out.mux(stream.encode(picture))
                number += 1
        out.mux(stream.encode())
    return path


# --- how a video is divided -----------------------------------------------------------------------------


@settings(deadline=None)
@given(st.floats(0.1, 20_000), st.integers(4, 3600))
def test_windows_cover_a_video_in_equal_parts_that_overlap(duration: float, longest: int) -> None:
    spans = Division.of(f"{longest}s").spans(duration)
    assert spans[0].start == 0 and spans[-1].end == duration
    lengths = [span.end - span.start for span in spans]
    assert max(lengths) <= longest + 0.002 and max(lengths) - min(lengths) < 0.01
    for one, other in pairwise(spans):
        assert one.end - other.start == pytest.approx(OVERLAP * longest, abs=0.002)
        assert other.start - one.start >= 1  # whole seconds name them
    assert len({span_id("film", span, len(spans)) for span in spans}) == len(spans)


@settings(deadline=None)
@given(st.floats(BRIEF + 0.1, 5000), st.lists(st.floats(0, 5000), max_size=80))
def test_shots_lie_between_cuts_and_none_is_a_flash(duration: float, cuts: list[float]) -> None:
    spans = Division.of("shots").spans(duration, sorted(cuts))
    assert spans[0].start == 0 and spans[-1].end == duration
    for span in spans:
        assert SHOT_LEAST - 0.002 <= span.end - span.start <= SHOT_MOST + 0.002
    borders = {round(cut, 3) for cut in cuts}
    starts = [span.start for span in spans]
    assert starts == sorted(starts) and len({int(start) for start in starts}) == len(starts)
    ends = {span.end for span in spans}
    assert {
        start for start in starts[1:] if start in ends
    } <= borders  # what follows without an overlap is a shot


def test_by_hand() -> None:
    assert windows(Span(0, 65), 30) == [(0, 25), (20, 45), (40, 65)]
    assert Division.of(" 30S ").spans(30) == [(0, 30)] and len(Division.of("30s").spans(31)) == 2
    assert Division.of("whole").spans(9000) == [(0, 9000)]
    assert Division.of("shots").spans(BRIEF, [3]) == [(0, BRIEF)]  # a short video is one span
    assert Division.of("shots").spans(20, [5, 5.5, 12, 19.5]) == [(0, 5), (5, 12), (12, 20)]
    assert video_id("film@90") == "film" and video_id("film") == "film"


@pytest.mark.parametrize("text", ["", "30", "3s", "3601s", "-30s", "1.5s", "shot", "99999999999s"])
def test_other_divisions_are_refused(text: str, tmp_path) -> None:
    with pytest.raises(ValueError, match=r"^Spans are .*: choose whole, shots, or windows of 4s to 3600s"):
        Division.of(text)


# --- shots ----------------------------------------------------------------------------------------------


def test_cuts_are_those_that_were_made(tmp_path) -> None:
    film = shots_film(tmp_path / "film.mp4", [3, 4.5, 2.5, 5, 7])
    whole = scene_changes(film, 0.0, 100.0, 120.0)
    assert whole == pytest.approx([3.0, 7.5, 10.0, 15.0], abs=1e-6)
    parts = [scene_changes(film, start, start + 5.0, 120.0) for start in (0.0, 5.0, 10.0, 15.0, 20.0)]
    assert [cut for part in parts for cut in part] == whole  # one at a border, too, is found once
    assert intake.find_cuts(film, 22.0, 120.0) == whole


def test_a_part_that_does_not_decode_has_no_cuts(tmp_path, monkeypatch) -> None:
    def changes(path, start, end, *rest):
        if start in lost:
            raise VideoError("no.", path)
        return [start]

    monkeypatch.setattr(intake, "scene_changes", changes)
    lost = {10.0, 30.0}
    assert intake.find_cuts(tmp_path, 45.0) == [0.0, 20.0, 40.0]
    lost |= {0.0, 20.0, 40.0}
    with pytest.raises(VideoError):
        intake.find_cuts(tmp_path, 45.0)


def test_shots_become_rows(tmp_path, model) -> None:
    (tmp_path / "videos").mkdir()
    shots_film(tmp_path / "videos" / "film.mp4", [3, 4.5, 2.5, 5, 7])
    report = add(tmp_path / "videos", tmp_path / "out", model, "shots")
    assert counts(report) == (1, 0, 0, 0) and report.spans == 5
    gallery = Gallery.open(tmp_path / "out")
    assert gallery.ids == ["film@0", "film@3", "film@7", "film@10", "film@15"]
    assert [span.start for span in gallery.spans] == pytest.approx([0, 3, 7.5, 10, 15])
    for span, stamps in zip(gallery.spans, gallery.timestamps, strict=True):
        assert span.start - 0.1 <= min(stamps) and max(stamps) < span.end  # none of another shot
    assert counts(add(tmp_path / "videos", tmp_path / "out", model, "shots")) == (0, 1, 0, 0)


# --- rows of a file -------------------------------------------------------------------------------------


def test_a_long_video_is_several_rows_and_a_short_one_is_one(videos, tmp_path, model) -> None:
    (videos / "captions.csv").write_text("video,caption\nfilm,A film.\n")
    seen = []
    report = add(videos, tmp_path / "out", model, progress=seen.append)
    assert counts(report) == (2, 0, 0, 0) and report.spans == 4
    assert [round(state.done + state.part, 2) for state in seen] == [1, 1.33, 1.67, 2]
    gallery = Gallery.open(tmp_path / "out")
    assert gallery.ids == ["clip", "film@0", "film@7", "film@15"] and gallery.file_count == 2
    assert gallery.captions == ["", *3 * ["A film."]]
    assert gallery.spans[0] == (0, gallery.durations[0]) and gallery.durations[1:] == 3 * [pytest.approx(25)]
    video = gallery.features()
    for i in (1, 2, 3):
        start, end = gallery.spans[i]
        clip = read_frames(videos / "film.mp4", "even", 4, 32, start, end - 0.002, 120.0, crop=True)
        assert np.array_equal(gallery.timestamps[i], clip.timestamps)
        stamps = np.array(gallery.timestamps[i])
        assert (start - 0.1 <= stamps).all() and (stamps < end).all() and np.ptp(stamps) > 0.6 * (end - start)
        numbers = [number_of(frame) for frame in clip.frames]
        assert numbers == [round(10 * stamp) for stamp in stamps]
        alone = model.encode_frames(
            model.preprocess(torch.from_numpy(clip.frames))[None], torch.ones(1, 4).long()
        )
        assert torch.allclose(video.frames[i], alone.frames[0].detach(), atol=2e-2)
        assert gallery.poster(i) is not None and gallery.path(i) == videos.resolve() / "film.mp4"
        assert gallery.rates[i] == pytest.approx(10)


def test_another_division_reads_long_videos_anew(videos, tmp_path, model) -> None:
    out = tmp_path / "out"
    add(videos, out, model)
    assert counts(add(videos, out, model)) == (0, 2, 0, 0)
    assert counts(add(videos, out, model, "whole")) == (1, 1, 0, 0)
    assert Gallery.open(out).ids == ["clip", "film"] and Gallery.open(out).spans[1] == pytest.approx((0, 25))
    assert sorted(file.name for file in (out / "posters").iterdir()) == ["clip.jpg", "film.jpg"]
    assert counts(add(videos, out, model, "30s")) == (0, 2, 0, 0)  # as one span it stays
    assert counts(add(videos, out, model, "20s")) == (1, 1, 0, 0)
    assert len(Gallery.open(out)) == 3 and len(inventory(out)) == 3


def test_a_file_is_forgotten_marked_and_brought_back_with_all_its_spans(videos, tmp_path, model) -> None:
    out = tmp_path / "out"
    add(videos, out, model)
    before = Gallery.open(out)
    (videos / "film.mp4").rename(tmp_path / "film.mp4")
    report = add(videos, out, model)
    assert counts(report) == (0, 1, 1, 0)
    gallery = Gallery.open(out)
    assert gallery.ids == ["clip"] and len(inventory(out)) == 4
    (tmp_path / "film.mp4").rename(videos / "film.mp4")
    assert counts(add(videos, out, model)) == (0, 2, 0, 0)
    assert torch.equal(Gallery.open(out).features().frames, before.features().frames)
    gone = forget(out, ["film@7"])  # a span stands for its file
    assert [row.id for row in gone] == ["film@0", "film@7", "film@15"]
    assert Gallery.open(out).ids == ["clip"] and [f.name for f in (out / "posters").iterdir()] == ["clip.jpg"]
    add(videos, out, model)
    (videos / "film.mp4").unlink()
    assert add(videos, out, model, prune=True).forgotten == 1 and len(inventory(out)) == 1


def test_a_moved_file_takes_its_spans_along(videos, tmp_path, model, monkeypatch) -> None:
    out = tmp_path / "out"
    add(videos, out, model)
    before = Gallery.open(out)
    (videos / "deep").mkdir()
    (videos / "film.mp4").rename(videos / "deep" / "another name.mp4")
    os.utime(videos / "deep" / "another name.mp4", ns=(1, 1))
    with monkeypatch.context() as patch:
        patch.setattr(intake, "_encode", lambda *rest: pytest.fail("read again"))
        report = add(videos, out, model, prune=True)
    assert counts(report) == (0, 2, 0, 0) and (report.moved, report.forgotten) == (1, 0)
    after = Gallery.open(out)
    assert after.ids == before.ids and torch.equal(after.features().frames, before.features().frames)
    assert after.path(1) == videos.resolve() / "deep" / "another name.mp4"

    videos.rename(tmp_path / "elsewhere")  # all of a folder
    with monkeypatch.context() as patch:
        patch.setattr(intake, "_encode", lambda *rest: pytest.fail("read again"))
        report = add(tmp_path / "elsewhere", out, model)
    assert report.moved == 2 and len(inventory(out)) == 4
    shutil.copy(tmp_path / "elsewhere" / "clip.mp4", tmp_path / "elsewhere" / "copy.mp4")  # both are there
    report = add(tmp_path / "elsewhere", out, model)
    assert counts(report) == (1, 2, 0, 0) and report.moved == 0


def test_a_part_that_cannot_be_read_says_so_and_the_rest_is_found(
    videos, tmp_path, model, monkeypatch
) -> None:
    real = intake.read_many

    def read(sources, *rest, **options):
        for source, clip in real(sources, *rest, **options):
            broken = getattr(source, "start", None) in lost
            yield source, (VideoError("film.mp4 is damaged; get another copy.") if broken else clip)

    monkeypatch.setattr(intake, "read_many", read)
    out, lost = tmp_path / "out", {7.778}
    report = add(videos, out, model)
    assert report.added == 2 and report.spans == 3
    assert [failure.reason for failure in report.failures] == [
        "From 0:07 to 0:17: film.mp4 is damaged; get another copy."
    ]
    gallery = Gallery.open(out)
    assert gallery.ids == ["clip", "film@0", "film@15"] and gallery.failures == report.failures
    assert counts(add(videos, out, model)) == (0, 2, 0, 0)  # it does not change by being read again
    lost |= {span.start for span in Division.of("11s").spans(25)}
    report = add(videos, out, model, "11s")  # nothing of it: one sentence is enough
    assert counts(report) == (0, 1, 0, 1) and report.failures[0].reason.startswith("film.mp4 is damaged")
    lost.clear()
    assert counts(add(videos, out, model, "11s")) == (1, 1, 0, 0)  # and it is tried again


KILLED = """
    import os, signal, sys
    sys.path.insert(0, sys.argv[1])
    import tiny
    from diffusionret import index, intake

    def progress(p):
        if p.done + p.part > 2.4:
            os.kill(os.getpid(), signal.SIGKILL)

    intake.BATCH, intake.SHARD_SECONDS = 1, 0.0
    index.index_folder(sys.argv[2], sys.argv[3], tiny.tiny_model(), "tiny", progress, timeout=120.0, spans=sys.argv[4])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
def test_a_kill_within_a_film_loses_and_doubles_nothing(videos, tmp_path, model) -> None:
    shutil.copy(videos / "film.mp4", videos / "second.mp4")
    out = tmp_path / "out"
    add(videos / "film.mp4", out, model, "20s")
    tests = Path(__file__).parent
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tests), str(videos), str(out), "10s"]
    assert subprocess.run(command, cwd=tests.parent, check=False).returncode == -signal.SIGKILL
    rows = [(row.uri, row.division, row.start) for row in inventory(out)]
    by_file = {uri: [row for row in rows if row[0] == uri] for uri, *_ in rows}
    assert len(rows) == len(set(rows))
    for uri, of_file in by_file.items():  # whole, by the old division or the new one
        assert len({division for _, division, _ in of_file}) == 1
        assert len(of_file) == (1 if "clip" in uri else {"20s": 2, "10s": 3}[of_file[0][1]])
    add(videos, out, model)
    add(videos, tmp_path / "whole", model)
    resumed, whole = Gallery.open(out), Gallery.open(tmp_path / "whole")
    assert resumed.ids == whole.ids and resumed.spans == whole.spans
    assert torch.allclose(resumed.features().frames, whole.features().frames, atol=2e-2)


def test_a_table_of_before_there_were_spans_takes_part(videos, tmp_path, model) -> None:
    out = tmp_path / "out"
    add(videos, out, model, "whole")
    Store.open(out / TABLE)._table.drop_columns(["start", "end", "division", "fps", "digest"])
    gallery = Gallery.open(out)
    assert (
        gallery.spans[1] == pytest.approx((0, 25))
        and len(Retriever(model, gallery).search("a boat", steps=10).hits) == 2
    )
    assert counts(add(videos, out, model, "whole")) == (0, 2, 0, 0)
    assert counts(add(videos, out, model)) == (1, 1, 0, 0) and len(Gallery.open(out)) == 4


# --- what is found --------------------------------------------------------------------------------------


def test_hits_are_spans_and_files_group_them(videos, tmp_path, model) -> None:
    add(videos, tmp_path / "out", model)
    retriever = Retriever(model, Gallery.open(tmp_path / "out"))
    result = retriever.search("a red boat", k=10, candidates=3, steps=10)
    assert [hit.rank for hit in result.hits] == [1, 2, 3, 4]
    for hit in result.hits:
        assert hit.start <= hit.moment < hit.end <= hit.duration
        assert hit.file == ("clip.mp4" if hit.id == "clip" else "film.mp4")
        assert hit.is_whole == (hit.id == "clip")
    best, spans = next(group for group in result.files if not group.best.is_whole)
    assert best == next(hit for hit in result.hits if hit.file == "film.mp4")
    assert [hit.id for hit in spans] == ["film@0", "film@7", "film@15"] and len(result.files) == 2
    assert {"file", "start", "end"} <= set(result.to_dict()["hits"][0])

    by_file = retriever.search("a red boat", k=2, candidates=1, steps=10, per_file=True)
    assert len(by_file.files) == 2  # both files, though three spans of one may come first
    assert [hit.rank for hit in by_file.hits] == sorted(hit.rank for hit in by_file.hits)
    ranks = {hit.id: hit.rank for hit in retriever.search("a red boat", 10, 1, 10).hits}
    assert all(ranks[hit.id] == hit.rank for hit in by_file.hits)
    assert len(retriever.search("a red boat", k=1, candidates=1, steps=10, per_file=True).hits) == 1
    everything = retriever.search("a red boat", k=1, candidates=4, steps=10, per_file=True)
    assert len(everything.hits) == 4  # every span that was weighed


def test_similar_leaves_the_own_file_out(videos, tmp_path, model) -> None:
    add(videos, tmp_path / "out", model)
    retriever = Retriever(model, Gallery.open(tmp_path / "out"))
    assert [hit.id for hit in retriever.similar("film@7", 10)] == ["clip"]
    (hit,) = retriever.similar("clip", 10)  # of a file its best span
    pooled = torch.nn.functional.normalize(retriever.gallery.pooled, dim=-1)
    assert hit.similarity == pytest.approx(float((pooled[1:] @ pooled[0]).max()), abs=1e-6)
