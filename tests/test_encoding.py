"""From frames to features: batches, masks and towers change nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import CONFIG, tiny_model

from diffusionret import encoding
from diffusionret.encoding import encode_batch, encode_clips, encode_videos
from diffusionret.video import VideoFrames


@pytest.fixture(scope="module")
def model():
    return tiny_model(config=replace(CONFIG, frame_rule="published"))


@pytest.fixture(scope="module")
def clips() -> tuple[np.ndarray, np.ndarray]:
    """Seven clips of four frames, of which the last ones are padding."""
    frames = np.random.default_rng(0).integers(0, 256, (7, 4, 32, 32, 3), dtype=np.uint8)
    return frames, np.arange(4) < np.array([4, 1, 2, 3, 4, 2, 1])[:, None]


def test_each_clip_has_the_features_that_it_has_alone(model, clips, monkeypatch):
    monkeypatch.setattr(encoding, "BATCH", 3)
    features = encode_clips(model, *clips)
    assert features.frames.dtype == torch.float32 and features.mask.dtype == torch.long
    assert torch.equal(features.mask.bool(), torch.from_numpy(clips[1]))
    for i, (frames, mask) in enumerate(zip(*clips, strict=True)):
        pictures = model.preprocess(torch.from_numpy(frames))
        pictures[~torch.from_numpy(mask)] = 0
        with torch.no_grad():
            alone = model.encode_frames(pictures[None], torch.from_numpy(mask)[None].long())
        assert torch.allclose(features.frames[i], alone.frames[0], atol=1e-5)


def test_padding_may_hold_anything(model, clips):
    frames, mask = clips
    other = np.where(mask[..., None, None, None], frames, 255 - frames)
    assert torch.equal(encode_clips(model, frames, mask).frames, encode_clips(model, other, mask).frames)


def test_without_a_mask_all_frames_are_real(model, clips):
    whole = encode_clips(model, clips[0])
    assert bool((whole.mask == 1).all())
    assert torch.equal(whole.frames, encode_clips(model, clips[0], np.ones((7, 4), dtype=bool)).frames)


def test_videos_that_were_read_are_clips(model, clips):
    videos = [VideoFrames(f, m, np.zeros(4), 1.0, 32, 32, 4.0) for f, m in zip(*clips, strict=True)]
    assert torch.equal(encode_videos(model, videos).frames, encode_clips(model, *clips).frames)


def test_only_a_batch_carries_gradients(model, clips):
    batch = encode_batch(model, *(torch.from_numpy(part) for part in clips))
    assert batch.frames.requires_grad and not encode_clips(model, *clips).frames.requires_grad
