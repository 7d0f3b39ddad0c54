from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import generate_plainly
from tiny import features, tiny_model

from diffusionret.diffusion import make_schedule
from diffusionret.model import DiffusionRet

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}


def gap(model: DiffusionRet, queries, gallery, k, direction, dtype, steps, seeds, eta, full, seed) -> float:
    """Largest difference between the exact sampler and the plain loop, over x, x0 and x0_raw."""
    texts, videos = (queries, gallery) if direction == "t2v" else (gallery, queries)
    text, video = features(texts, videos, seed=seed)
    text = text._replace(cls=text.cls.to(dtype), tokens=text.tokens.to(dtype))
    video = video._replace(frames=video.frames.to(dtype))
    g = torch.Generator().manual_seed(seed)
    candidates = torch.stack([torch.randperm(gallery, generator=g)[:k] for _ in range(queries)])
    shape = (seeds, queries, k) if seeds > 1 else (queries, k)
    noise = torch.randn(shape, generator=g, dtype=dtype)
    plan = make_schedule("cosine", steps if full is None else full)
    plan = plan if full is None else plan.respaced(steps)
    fast = model.generate(
        text, video, candidates, direction, steps=steps, noise=noise, eta=eta, respace_from=full,
        generator=torch.Generator().manual_seed(9),
    )  # fmt: skip
    slow = generate_plainly(
        model, text, video, candidates, direction, plan, noise, eta, torch.Generator().manual_seed(9)
    )
    parts = zip((fast.x, fast.x0, fast.x0_raw), slow, strict=True)
    assert all(a.shape == b.shape for a, b in zip((fast.x, fast.x0, fast.x0_raw), slow, strict=True))
    return max(((a - b).abs() / b.abs().clamp(min=1)).max().item() for a, b in parts)


@settings(max_examples=25, deadline=None)
@given(
    queries=st.integers(1, 5),
    k=st.integers(1, 6),
    direction=st.sampled_from(["t2v", "v2t"]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    steps=st.integers(1, 12),
    seeds=st.integers(1, 3),
    eta=st.sampled_from([0.0, 0.7]),
    full=st.sampled_from([None, 20]),
    seed=st.integers(0, 5),
)
def test_the_same_noise_gives_the_same_result(queries, k, direction, dtype, steps, seeds, eta, full, seed):
    model = tiny_model(seed).to(dtype)
    assert gap(model, queries, 6, k, direction, dtype, steps, seeds, eta, full, seed) <= TOLERANCE[dtype]


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_fifty_steps_over_thirty_two_candidates(direction):
    model = tiny_model()
    assert gap(model, 3, 40, 32, direction, torch.float32, 50, 1, 0.0, None, 0) <= 1e-4


def test_changed_weights_are_noticed():
    model = tiny_model()
    text, video = features(2, 4)
    candidates, noise = torch.tensor([[0, 1], [2, 3]]), torch.zeros(2, 2)
    first = model.generate(text, video, candidates, steps=5, noise=noise)
    with torch.no_grad():
        model.generator["t2v"].proj.weight.mul_(1.5)
        model.generator["t2v"].decoder[0].weight.mul_(1.5)
    second = model.generate(text, video, candidates, steps=5, noise=noise)
    assert not torch.allclose(first.x0_raw, second.x0_raw, atol=1e-5)
    plain = generate_plainly(model, text, video, candidates, "t2v", make_schedule("cosine", 5), noise)
    assert torch.allclose(second.x0_raw, plain[2], atol=1e-4)
    model.load_state_dict(tiny_model(1).state_dict())
    third = model.generate(text, video, candidates, steps=5, noise=noise)
    plain = generate_plainly(model, text, video, candidates, "t2v", make_schedule("cosine", 5), noise)
    assert torch.allclose(third.x0_raw, plain[2], atol=1e-4)


def test_several_threads_may_ask_at_once():
    model = tiny_model()
    text, video = features(4, 8)
    candidates = model.similarity(text, video).topk(4, dim=1).indices
    noise = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))

    def ask(_: int) -> torch.Tensor:
        return model.generate(text, video, candidates, steps=10, noise=noise).x

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(16)))
    assert all(torch.equal(a, answers[0]) for a in answers)
