"""Sampling rules against slow twins, reading synthetic clips, and children that die."""

from __future__ import annotations

import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from clips import SIDE, number_of, stamped, write_clip
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from typechecks import unchecked

from diffusionret import children, decoding, picture, video
from diffusionret.video import VideoError, VideoFrames, read_frames, read_many

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4")


# Sampling rules


@given(st.integers(1, 5000), st.integers(1, 64))
def test_even_is_the_centre_of_equal_parts(count: int, n: int) -> None:
    sample = video.sample_even(np.arange(count), count, n)
    assert sample.mask.all()
    assert sample.numbers.tolist() == [int(Fraction(2 * i + 1, 2 * n) * count) for i in range(n)]
    if count >= n:  # enough frames: no frame twice
        assert len(set(sample.numbers.tolist())) == n


@given(st.integers(1, 5000), st.floats(0.1, 120), st.integers(1, 64))
def test_published_is_one_frame_a_second_thinned(count: int, fps: float, n: int) -> None:
    sample = video.sample_published(np.arange(count) / fps, count / fps, fps, n)
    every_second = list(range(0, count, max(1, round(fps))))
    if len(every_second) > n:
        places = np.linspace(0, len(every_second) - 1, num=n, dtype=int)
        every_second = [every_second[place] for place in places]
    assert len(sample.numbers) == len(sample.mask) == n
    assert sample.numbers[sample.mask].tolist() == every_second
    assert sample.mask.tolist() == [True] * len(every_second) + [False] * (n - len(every_second))


@given(st.lists(st.floats(0.005, 3.0), min_size=1, max_size=60), st.integers(1, 24))
def test_what_is_sampled_is_on_screen(lengths: list[float], n: int) -> None:
    """Frames of any length: each sample is the frame on screen at its moment, by a slow twin."""
    seconds = np.concatenate([[0.0], np.cumsum(lengths)])
    end = seconds[-1]
    seconds = seconds[:-1]

    def on_screen(moment: float) -> int:
        return max(i for i, begin in enumerate(seconds) if begin <= moment + decoding.TICK)

    even = video.sample_even(seconds, end, n)
    assert even.numbers.tolist() == [on_screen((i + 0.5) / n * end) for i in range(n)]
    published = video.sample_published(seconds, end, 1.0, 1000)
    mean = len(seconds) / end
    stride = 1 / mean if abs(1 / mean - 1) < 0.01 else 1.0
    numbers = published.numbers[published.mask].tolist()
    assert numbers == [on_screen(i * stride) for i in range(len(numbers))]
    assert abs(len(numbers) * stride - end) <= stride * 1.01


def test_published_by_hand() -> None:
    def numbers(count: int, fps: float) -> list[int]:
        sample = video.sample_published(np.arange(count) / fps, count / fps, fps, 12)
        return sample.numbers[sample.mask].tolist()

    assert numbers(250, 25.0) == list(range(0, 250, 25))
    assert numbers(900, 29.97) == [30 * int(29 * i / 11) for i in range(12)]


@pytest.mark.parametrize("arguments", [(0, 25.0, 12), (10, 0.0, 12), (10, float("nan"), 12), (10, 25.0, 0)])
def test_nonsense_is_refused(arguments: tuple[int, float, int]) -> None:
    count, fps, n = arguments
    with pytest.raises(ValueError, match="positive"):
        video.sample_published(np.arange(count) / 25, 1.0, fps, n)


@given(st.integers(1, 300), st.integers(0, 299), st.integers(0, 299))
def test_span_holds_what_is_on_screen(count: int, a: int, b: int) -> None:
    first, last = sorted((min(a, count - 1), min(b, count - 1)))
    seconds = np.arange(count) / 30
    assert video.frame_span(seconds, count / 30, first / 30, last / 30) == (first, last + 1)
    assert video.frame_span(seconds, count / 30, first / 30 + 0.01, last / 30 + 0.02) == (first, last + 1)
    assert video.frame_span(seconds, count / 30, None, None) == (0, count)
    with pytest.raises(ValueError, match="the video ends"):
        video.frame_span(seconds, count / 30, count / 30 + 1, None)


# Reading


def even(count: int, n: int) -> list[int]:
    """Numbers of the even sample of so many frames of one length."""
    return video.sample_even(np.arange(count), count, n).numbers.tolist()


def test_frames_are_the_ones_asked_for(clip: Path) -> None:
    got = read_frames(clip, n=12)
    assert [number_of(frame) for frame in got.frames] == even(60, 12)
    assert got.frames.shape == (12, SIDE, SIDE, 3)
    assert got.frames.dtype == np.uint8
    np.testing.assert_allclose(got.timestamps, np.array(even(60, 12)) / 10, atol=1e-6)
    assert (round(got.duration, 3), got.width, got.height, got.fps) == (6.0, SIDE, SIDE, 10.0)
    red, green, blue = got.frames[:, -8:].mean(axis=(0, 1, 2))
    assert red > 170
    assert green < 90  # RGB, not BGR
    assert blue < 90


def test_names_cannot_break_a_line_or_order_a_terminal_about(tmp_path):
    file = tmp_path / "a\n\x1b[31mb.mp4"
    file.write_bytes(b"no video")
    with pytest.raises(VideoError) as caught:
        read_frames(file)
    assert str(caught.value).startswith(r"a\n\x1b[31mb.mp4 is no video") and str(tmp_path) not in str(
        caught.value
    )


def test_published_rule_pads(clip: Path) -> None:
    got = read_frames(clip, rule="published", n=12)
    assert got.mask.tolist() == [True] * 6 + [False] * 6
    assert [number_of(frame) for frame in got.frames[:6]] == [0, 10, 20, 30, 40, 50]
    assert not got.frames[6:].any()
    assert np.isnan(got.timestamps[6:]).all()


def test_more_frames_than_the_clip_has(tmp_path: Path) -> None:
    got = read_frames(write_clip(tmp_path / "short.mp4", count=3), n=7)
    assert [number_of(frame) for frame in got.frames] == [0, 0, 1, 1, 1, 2, 2]
    assert got.mask.all()


def test_a_moment_of_a_video(clip: Path) -> None:
    moment = read_frames(clip, n=4, start=2.0, end=3.0)
    assert [number_of(frame) for frame in moment.frames] == [20 + number for number in even(11, 4)]
    published = read_frames(clip, rule="published", n=4, start=2.0, end=4.0)
    assert [number_of(f) for f in published.frames[published.mask]] == [20, 30, 40]
    assert number_of(read_frames(clip, n=1, start=5.95).frames[0]) == 59
    with pytest.raises(VideoError, match=r"the video ends at 6\.0 s"):
        read_frames(clip, start=7.0)
    with pytest.raises(ValueError, match="no sense"):
        read_frames(clip, start=3.0, end=2.0)


@pytest.mark.parametrize(("height", "width"), [(90, 160), (161, 90), (70, 70), (16, 500), (333, 17)])
def test_size_is_clips_preprocessing(height: int, width: int) -> None:
    from torchvision import transforms

    frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    bicubic = transforms.InterpolationMode.BICUBIC
    for size in (32, 224):
        resize = transforms.Resize(size, interpolation=bicubic)
        expected = resize(Image.fromarray(frame))
        np.testing.assert_array_equal(picture.fit(frame, size, crop=False), np.asarray(expected))
        cropped = transforms.CenterCrop(size)(expected)
        difference = picture.fit(frame, size, crop=True).astype(int) - np.asarray(cropped)
        assert np.abs(difference).max() <= (max(height, width) > picture.LONG * min(height, width))


def test_size_and_crop_travel_to_the_child(clip: Path) -> None:
    whole = read_frames(clip, n=2)
    small = read_frames(clip, n=2, size=32, crop=True)
    np.testing.assert_array_equal(small.frames, [picture.fit(frame, 32, True) for frame in whole.frames])
    assert (small.width, small.height) == (SIDE, SIDE)


@pytest.mark.parametrize("name", ["a.gif", "a.avi", "a.mkv", "a.ts", "with space é.mp4"])
def test_containers(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix == ".gif":
        pictures = [Image.fromarray(stamped(number)) for number in range(20)]
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100)
    else:
        write_clip(path, count=40, codec="mpeg4" if path.suffix == ".avi" else "libx264")
    count = video.probe(path).frame_count
    got = read_frames(path, n=5)
    assert [number_of(frame) for frame in got.frames] == even(count, 5)
    # Some containers start a frame late; the distances are exact up to their clock's tick.
    np.testing.assert_allclose(np.diff(got.timestamps), np.diff(even(count, 5)) / 10, atol=0.01)


def test_probe_and_poster(clip: Path) -> None:
    info = video.probe(clip)
    assert info == video.VideoInfo(info.duration, SIDE, SIDE, 10.0, "h264", 60)
    assert info.duration == pytest.approx(6.0, abs=0.01)
    for source in (clip, read_frames(clip, n=3)):
        still = Image.open(io.BytesIO(video.poster(source, size=32)))
        assert (still.format, still.size) == ("JPEG", (32, 32))


def test_a_still_is_the_same_where_its_pictures_are_too_large_to_keep(clip: Path) -> None:
    request = {"op": "read", "path": str(clip), "rule": "even", "n": 4, "size": 32, "crop": True, "still": 48}
    request |= {"start": None, "end": None}
    kept = decoding.read(request)[2]
    with patch.object(decoding, "STILL_BYTES", 0):
        assert decoding.read(request)[2] == kept != b""


def test_a_still_comes_with_the_frames(clip: Path) -> None:
    got = read_frames(clip, n=5, size=32, crop=True, still=48)
    assert (read_frames(clip, n=5, size=32, crop=True).frames == got.frames).all()
    with Image.open(io.BytesIO(got.still)) as still:
        whole = read_frames(clip, n=5).frames[video.representative(got.frames)]
        assert still.format == "JPEG" and min(still.size) == min(48, *whole.shape[:2])
        expected = Image.fromarray(whole).resize(still.size, Image.Resampling.BICUBIC)
        assert np.abs(np.asarray(still, float) - np.asarray(expected, float)).mean() < 4


def test_representative_is_not_black() -> None:
    frames = np.stack([np.zeros((SIDE, SIDE, 3), np.uint8)] * 3 + [stamped(5), stamped(5), stamped(250)])
    assert video.representative(frames) in (3, 4)
    assert video.representative(frames[:2]) in (0, 1)


def test_arguments_are_checked(clip: Path) -> None:
    for wrong in (
        {"n": 0},
        {"size": 0},
        {"timeout": 0.0},
        {"rule": "random"},
        {"start": -1.0},
    ):
        with unchecked(), pytest.raises(ValueError, match=r"must be|no sense"):
            read_frames(clip, **wrong)


# Children that die


def idle_child() -> children._Worker:
    """The child that answers next."""
    return children.POOL.idle[-1]


def test_a_killed_child_is_replaced(clip: Path) -> None:
    read_frames(clip, n=2)
    first = idle_child().process
    first.kill()
    first.wait()
    assert read_frames(clip, n=2).mask.all()
    assert idle_child().process.pid != first.pid


@posix
def test_a_child_that_hangs_is_killed_in_time(clip: Path) -> None:
    read_frames(clip, n=2)
    child = idle_child().process
    os.kill(child.pid, signal.SIGSTOP)
    begun = time.monotonic()
    with pytest.raises(VideoError, match="given up after 1 s"):
        read_frames(clip, n=2, timeout=1.0)
    assert time.monotonic() - begun < 60  # a busy machine is slow, not wrong
    assert child.poll() is not None
    assert read_frames(clip, n=2).mask.all()


@posix
def test_a_file_that_crashes_its_child_is_named(clip: Path) -> None:
    read_frames(clip, n=2)
    child = idle_child().process
    os.kill(child.pid, signal.SIGSTOP)
    threading.Timer(0.3, child.kill).start()
    with pytest.raises(VideoError, match="crashes the decoder"):
        read_frames(clip, n=2)
    assert read_frames(clip, n=2).mask.all()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's list of loaded libraries")
def test_a_child_starts_without_the_package(clip: Path) -> None:
    """The child must not load torch: it would take seconds and half a gigabyte each."""
    import torch

    read_frames(clip, n=2)
    assert str(Path(torch.__file__).parent) in Path("/proc/self/maps").read_text()
    maps = Path(f"/proc/{idle_child().process.pid}/maps").read_text()
    assert "libav" in maps
    assert str(Path(torch.__file__).parent) not in maps


def test_errors_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(VideoError("broken.", "a.mp4")))
    assert (str(error), error.path) == ("broken.", "a.mp4")


def test_many_files_in_bounded_memory(tmp_path: Path, clip: Path) -> None:
    taken: list[Path] = []

    def paths():
        for number in range(12):
            path = tmp_path / f"{number}.mp4"
            if number % 4 != 3:
                path.write_bytes(clip.read_bytes())
            taken.append(path)
            yield path

    results = read_many(paths(), n=2, size=32, workers=2)
    first = next(results)
    assert len(taken) <= 5
    seen = dict([first, *results])
    assert set(seen) == set(taken)
    for path, result in seen.items():
        if path.exists():
            assert isinstance(result, VideoFrames)
            assert [number_of(frame) for frame in result.frames] == [15, 45]
        else:
            assert isinstance(result, VideoError)


def test_many_may_be_left_early(clip: Path) -> None:
    results = read_many([clip] * 6, n=2, workers=2)
    next(results)
    results.close()
    assert read_frames(clip, n=2).mask.all()


SPAWNED = """
import multiprocessing, sys

from diffusionret.video import read_frames

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(read_frames, (sys.argv[1],), {"n": 2, "size": 8}).frames.shape)
"""


def test_a_spawned_process_reads_too(tmp_path: Path, clip: Path) -> None:
    """As on Windows and macOS, where processes are never forked: the caller's main module is imported again."""
    (tmp_path / "main.py").write_text(SPAWNED)
    environment = {**os.environ, "PYTHONPATH": str(Path(video.__file__).parents[1])}
    command = [sys.executable, str(tmp_path / "main.py"), str(clip)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "(2, 8, 8, 3)", done.stderr


def test_what_lies_in_the_working_directory_is_not_imported(tmp_path: Path, clip: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        children.close_workers()
        assert read_frames(clip, n=2).mask.all()


def test_many_left_early_ends_what_is_being_read(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[bool] = []
    real = children.Stop.set
    monkeypatch.setattr(children.Stop, "set", lambda self: (stopped.append(True), real(self))[1])
    results = read_many([clip] * 6, n=2, workers=2)
    next(results)
    results.close()
    assert stopped == [True]
    stop = children.Stop()
    stop.set()
    with pytest.raises(VideoError):
        children.POOL.ask(clip, {"op": "probe"}, 30.0, stop)
