"""A frame as a player shows it: turned, stretched, one field, ordinary range, on a ground; and of which stream."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import number_of, stamped, write_clip
from PIL import Image

from diffusionret import picture, video
from diffusionret.video import VideoError, read_frames

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
LETTERS = {"R": RED, "G": GREEN, "B": BLUE, "W": WHITE}


def corners(frame: np.ndarray) -> str:
    """The nearest colour of each quarter: top left, top right, bottom left, bottom right."""
    height, width = frame.shape[:2]
    found = ""
    for y in (height // 4, 3 * height // 4):
        for x in (width // 4, 3 * width // 4):
            distance = {k: np.abs(frame[y, x].astype(int) - v).sum() for k, v in LETTERS.items()}
            found += min(distance, key=distance.__getitem__)
    return found


def quarters(height: int = 64, width: int = 96) -> np.ndarray:
    frame = np.zeros((height, width, 3), np.uint8)
    for k, colour in enumerate((RED, GREEN, BLUE, WHITE)):
        y, x = divmod(k, 2)
        frame[y * height // 2 : (y + 1) * height // 2, x * width // 2 : (x + 1) * width // 2] = colour
    return frame


def encode(
    path: Path, pictures: list[np.ndarray], codec: str = "libx264", form: str = "yuv420p", **more
) -> Path:
    """A film of RGB (or RGBA) pictures, ten a second. more: attributes of the encoder."""
    with av.open(str(path), "w") as out:
        options = more.pop("options", {})
        stream = out.add_stream(codec, rate=10, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = form
        for name, value in more.items():
            setattr(stream.codec_context, name, value)
        for pixels in pictures:
            kind = "rgba" if pixels.shape[-1] == 4 else "rgb24"
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format=kind)))
        out.mux(stream.encode())
    return path


# Turned and mirrored

TURNS = {  # a, b, c, d of the display matrix -> where the corners go
    "hflip": ((-1, 0, 0, 1), "GRWB"),
    "vflip": ((1, 0, 0, -1), "BWRG"),
    "transpose": ((0, 1, 1, 0), "RBGW"),
    "half": ((-1, 0, 0, -1), "WBGR"),
    "right": ((0, 1, -1, 0), "BRWG"),
    "left": ((0, -1, 1, 0), "GWRB"),
    "other diagonal": ((0, -1, -1, 0), "WGBR"),
}


@pytest.mark.parametrize("name", TURNS)
def test_the_whole_display_matrix(name: str) -> None:
    turn, expected = TURNS[name]
    assert corners(picture.apply_orientation(quarters(), turn)) == expected
    # A slow twin: where x' = a x + c y, y' = b x + d y puts every pixel.
    a, b, c, d = turn
    small = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, axis=2)
    places = {(a * x + c * y, b * x + d * y): small[y, x] for y in range(2) for x in range(3)}
    left, top = min(x for x, _ in places), min(y for _, y in places)
    turned = picture.apply_orientation(small, turn)
    for (x, y), value in places.items():
        np.testing.assert_array_equal(turned[y - top, x - left], value)


@pytest.mark.parametrize("name", ["hflip", "vflip", "transpose"])
def test_mirrored_files(realdata: Path, name: str) -> None:
    got = read_frames(realdata / "failing" / f"{name}.mp4", n=2)
    assert corners(got.frames[0]) == TURNS[name][1]
    assert (got.width, got.height) == ((64, 96) if name == "transpose" else (96, 64))
    info = video.probe(realdata / "failing" / f"{name}.mp4")
    assert (info.width, info.height) == (got.width, got.height)


def test_a_matrix_that_turns_by_no_right_angle_is_ignored() -> None:
    from types import SimpleNamespace

    from av.sidedata.sidedata import Type

    for matrix in (
        [46341, 46341, 0, -46341, 46341, 0, 0, 0, 2**30],
        [0] * 9,
        [65536, 0, 0, 65536, 0, 0, 0, 0, 1],
    ):
        data = {Type.DISPLAYMATRIX: np.array(matrix, np.int32).tobytes()}
        assert picture.orientation(SimpleNamespace(side_data=data)) is None


# Pixels that are no squares


def test_pixels_are_made_square(tmp_path: Path) -> None:
    path = encode(tmp_path / "wide.mp4", [quarters(64, 64)] * 3, sample_aspect_ratio=Fraction(2, 1))
    got = read_frames(path, n=2)
    assert (got.width, got.height, got.frames.shape) == (128, 64, (2, 64, 128, 3))
    assert (video.probe(path).width, video.probe(path).height) == (128, 64)
    small = read_frames(path, n=2, size=32, still=48)
    assert small.frames.shape == (2, 32, 64, 3)
    assert Image.open(io.BytesIO(small.still)).size == (96, 48)
    # The centre square is the middle half of what was stored.
    square = read_frames(path, n=1, size=64, crop=True).frames[0]
    middle = Image.fromarray(read_frames(path, n=1).frames[0][:, 32:96])
    assert np.abs(square.astype(int) - np.asarray(middle)).mean() < 2


def test_a_nonsense_shape_of_pixels_is_ignored(tmp_path: Path) -> None:
    path = encode(tmp_path / "odd.mp4", [quarters(64, 64)] * 3, sample_aspect_ratio=Fraction(1000, 1))
    assert read_frames(path, n=1).frames.shape == (1, 64, 64, 3)


def test_odd_sizes(tmp_path: Path) -> None:
    for height, width in ((33, 65), (1, 1), (2, 301)):
        frame = np.full((height, width, 3), (200, 40, 40), np.uint8)
        path = encode(tmp_path / f"{height}x{width}.mkv", [frame] * 3, codec="ffv1", form="bgr0")
        got = read_frames(path, n=2)
        assert got.frames.shape == (2, height, width, 3) and (got.frames == frame).all()
        assert read_frames(path, n=1, size=16, crop=True).frames.shape == (1, 16, 16, 3)


# Interlaced


def test_fields_are_not_combed(tmp_path: Path) -> None:
    """A bar that has moved between the two fields of a frame: both of them in one picture would be a comb."""
    pictures = []
    for step in range(6):
        upper, lower = (np.zeros((64, 64, 3), np.uint8) for _ in range(2))
        upper[:, 8 * step : 8 * step + 8] = lower[:, 8 * step + 12 : 8 * step + 20] = 255
        upper[1::2] = lower[1::2]
        pictures.append(upper)
    path = tmp_path / "interlaced.mkv"
    encode(path, pictures, options={"x264-params": "interlaced=1:tff=1", "crf": "1"})
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).interlaced_frame
    got = read_frames(path, n=6)
    assert got.frames.shape == (6, 64, 64, 3)
    bright = got.frames.mean(axis=(1, 3))  # of each column
    for step, columns in enumerate(bright):
        assert columns[8 * step + 2 : 8 * step + 6].min() > 200
        assert columns[8 * step + 14 : 8 * step + 18].max() < 60


# High dynamic range


def codes(nits: float) -> float:
    """PQ's code of a light, 0 to 1 (SMPTE ST 2084, the other way round)."""
    power = (nits / 10000) ** (1305 / 8192)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def test_high_range_is_brought_down() -> None:
    steps = np.array([0.0, 5.0, 50.0, 101.5, 203.0, 1000.0, 10000.0])
    codes16 = np.array([round(65535 * codes(nits)) for nits in steps], np.uint16)
    grey = np.repeat(codes16[None, :, None], 3, axis=2)
    shown = picture.tone_mapped(grey, picture.PQ)[0]
    assert np.ptp(shown.astype(int), axis=1).max() <= 2  # grey stays grey
    level = shown[:, 0].astype(int)
    assert level[0] == 0 and (np.diff(level) > 0).all() and level[-1] >= 254
    # Up to half of paper white light is kept: what an ordinary screen makes of the code is that light.
    for place in (1, 2, 3):
        assert abs(level[place] - 255 * (steps[place] / 203) ** (1 / 2.4)) < 2
    half = np.full((1, 1, 3), 65535 // 2, np.uint16)  # HLG: 1/12 of the peak before the screen's own curve
    nits = 1000 * (1 / 12) ** 1.2
    assert abs(int(picture.tone_mapped(half, picture.HLG)[0, 0, 0]) - 255 * (nits / 203) ** (1 / 2.4)) < 3


def test_a_film_of_high_range(tmp_path: Path) -> None:
    grey = round(255 * codes(101.5))
    pictures = [np.full((96, 128, 3), grey, np.uint8)] * 4
    plain = encode(tmp_path / "plain.mp4", pictures, "libx265", "yuv420p10le", options={"crf": "5"})
    high = encode(
        tmp_path / "high.mp4", pictures, "libx265", "yuv420p10le",
        options={"crf": "5", "x265-params": "transfer=smpte2084:colorprim=bt2020:colormatrix=bt2020nc"},
    )  # fmt: skip
    assert abs(read_frames(plain, n=1, size=32).frames.mean() - grey) < 3
    expected = 255 * 0.5 ** (1 / 2.4)
    for size in (16, 32, None):
        got = read_frames(high, n=2, size=size)
        assert np.abs(got.frames.astype(float) - expected).mean() < 4
        assert (got.height, got.width) == (96, 128)


# Transparent


def test_what_is_transparent_shows_white(realdata: Path, tmp_path: Path) -> None:
    got = read_frames(realdata / "failing" / "alpha.webm", n=3)
    black = (got.frames < 60).all(axis=-1)
    white = (got.frames > 200).all(axis=-1)
    assert (black | white).mean() > 0.9 and 0.02 < black.mean() < 0.5
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[8:24, 8:24] = (0, 0, 255, 255)
    pixels[:, :4] = (0, 0, 0, 128)
    film = encode(tmp_path / "clear.mov", [pixels] * 3, "qtrle", "argb")
    frame = read_frames(film, n=1).frames[0]
    assert frame[16, 16].tolist() == [0, 0, 255] and frame[28, 28].tolist() == [255, 255, 255]
    assert abs(int(frame[16, 1, 0]) - 127) <= 1


# Animations


def animation(path: Path, lengths: list[int]) -> Path:
    pictures = [Image.fromarray(stamped(number)).convert("RGBA") for number in range(len(lengths))]
    lossless = {"lossless": True} if path.suffix == ".webp" else {}
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=lengths, **lossless)
    return path


@pytest.mark.parametrize("ending", [".webp", ".gif", ".apng"])
def test_animations_keep_their_time(tmp_path: Path, ending: str) -> None:
    path = animation(tmp_path / f"a{ending}", [100] * 5 + [1500])  # two seconds
    got = read_frames(path, n=8)
    assert [number_of(frame) for frame in got.frames] == [1, 3, 5, 5, 5, 5, 5, 5]
    assert got.duration == pytest.approx(2.0, abs=0.11)
    assert np.diff(got.timestamps).max() <= 0.25
    info = video.probe(path)
    assert (info.frame_count, info.width, info.height) == (6, 64, 64)
    assert Image.open(io.BytesIO(video.poster(path, 32))).size == (32, 32)


def test_a_still_picture_is_no_video(tmp_path: Path) -> None:
    Image.fromarray(stamped(1)).save(tmp_path / "still.webp")
    with pytest.raises(VideoError, match=r"still\.webp is a still picture, not a video"):
        read_frames(tmp_path / "still.webp")
    whole = animation(tmp_path / "a.webp", [100] * 6).read_bytes()
    (tmp_path / "cut.webp").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VideoError, match=r"cut\.webp is (damaged|cut)"):
        read_frames(tmp_path / "cut.webp", n=6)


# Several streams


def two_streams(path: Path, sizes: tuple[int, int], default: int | None = None) -> Path:
    """A file with two films, of squares of two sizes, the first red and the second blue."""
    from av.stream import Disposition

    with av.open(str(path), "w") as out:
        streams = []
        for place, size in enumerate(sizes):
            stream = out.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = size, size, "yuv420p"
            stream.disposition = Disposition.default if default == place else Disposition(0)
            streams.append(stream)
        for _ in range(10):
            for stream, colour in zip(streams, (RED, BLUE), strict=True):
                pixels = np.full((stream.height, stream.width, 3), colour, np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        for stream in streams:
            out.mux(stream.encode())
    return path


def test_the_default_stream_is_the_film_else_the_largest(tmp_path: Path) -> None:
    largest = read_frames(two_streams(tmp_path / "largest.mkv", (32, 96)), n=1)
    assert largest.width == 96 and largest.frames[0, 50, 50, 2] > 200
    default = read_frames(two_streams(tmp_path / "default.mkv", (32, 96), default=0), n=1)
    assert default.width == 32 and default.frames[0, 16, 16, 0] > 200


def test_a_cover_is_no_film(tmp_path: Path) -> None:
    from av.stream import Disposition

    with av.open(str(tmp_path / "song.mp4"), "w") as out:
        sound = out.add_stream("aac", rate=16000)
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        out.mux(cover.encode(av.VideoFrame.from_ndarray(stamped(3), format="rgb24")))
        out.mux(cover.encode())
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        out.mux(sound.encode(frame))
        out.mux(sound.encode())
    with pytest.raises(VideoError, match="only sound and a cover picture"):
        read_frames(tmp_path / "song.mp4")


def test_a_film_that_changes_its_size(realdata: Path) -> None:
    path = realdata / "decoding" / "NVIDIA_VideoProcessingFramework__test_res_change.h264"
    assert read_frames(path, n=8, size=48, crop=True).frames.shape == (8, 48, 48, 3)
    assert read_frames(path, n=8).frames.std() > 5


def test_a_very_thin_picture_costs_its_centre_only(realdata: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    real = Image.Image.resize

    def counted(self, size, *args, **options):
        made.append(size[0] * size[1])
        return real(self, size, *args, **options)

    monkeypatch.setattr(Image.Image, "resize", counted)
    assert picture.fit(np.zeros((8192, 16, 3), np.uint8), 224, crop=True).shape == (224, 224, 3)
    assert made == [224 * 224]
    assert read_frames(realdata / "failing" / "thin.mp4", n=12, size=224, crop=True).mask.all()


def test_an_ordinary_clip_is_left_as_it_is(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4")
    got = read_frames(path, n=1).frames[0]
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    np.testing.assert_array_equal(got, frames[30])
