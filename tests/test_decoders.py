"""PyAV and decord see the same frames of an ordinary clip, and the bench says so, or that there is no decord."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest

from analysis.bench import decoders
from analysis.bench.report import summary
from diffusionret import Gallery
from diffusionret.video import read_frames

TOLERANCE = 1.0  # of 255, mean of a frame: two versions of FFmpeg may round colours differently


def test_both_decoders_see_the_same_frames() -> None:
    pytest.importorskip("decord")
    folder = Gallery.bundled().folder
    assert folder is not None
    clip = folder / "videos" / "0000.mp4"
    ours, twin = read_frames(clip, n=12).frames, decoders.decord_frames(clip)
    assert np.array_equal(decoders.pyav_frames(clip), ours)
    assert decoders.difference(ours, twin) <= TOLERANCE
    # A sample that is off by one frame, or colours in the wrong order, must not pass.
    assert decoders.difference(ours[1:], twin[:-1]) > TOLERANCE
    assert decoders.difference(ours, twin[..., ::-1]) > TOLERANCE


def test_the_worst_frame_counts() -> None:
    black, other = np.zeros((2, 2, 2, 3), np.uint8), np.zeros((2, 2, 2, 3), np.uint8)
    other[1] = 255
    assert decoders.difference(black, other) == decoders.difference(other, black) == 255
    with pytest.raises(ValueError, match="cannot be compared"):
        decoders.difference(black, other[:1])


def test_without_decord_one_sentence_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with patch.object(decoders, "find_spec", lambda name: None):
        assert decoders.decoders(quick=True) == []
    said = capsys.readouterr()
    assert said.err.startswith("decord is not installed") and said.err.count("\n") == 1 and not said.out


def test_the_summary_compares_the_decoders() -> None:
    row = {"clips": 8, "frames": 12, "pyav": 20.0, "decord": 30.0, "ratio": 1.5, "largest_difference": 0.25}
    said = summary({"decoders": [row]})
    assert "12 frames of a bundled clip 1.5 x as fast as decord" in said and "0.25 of 255" in said
