"""When the frames of a film appear: rates that vary, clocks that start anew, edits, stamps below zero."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from clips import SIDE, number_of, stamped

from diffusionret import video
from diffusionret.film import Film, _Clock
from diffusionret.video import read_frames


def colours(frames: np.ndarray) -> str:
    """R or B for each frame."""
    return "".join("R" if frame[..., 0].mean() > frame[..., 2].mean() else "B" for frame in frames)


def at(path: Path, moments: list[float], **options: str) -> Path:
    """A film whose stamped frames appear at `moments`, in seconds."""
    with av.open(str(path), "w", options=options) as out:
        stream = out.add_stream("libx264", rate=1000, options={"bf": "0", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, moment in enumerate(moments):
            frame = av.VideoFrame.from_ndarray(stamped(number), format="rgb24")
            frame.pts, frame.time_base = round(1000 * moment), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def test_a_varying_rate_is_sampled_by_time(realdata: Path) -> None:
    got = read_frames(realdata / "failing" / "vfr.mp4", n=12)
    assert colours(got.frames) == "R" + 11 * "B"
    assert got.duration == pytest.approx(10.0, abs=0.01)
    moments = (np.arange(12) + 0.5) / 12 * 10
    assert (got.timestamps <= moments + 0.001).all() and (moments - got.timestamps <= 1.0).all()
    published = read_frames(realdata / "failing" / "vfr.mp4", rule="published", n=12)
    assert colours(published.frames[published.mask]).count("R") in (1, 2)


def test_what_is_on_screen(tmp_path: Path) -> None:
    moments = [0.0, 0.1, 0.2, 0.3, 5.0, 9.0, 9.5]
    got = read_frames(at(tmp_path / "a.mkv", moments), n=10)
    shown = [
        max(i for i, m in enumerate(moments) if m <= t) for t in (np.arange(10) + 0.5) / 10 * got.duration
    ]
    assert [number_of(frame) for frame in got.frames] == shown


def test_clocks_that_start_anew(realdata: Path) -> None:
    got = read_frames(realdata / "failing" / "joined.ts", n=12)
    assert colours(got.frames) == 6 * "R" + 6 * "B"
    assert got.duration == pytest.approx(10.0, abs=0.01) and got.fps == pytest.approx(10.0)
    assert (np.diff(got.timestamps) > 0.7).all()
    assert colours(read_frames(realdata / "failing" / "joined.ts", n=2, start=6.0, end=7.0).frames) == "BB"
    assert video.probe(realdata / "failing" / "joined.ts").frame_count == 100


def test_a_clock_that_runs_over(realdata: Path) -> None:
    got = read_frames(realdata / "failing" / "wrap.ts", n=15)
    np.testing.assert_allclose(got.timestamps, np.arange(15) * 0.8 + 0.4, atol=0.001)
    assert got.duration == pytest.approx(12.0, abs=0.01)
    assert video.probe(realdata / "failing" / "wrap.ts").frame_count == 120


def test_one_clock_of_many() -> None:
    class Packet:
        duration = 10

        def __init__(self, dts: int | None, pts: int | None) -> None:
            self.dts, self.pts = dts, pts

    def run(stamps: list[int]) -> list[int]:
        clock, out = _Clock(0.01), []
        for stamp in stamps:
            packet = Packet(stamp, stamp + 20)
            clock.adjust(packet)
            assert packet.pts is not None and packet.dts is not None
            assert packet.pts - packet.dts == 20
            out.append(packet.dts)
        return out

    assert run([0, 10, 20]) == [0, 10, 20]
    assert run([50, 60, 0, 10, 20]) == [50, 60, 70, 80, 90]
    assert run([0, 10, 100000, 100010, 5]) == [0, 10, 20, 30, 40]
    assert run([100, 400]) == [100, 400]  # a gap of three seconds is a gap
    clock = _Clock(0.01)
    clock.adjust(packet := Packet(None, None))
    assert packet.dts is None


def test_stamps_below_zero() -> None:
    """A container's clock may begin anywhere: the player's starts at its first picture or sound."""

    class Packet:
        size, duration, is_keyframe, is_discard = 1, 100, True, False

        def __init__(self, stamp: int) -> None:
            self.pts = self.dts = stamp

    film = Film.__new__(Film)
    form = SimpleNamespace(name="matroska,webm", flags=0)
    film.name, film.stream = (
        "a.mkv",
        SimpleNamespace(
            time_base=Fraction(1, 1000), average_rate=Fraction(10), guessed_rate=None, duration=None
        ),
    )
    for start in (-500_000, None, 0):
        stamps = range(-500, 1500, 100)
        film.container = SimpleNamespace(
            start_time=start, format=form, demux=lambda stream: map(Packet, range(-500, 1500, 100))
        )
        table = film.table()
        np.testing.assert_allclose(table.seconds, np.arange(20) / 10, atol=1e-9)
        assert table.duration == pytest.approx(2.0) and table.place == {s: i for i, s in enumerate(stamps)}


def test_what_an_edit_list_hides_is_no_frame(tmp_path: Path) -> None:
    """A cut without encoding: the key frame before the cut is in the file, an edit list leaves it out."""
    source = tmp_path / "source.mp4"
    with av.open(str(source), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"g": "10", "bf": "0", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for number in range(40):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(stamped(number), format="rgb24")))
        out.mux(stream.encode())
    cut = tmp_path / "cut.mp4"
    with (
        av.open(str(source)) as whole,
        av.open(str(cut), "w", options={"avoid_negative_ts": "disabled"}) as out,
    ):
        stream = whole.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in whole.demux(stream):
            if packet.size and packet.pts is not None:
                packet.pts -= round(0.5 / float(stream.time_base))
                packet.dts -= round(0.5 / float(stream.time_base))
                packet.stream = copy
                out.mux(packet)
    got = read_frames(cut, n=7)
    assert [number_of(frame) for frame in got.frames] == [7, 12, 17, 22, 27, 32, 37]
    assert got.duration == pytest.approx(3.5, abs=0.01)
    assert video.probe(cut).frame_count == 35


def test_a_colon_is_part_of_a_name(realdata: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(realdata / "failing" / "colon.mp4", tmp_path / "10:30.mp4")
    monkeypatch.chdir(tmp_path)
    assert video.probe("10:30.mp4").frame_count == 10


def test_a_track_that_begins_late_is_sampled_from_its_first_frame(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "late.mkv"), "w") as out:
        sound = out.add_stream("aac", rate=16000)
        stream = out.add_stream("libx264", rate=10, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for _ in range(24):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 16000
            out.mux(sound.encode(frame))
        out.mux(sound.encode())
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(stamped(number), format="rgb24")
            frame.pts, frame.time_base = 5 + number, Fraction(1, 10)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    got = read_frames(tmp_path / "late.mkv", n=5)
    assert [number_of(frame) for frame in got.frames] == [1, 3, 5, 7, 9]
    assert got.timestamps[0] == pytest.approx(0.6, abs=0.1)
