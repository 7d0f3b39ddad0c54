"""Parts cut out of files: frame by frame where they are numbered, copied where key frames allow, else encoded."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import SIDE, number_of, stamped, write_clip

from diffusionret import cutting, excerpt
from diffusionret.children import PACKAGE
from diffusionret.cutting import cut
from diffusionret.video import VideoError, read_frames


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """10 seconds, ten frames a second, a key frame every two seconds, B-frames in between, and a tone."""
    path = tmp_path_factory.mktemp("cutting") / "film.mp4"
    options = {"g": "20", "keyint_min": "20", "sc_threshold": "0", "bf": "2", "crf": "18"}
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        tone = out.add_stream("aac", rate=44100, layout="mono")
        for number in range(100):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(stamped(number), format="rgb24")))
        out.mux(stream.encode())
        for begin in range(0, 10 * 44100 - 1024, 1024):
            wave = np.sin(2 * np.pi * 440 * np.arange(begin, begin + 1024) / 44100).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(0.3 * wave[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 44100, begin, Fraction(1, 44100)
            out.mux(tone.encode(frame))
        out.mux(tone.encode())
    return path


def content(path: Path) -> tuple[list[int], list[float], float]:
    """Numbers and seconds of the frames, and seconds of sound."""
    with av.open(str(path)) as container:
        frames = [(number_of(f.to_ndarray(format="rgb24")), float(f.time)) for f in container.decode(video=0)]
    with av.open(str(path)) as container:
        sound = (
            sum(f.samples / f.sample_rate for f in container.decode(audio=0))
            if container.streams.audio
            else 0
        )
    return [number for number, _ in frames], [second for _, second in frames], sound


@pytest.mark.parametrize(
    ("start", "end", "copied"),
    [
        (4.0, 8.0, True),
        (0.0, 2.0, True),
        (8.0, 10.0, True),
        (4.3, 7.1, False),
        (4.0, 7.3, False),
        (9.5, 30.0, False),
    ],
)
def test_a_part_holds_its_frames_and_sound(film, tmp_path, start, end, copied) -> None:
    out = tmp_path / "part.mp4"
    assert excerpt.excerpt(str(film), start, end, str(out)) == ("copied" if copied else "encoded")
    numbers, seconds, sound = content(out)
    assert numbers == list(range(round(10 * start), min(round(10 * end), 100)))
    assert seconds == pytest.approx([i / 10 for i in range(len(numbers))], abs=0.01)
    assert sound == pytest.approx(len(numbers) / 10, abs=0.12)


def test_it_is_done_by_a_process_of_its_own(film, tmp_path) -> None:
    out = tmp_path / "part.mp4"
    assert cut(film, 2.0, 4.0, out) is True
    assert content(out)[0] == list(range(20, 40)) and [file.name for file in tmp_path.iterdir()] == [
        "part.mp4"
    ]
    with pytest.raises(FileExistsError, match="choose another name"):
        cut(film, 2.0, 4.0, out)


def test_turned_and_odd_pictures_come_out_upright(tmp_path) -> None:
    plain = write_clip(tmp_path / "plain.mp4", count=20)
    turned = tmp_path / "turned.mp4"
    data = plain.read_bytes()
    one, nil, last = (1 << 16).to_bytes(4, "big"), bytes(4), (1 << 30).to_bytes(4, "big")
    minus = (-(1 << 16)).to_bytes(4, "big", signed=True)
    upright, quarter = one + 3 * nil + one + 3 * nil + last, nil + one + nil + minus + 4 * nil + last
    at = data.index(upright, data.index(b"tkhd"))
    turned.write_bytes(data[:at] + quarter + data[at + len(upright) :])
    out = tmp_path / "part.mp4"
    assert excerpt.excerpt(str(turned), 0.0, 2.0, str(out)) == "encoded"
    with av.open(str(out)) as container:
        frame = next(container.decode(video=0))
    assert frame.rotation == 0
    picture = frame.to_ndarray(format="rgb24").astype(int)
    shown, stored = (read_frames(file, n=20, timeout=120.0).frames[0].astype(int) for file in (turned, plain))
    assert np.abs(picture - shown).mean() < 12 < 40 < np.abs(picture - stored).mean()


def test_pixels_that_are_not_square_come_out_square(tmp_path) -> None:
    wide = tmp_path / "wide.mp4"
    with av.open(str(wide), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        stream.sample_aspect_ratio = Fraction(3, 2)
        for number in range(30):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(stamped(number), format="rgb24")))
        out.mux(stream.encode())
    assert excerpt.excerpt(str(wide), 0.5, 2.0, str(tmp_path / "part.mp4")) == "encoded"
    with av.open(str(tmp_path / "part.mp4")) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert frames[0].shape == (SIDE, 3 * SIDE // 2, 3) and [number_of(f) for f in frames] == list(
        range(5, 20)
    )


@pytest.mark.parametrize(
    ("start", "end"), [(5.0, 3.0), (-1.0, 3.0), (0.0, float("nan")), (1.0, float("inf"))]
)
def test_parts_that_make_no_sense_are_refused(film, tmp_path, start, end) -> None:
    with pytest.raises(ValueError, match="makes no sense"):
        cut(film, start, end, tmp_path / "part.mp4")


def test_what_cannot_be_cut_is_one_sentence_and_leaves_nothing(film, tmp_path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video at all")
    before = sorted(tmp_path.iterdir())
    there = r"cannot be cut there \(.*\); try another part of it\.$"
    for video, start, says in (
        (film, 30.0, there),
        (tmp_path / "broken.mp4", 0.0, r"^broken.mp4 is no video"),
    ):
        with pytest.raises(VideoError, match=says) as caught:
            cut(video, start, start + 2, tmp_path / "part.mp4")
        assert "\n" not in str(caught.value) and str(tmp_path) not in str(caught.value)
    with pytest.raises(VideoError, match=r"gone.mp4 is not there"):
        cut(tmp_path / "gone.mp4", 0.0, 2.0, tmp_path / "part.mp4")
    with pytest.raises(ValueError, match=r"let it end in .mp4"):
        cut(film, 0.0, 2.0, tmp_path / "part.avi")
    with pytest.raises(ValueError, match="cut at most 3600 s"):
        cut(film, 0.0, 3602.0, tmp_path / "part.mp4")
    assert sorted(tmp_path.iterdir()) == before


def test_a_child_that_hangs_or_dies_is_given_up(film, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(cutting, "PROGRAM", "import time; time.sleep(600)")
    with pytest.raises(VideoError, match="was given up after 1 s; cut a shorter part"):
        cut(film, 0.0, 2.0, tmp_path / "part.mp4", timeout=1.0)
    for program in ("import os; os.abort()", 'print(\'{"how": "copied"}\')', "print('[]')"):
        monkeypatch.setattr(cutting, "PROGRAM", program)
        with pytest.raises(VideoError, match="cannot be cut there; try another"):
            cut(film, 0.0, 2.0, tmp_path / "part.mp4")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="no limits there")
def test_a_part_that_grows_too_large_is_given_up(film, tmp_path, monkeypatch) -> None:
    program = f"{PACKAGE}from diffusionret import excerpt; excerpt.MOST_BYTES = 4096; excerpt.main()"
    monkeypatch.setattr(cutting, "PROGRAM", program)
    with pytest.raises(VideoError, match="cannot be cut there"):
        cut(film, 0.5, 9.5, tmp_path / "part.mp4")
    assert not list(tmp_path.iterdir())
