"""Every real file of `shared/realdata`: what it gives, or the reason why it gives nothing."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from tiny import tiny_model

from diffusionret.gallery import Gallery
from diffusionret.index import index_folder
from diffusionret.listing import list_videos
from diffusionret.video import VideoError, probe, read_frames

# name: (width, height as shown, seconds, frames)
DECODING = {
    "NVIDIA_VideoProcessingFramework__test_res_change.h264": (848, 464, 3.84, 96),
    "Zulko_moviepy__big_buck_bunny_432_433.webm": (1280, 720, 1.0, 24),
    "Zulko_moviepy__bitmap.mp4": (1, 1, 5.0, 5),
    "dmlc_decord__corrupted.mp4": (1280, 720, 5.0, 50),
    "dmlc_decord__unordered.mov": (50, 50, 0.12, 4),
    "dmlc_decord__video_90.mov": (320, 568, 0.1, 3),
    "gpac__enst_video.h264": (128, 128, 6.92, 173),
    "gpac__video_5s.ivf": (320, 240, 5.0, 125),
    "iejMac_clip-video-encode__vid1.mp4": (640, 360, 2.24, 56),
    "imageio_imageio-binaries__cockatoo.mp4": (1280, 720, 14.0, 280),
    "mp4parse__h264_white_frame_sar_16_9.mp4": (1138, 480, 0.04, 1),
    "mp4parse__minimal.mp4": (320, 240, 0.04, 1),
    "mp4parse__no_timescale.mp4": (320, 240, 6.04, 182),
    "mp4parse__tiny_av1.mp4": (64, 64, 0.04, 1),
    "pytorch_torchcodec__av1_video.mkv": (640, 360, 5.0, 125),
    "pytorch_torchcodec__bt709_full_range.mp4": (1280, 720, 1.0, 30),
    "pytorch_torchcodec__h265_10bits.mp4": (200, 200, 1.0, 30),
}
REASONS = {
    "mathiasbynens_small__AudioVideoInterleave.avi": "declares a video track but holds no frames; copy or download it",
    "mathiasbynens_small__FlashVideo.flv": "is no video or its header is damaged; if a player shows it, convert it",
    "mp4parse__amr_nb_1f.3gp": "holds no video track, only sound; give a file with moving pictures",
    "mp4parse__chunk_out_of_range.mp4": "is no video or its header is damaged; if a player shows it, convert it",
    "mp4parse__short-cenc.mp4": "is encrypted (DRM) and cannot be decoded; use an unprotected copy",
    "mp4parse__zero_empty_stsc.mp4": "ends after 0.1 s of 41.6 s: it was cut short; copy or download it again",
}
FAILING = {
    "alpha.webm": (64, 64, 0.6, 6),
    "colon.mp4": (96, 64, 1.0, 10),
    "good.mp4": (64, 64, 2.0, 20),
    "hflip.mp4": (96, 64, 1.0, 10),
    "joined.ts": (64, 64, 10.0, 100),
    "thin.mp4": (16, 8192, 1.0, 5),
    "transpose.mp4": (64, 96, 1.0, 10),
    "vflip.mp4": (96, 64, 1.0, 10),
    "vfr.mp4": (64, 64, 10.0, 69),
    "wrap.ts": (64, 64, 12.0, 120),
}


def check(file: Path, expected: tuple[int, int, float, int]) -> None:
    info = probe(file)
    assert (info.width, info.height, info.frame_count) == (*expected[:2], expected[3])
    assert info.duration == pytest.approx(expected[2], abs=0.01)
    clip = read_frames(file, n=12, size=64, crop=True)
    assert clip.mask.all() and clip.frames.shape == (12, 64, 64, 3)
    assert (np.diff(clip.timestamps) >= 0).all() and clip.timestamps[-1] < clip.duration


@pytest.mark.parametrize("name", DECODING)
def test_odd_files_that_can_be_read(realdata: Path, name: str) -> None:
    check(realdata / "decoding" / name, DECODING[name])


@pytest.mark.parametrize("name", REASONS)
def test_broken_files_say_why(realdata: Path, name: str) -> None:
    with pytest.raises(VideoError) as caught:
        read_frames(realdata / "decoding" / name, n=12, size=64)
    assert str(caught.value).startswith(f"{name} {REASONS[name]}") and str(caught.value).endswith(".")


@pytest.mark.parametrize("name", FAILING)
def test_files_that_used_to_fail(realdata: Path, name: str) -> None:
    check(realdata / "failing" / name, FAILING[name])


def test_no_file_is_left_out(realdata: Path) -> None:
    assert {path.name for path in (realdata / "decoding").iterdir()} == {*DECODING, *REASONS}
    assert {path.name for path in list_videos(realdata / "failing").videos} == {*FAILING}


NAMES = {  # folder of names.tar.gz: ids that must be there
    "dots": {"S01.E02", "S01.E03"},
    "nfd": {"Über_Café"},
    "marks": {"सूर्यास्त", "สวัสดี"},
}


def test_odd_names_are_indexed_or_named(realdata: Path, tmp_path: Path) -> None:
    model = tiny_model()
    with tarfile.open(realdata / "failing" / "names.tar.gz") as archive:
        archive.extractall(tmp_path, filter="fully_trusted")
    root = next(path for path in (tmp_path, *sorted(tmp_path.iterdir())) if (path / "dots").is_dir())
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        videos = folder / "videos" if (folder / "videos").is_dir() else folder
        gallery = tmp_path / "galleries" / folder.name
        report = index_folder(videos, gallery, model, "tiny")
        listing = list_videos(videos)
        assert report.added + len(report.failures) == len(listing.videos), folder.name
        assert report.added >= 1, folder.name
        for failure in report.failures:
            assert failure.reason.endswith(".") and failure.reason.isprintable()
        if folder.name in NAMES:
            assert set(Gallery.open(gallery).ids) >= NAMES[folder.name]
        if folder.name == "linked-folder":
            assert any("is a link to a folder, which is not followed" in note for note in report.notes)
    shutil.rmtree(tmp_path / "galleries")
