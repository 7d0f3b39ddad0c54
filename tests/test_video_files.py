"""Broken files are named, odd ones are read, and both decoders agree on ordinary ones."""

from __future__ import annotations

import os
import time
from pathlib import Path

import av
import numpy as np
import pytest
from clips import SIDE, stamped, write_clip
from PIL import Image

from diffusionret import decoding, picture, video
from diffusionret.video import VideoError, read_frames


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4")


# Broken files


def complaint(path: str | Path, timeout: float = 30.0) -> str:
    """The one sentence a broken file yields, at the latest when its time is over."""
    begun = time.monotonic()
    with pytest.raises(VideoError) as caught:
        read_frames(path, n=12, size=64, timeout=timeout)
    assert time.monotonic() - begun < timeout + 60  # a busy machine is slow, not wrong
    message = str(caught.value)
    assert caught.value.path == os.fspath(path)
    assert Path(path).name in message
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_broken_files_are_named(tmp_path: Path, clip: Path) -> None:
    whole = clip.read_bytes()
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is not a video " * 500)
    (tmp_path / "notes.txt").write_text("nor is this " * 500)
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n")
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])  # the description stood at the end
    Image.fromarray(stamped(1)).save(tmp_path / "photo.png")
    with av.open(str(tmp_path / "song.mp4"), "w") as out:
        sound = out.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        out.mux(sound.encode(frame))
        out.mux(sound.encode())
    assert "does not exist" in complaint(tmp_path / "missing.mp4")
    assert "folder" in complaint(tmp_path)
    assert "0 bytes" in complaint(tmp_path / "empty.mp4")
    for name in ("text.mp4", "notes.txt", "list.mp4", "half.mp4", "photo.png"):
        assert "no video" in complaint(tmp_path / name).replace("not a video", "no video")
    assert "only sound" in complaint(tmp_path / "song.mp4")


def test_a_download_cut_short(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "fast.mp4"), "w", options={"movflags": "faststart"}) as out:
        stream = out.add_stream("libx264", rate=10, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for number in range(60):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(stamped(number), format="rgb24")))
        out.mux(stream.encode())
    whole = (tmp_path / "fast.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    assert "cut short" in complaint(tmp_path / "cut.mp4")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a user who may not read all"
)
def test_unreadable_file(tmp_path: Path, clip: Path) -> None:
    (tmp_path / "mine.mp4").write_bytes(clip.read_bytes())
    (tmp_path / "mine.mp4").chmod(0)
    assert "permissions" in complaint(tmp_path / "mine.mp4")


def test_forbidden_file(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(decoding.Unreadable, match="permissions"):
        decoding.check_file(str(clip))


# Real files

READABLE = {
    "NVIDIA_VideoProcessingFramework__test_res_change.h264",
    "Zulko_moviepy__big_buck_bunny_432_433.webm",
    "Zulko_moviepy__bitmap.mp4",
    "dmlc_decord__corrupted.mp4",
    "dmlc_decord__unordered.mov",
    "dmlc_decord__video_90.mov",
    "gpac__enst_video.h264",
    "gpac__video_5s.ivf",
    "iejMac_clip-video-encode__vid1.mp4",
    "imageio_imageio-binaries__cockatoo.mp4",
    "mp4parse__h264_white_frame_sar_16_9.mp4",
    "mp4parse__minimal.mp4",
    "mp4parse__no_timescale.mp4",
    "mp4parse__tiny_av1.mp4",
    "pytorch_torchcodec__av1_video.mkv",
    "pytorch_torchcodec__bt709_full_range.mp4",
    "pytorch_torchcodec__h265_10bits.mp4",
}
BROKEN = {
    "mathiasbynens_small__AudioVideoInterleave.avi": "holds no frames",
    "mathiasbynens_small__FlashVideo.flv": "header is damaged",
    "mp4parse__amr_nb_1f.3gp": "only sound",
    "mp4parse__chunk_out_of_range.mp4": "header is damaged",
    "mp4parse__short-cenc.mp4": "encrypted",
    "mp4parse__zero_empty_stsc.mp4": "cut short",
}


def test_seeking_finds_what_reading_on_finds(realdata: Path) -> None:
    """Jumps that leave out what nothing depends on, against a slow twin that decodes everything from the beginning."""
    clips = sorted((realdata / "clips").glob("*.mp4"))
    assert len(clips) == 10
    chosen = [path for path in clips if path.stat().st_size < 1_100_000]
    for path in [*chosen, realdata / "decoding" / "iejMac_clip-video-encode__vid1.mp4"]:
        got = read_frames(path, n=6, size=64)
        with av.open(str(path)) as container:
            shown = [(f.time, f) for f in container.decode(container.streams.best("video"))]
        begin = shown[0][0]
        for mine, stamp in zip(got.frames, got.timestamps, strict=True):
            frame = min(shown, key=lambda pair: abs(pair[0] - begin - stamp))[1]
            whole = frame.to_ndarray(format="rgb24")
            np.testing.assert_array_equal(mine, picture.fit(whole, 64, False), err_msg=path.name)


def test_every_odd_file_is_read_or_named(realdata: Path) -> None:
    files = {path.name: path for path in (realdata / "decoding").iterdir()}
    assert set(files) == READABLE | set(BROKEN)
    for name in sorted(READABLE):
        got = read_frames(files[name], n=4, size=64)
        assert got.mask.all(), name
        assert min(got.frames.shape[1:3]) == 64, name
        assert (np.diff(got.timestamps) >= 0).all(), name
    for name, expected in sorted(BROKEN.items()):
        assert expected in complaint(files[name])


def test_rotation(realdata: Path) -> None:
    path = realdata / "decoding" / "dmlc_decord__video_90.mov"
    assert (video.probe(path).width, video.probe(path).height) == (320, 568)
    got = read_frames(path, n=2)
    assert got.frames.shape[1:3] == (568, 320)
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="rgb24")
    difference = np.abs(got.frames[0].astype(int) - np.rot90(stored, -1))
    assert difference.mean() < 2
