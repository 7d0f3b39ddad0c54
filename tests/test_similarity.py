"""Weighted token interaction in blocks against the formula written in one line, and against plain loops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_model
from torch.nn.functional import cosine_similarity

from diffusionret import similarity
from diffusionret.encoders import TextFeatures, VideoFeatures
from diffusionret.similarity import KnownWeights, wti, wti_in_blocks


def case(texts, videos, tokens, frames, dim, dtype, seed, padded=True):
    """Features with random padding (at least one real token and frame) and weights over what is real."""
    g = torch.Generator().manual_seed(seed)

    def mask(items: int, length: int) -> torch.Tensor:
        least = 1 if padded else length
        return (torch.arange(length) < torch.randint(least, length + 1, (items, 1), generator=g)).long()

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=g, dtype=dtype)

    text = TextFeatures(draw(texts, dim), draw(texts, tokens, dim), mask(texts, tokens))
    video = VideoFeatures(draw(videos, frames, dim), mask(videos, frames))
    weights = [draw(*m.shape).masked_fill(m == 0, -torch.inf).softmax(dim=1) for m in (text.mask, video.mask)]
    return text, video, *weights


@settings(max_examples=80, deadline=None)
@given(
    texts=st.integers(1, 7),
    videos=st.integers(1, 9),
    tokens=st.integers(1, 8),
    frames=st.integers(1, 6),
    dim=st.integers(1, 12),
    memory=st.integers(1, 20_000),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    padded=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_blocks_give_what_the_whole_gives(texts, videos, tokens, frames, dim, memory, dtype, padded, seed):
    parts = case(texts, videos, tokens, frames, dim, dtype, seed, padded)
    tolerance = 1e-6 if dtype == torch.float32 else 1e-14
    assert (wti_in_blocks(*parts, memory=memory) - wti(*parts)).abs().max() <= tolerance


def test_the_formula():
    text, video, text_weights, video_weights = case(3, 4, 5, 3, 8, torch.float64, 0)
    found = wti(text, video, text_weights, video_weights)
    for a in range(3):
        for b in range(4):
            cosine = torch.zeros(5, 3, dtype=torch.float64)
            for t in range(5):
                for f in range(3):
                    if text.mask[a, t] and video.mask[b, f]:
                        cosine[t, f] = cosine_similarity(text.tokens[a, t], video.frames[b, f], dim=0)
            t2v = sum(text_weights[a, t] * cosine[t].max() for t in range(5))
            v2t = sum(video_weights[b, f] * cosine[:, f].max() for f in range(3))
            assert found[a, b].item() == pytest.approx(((t2v + v2t) / 2).item(), abs=1e-12)


def test_no_tensor_is_larger_than_the_memory_given():
    sizes = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                sizes.append(result.untyped_storage().nbytes())
            return result

    parts = case(40, 300, 10, 6, 2, torch.float32, 0)
    memory = 100_000  # the whole [text video token frame] tensor takes 2.9 MB
    given = max(p.untyped_storage().nbytes() for p in (*parts[0], *parts[1]))
    with Watch():
        wti_in_blocks(*parts, memory=memory)
    assert max(sizes) <= max(memory, given, 4 * 40 * 300)


def test_known_weights_belong_to_their_items():
    weights = torch.rand(3, 5)
    known = KnownWeights(weights)
    assert known.weigh(torch.rand(3, 5, 8), torch.ones(3, 5).long()) is weights
    with pytest.raises(ValueError, match="weights are"):
        known.weigh(torch.rand(2, 5, 8), torch.ones(2, 5).long())


def test_the_model_uses_blocks_where_no_gradient_is_asked_for(monkeypatch):
    model = tiny_model()
    text, video, *_ = case(3, 5, 6, 4, 32, torch.float32, 1)
    with_gradients = model.similarity(text, video)
    assert with_gradients.requires_grad
    monkeypatch.setattr(similarity, "wti", None)
    with torch.no_grad():
        assert torch.allclose(model.similarity(text, video), with_gradients, atol=1e-6)
