"""The exact sampler against the plain loop: both of its forms, any shape, random and trained weights."""

from __future__ import annotations

import copy
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import generate_plainly
from tiny import CLIP, CONFIG, features, tiny_model

from diffusionret import Gallery, sampling
from diffusionret.config import ModelConfig
from diffusionret.diffusion import make_schedule
from diffusionret.encoders import TextFeatures, VideoFeatures
from diffusionret.model import DiffusionRet
from diffusionret.sampling import compilation, limits, threads
from diffusionret.sampling.factorisation import make_plan
from diffusionret.sampling.prepared import prepared_gallery

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}
DTYPES = st.sampled_from([torch.float32, torch.float64])


def config(dim: int) -> ModelConfig:
    return replace(CONFIG, clip=replace(CLIP, embed_dim=dim))


def in_form(compiled: bool, dtype: torch.dtype):
    """A context in which the sampler uses its compiled loops, or its torch form."""
    if compiled:
        sampling.warm_up(wait=True, dtype=dtype)
        assert compilation.loops_for(torch.zeros(1, dtype=dtype), 1) is not None
        return nullcontext()
    return patch.object(compilation, "loops_for", lambda like, runs: None)


def gap(
    model: DiffusionRet, text: TextFeatures, video: VideoFeatures, direction: str, k: int, steps: int,
    seeds: int = 1, eta: float = 0.0, full: int | None = None, compiled: bool | None = True, seed: int = 0,
    schedule: str = "cosine", prepared: bool = False,
) -> float:  # fmt: skip
    """Largest difference between the exact sampler and the plain loop, over x, x0 and x0_raw; relative where
    a value is larger than 1. prepared: with a gallery that is multiplied beforehand. compiled: which form, None to
    leave it as it is."""
    dtype = next(model.generator.parameters()).dtype
    text = text._replace(cls=text.cls.to(dtype), tokens=text.tokens.to(dtype))
    video = video._replace(frames=video.frames.to(dtype))
    queries, gallery = len(text.cls), len(video.frames)
    if direction == "v2t":
        queries, gallery = gallery, queries
    g = torch.Generator().manual_seed(seed)
    # Not contiguous, as the best of a transposed matrix would be.
    candidates = torch.stack([torch.randperm(gallery, generator=g)[:k] for _ in range(queries)], dim=1).T
    if seed % 2:  # counted from the end
        candidates = candidates - gallery
    shape = (seeds, *candidates.shape) if seeds > 1 else candidates.shape
    noise = torch.randn(shape, generator=g, dtype=dtype)
    plan = make_schedule(schedule, full or steps)
    if prepared:
        shown = video.frames if direction == "t2v" else text.cls
        assert sampling.prepare(model.generator[direction], direction, shown, plan.respaced(steps))
    with nullcontext() if compiled is None else in_form(compiled, dtype):
        fast = model.generate(
            text, video, candidates, direction, steps=steps, schedule=schedule, noise=noise, eta=eta,
            respace_from=full, generator=torch.Generator().manual_seed(9),
        )  # fmt: skip
    slow = generate_plainly(
        model, text, video, candidates, direction, plan.respaced(steps), noise, eta,
        torch.Generator().manual_seed(9),
    )  # fmt: skip
    parts = list(zip((fast.x, fast.x0, fast.x0_raw), slow, strict=True))
    assert all(a.shape == b.shape and a.dtype == dtype for a, b in parts)
    return max(((a - b).abs() / b.abs().clamp(min=1)).max().item() for a, b in parts)


@settings(max_examples=60, deadline=None)
@given(
    queries=st.integers(1, 5),
    gallery=st.integers(1, 40),
    dim=st.sampled_from([6, 32, 50]),
    frames=st.integers(1, 9),
    share=st.floats(0.01, 1.0),
    direction=st.sampled_from(["t2v", "v2t"]),
    dtype=DTYPES,
    steps=st.integers(1, 25),
    seeds=st.integers(1, 4),
    eta=st.sampled_from([0.0, 0.7, 1.0]),
    full=st.sampled_from([None, 30]),
    compiled=st.booleans(),
    seed=st.integers(0, 5),
    prepared=st.booleans(),
)
def test_the_same_noise_gives_the_same_result(
    queries, gallery, dim, frames, share, direction, dtype, steps, seeds, eta, full, compiled, seed, prepared
):
    model = tiny_model(seed, config(dim)).to(dtype)
    texts, videos = (queries, gallery) if direction == "t2v" else (gallery, queries)
    text, video = features(texts, videos, dim, frames=frames, seed=seed)
    k = max(int(share * gallery), 1)
    worst = gap(model, text, video, direction, k, steps, seeds, eta, full, compiled, seed, prepared=prepared)
    assert worst <= TOLERANCE[dtype]


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_fifty_steps_over_thirty_two_candidates_for_many_queries(direction, schedule):
    texts, videos = (70, 40) if direction == "t2v" else (40, 70)
    text, video = features(texts, videos)
    assert gap(tiny_model(), text, video, direction, 32, 50, schedule=schedule) <= 1e-4


@pytest.fixture(scope="module")
def trained() -> tuple[DiffusionRet, TextFeatures, VideoFeatures]:
    """The bundled model, of its generators the published one, with forty videos of its gallery and their captions."""
    model, gallery = DiffusionRet.from_pretrained("storybook"), Gallery.bundled()
    config = replace(model.config, openset=None, form="published")
    published = DiffusionRet(config).eval()
    published.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("openset.")})
    with torch.no_grad():
        return published, model.encode_text(gallery.captions[:40]), gallery.features(torch.arange(40))


@settings(max_examples=5, deadline=None)
@given(
    direction=st.sampled_from(["t2v", "v2t"]),
    dtype=DTYPES,
    seeds=st.integers(1, 3),
    eta=st.sampled_from([0.0, 1.0]),
    compiled=st.booleans(),
    seed=st.integers(0, 1000),
    prepared=st.booleans(),
)
def test_trained_weights(trained, direction, dtype, seeds, eta, compiled, seed, prepared):
    model, text, video = trained
    model = copy.deepcopy(model).to(dtype)
    worst = gap(model, text, video, direction, 32, 50, seeds, eta, None, compiled, seed, prepared=prepared)
    assert worst <= TOLERANCE[dtype]


@pytest.mark.parametrize("compiled", [False, True])
def test_many_seeds_at_once_are_as_one_after_the_other(compiled):
    model = tiny_model()
    text, video = features(3, 8)
    candidates = torch.tensor([[0, 1, 2], [3, 4, 5], [5, 6, 7]])
    noise = torch.randn(16, 3, 3, generator=torch.Generator().manual_seed(0))
    with in_form(compiled, torch.float32):
        together = model.generate(text, video, candidates, steps=10, noise=noise)
        apart = [model.generate(text, video, candidates, steps=10, noise=n).x for n in noise]
    assert torch.allclose(together.x, torch.stack(apart, dim=1), atol=1e-5)


def in_place(model: DiffusionRet) -> None:
    with torch.no_grad():
        model.generator["t2v"].proj.weight.mul_(1.5)
        model.generator["t2v"].decoder[0].weight.mul_(1.5)


def behind_the_version_counter(model: DiffusionRet) -> None:
    model.generator["t2v"].decoder[0].weight.data.mul_(1.5)


def another_tensor(model: DiffusionRet) -> None:
    layer = model.generator["t2v"].v_proj
    layer.weight = torch.nn.Parameter(2 * layer.weight.detach())


def other_weights(model: DiffusionRet) -> None:
    model.load_state_dict(tiny_model(1).state_dict())


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("change", [in_place, behind_the_version_counter, another_tensor, other_weights])
def test_changed_weights_are_noticed(change, compiled):
    model = tiny_model()
    text, video = features(2, 4)
    candidates, noise = torch.tensor([[0, 1], [2, 3]]), torch.zeros(2, 2)

    def gap_to_plain() -> tuple[torch.Tensor, float]:
        with in_form(compiled, torch.float32):
            found = model.generate(text, video, candidates, steps=5, noise=noise).x0_raw
        plain = generate_plainly(model, text, video, candidates, "t2v", make_schedule("cosine", 5), noise)
        return found, (found - plain[2]).abs().max().item()

    before, error = gap_to_plain()
    assert error <= 1e-4
    change(model)
    after, error = gap_to_plain()
    assert error <= 1e-4 and not torch.allclose(before, after, atol=1e-5)


def test_prepared_frames_serve_until_something_changes():
    model, (_, video) = tiny_model(), features(2, 4)
    network, schedule = model.generator["t2v"], make_schedule("cosine", 5)

    def kept(frames: torch.Tensor, steps: int = 5) -> torch.Tensor | None:
        schedule = make_schedule("cosine", steps)
        plan = make_plan(network, "t2v", schedule, frames.dtype, frames.device)
        found = prepared_gallery(frames, plan)
        return None if found is None else found.table

    size = sampling.prepare(network, "t2v", video.frames, schedule)
    table = kept(video.frames)
    assert size == 4 * (table.numel() + video.frames.numel()) == 4 * (4 * 4) * (2 * 64 + 1 + 5 + 32)
    assert sampling.prepare(network, "t2v", video.frames, schedule) == size and kept(video.frames) is table
    assert kept(video.frames.clone()) is None and kept(video.frames, steps=6) is None
    video.frames.mul_(2)
    assert kept(video.frames) is None
    sampling.prepare(network, "t2v", video.frames, schedule)
    assert torch.allclose(kept(video.frames), 2 * table, atol=1e-4)
    in_place(model)
    assert kept(video.frames) is None


def test_frames_are_not_prepared_where_that_serves_nothing():
    network, frames = tiny_model().generator["t2v"], features(2, 4)[1].frames
    schedule = make_schedule("cosine", 5)
    with torch.inference_mode():
        made = frames * 1
    for other in (frames.half(), frames.transpose(0, 1), made, frames.to("meta")):
        assert sampling.prepare(network, "t2v", other, schedule) == 0
    with patch.object(limits, "MEMORY", 1000):
        assert sampling.prepare(network, "t2v", frames, schedule) == 0


@pytest.mark.parametrize("cores", [1, 2, 5])
@pytest.mark.parametrize("count", [1, 7, 100])
def test_work_is_spread_once_each(cores: int, count: int):
    done: list[int] = []
    with patch.object(torch, "get_num_threads", lambda: cores):
        threads.spread(lambda first, last: done.extend(range(first, last)), count, grain=2)
    assert sorted(done) == list(range(count))


@pytest.mark.parametrize("in_helper", [False, True])
def test_an_error_of_the_work_is_raised_when_nobody_works_any_more(in_helper: bool):
    """Both threads are at work when one of them fails."""
    own, both, working = threading.current_thread(), threading.Barrier(2), [0]

    def work(first: int, last: int) -> None:
        working[0] += 1
        both.wait(120)
        helping = threading.current_thread() is not own
        if helping == in_helper:
            working[0] -= 1
            raise IndexError("out of reach")
        time.sleep(0.05)
        working[0] -= 1

    with patch.object(torch, "get_num_threads", lambda: 2), pytest.raises(IndexError, match="out of reach"):
        threads.spread(work, 100, grain=50)
    assert working == [0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_has_helpers_of_its_own():
    threads.helpers().submit(int).result()
    child = os.fork()
    if not child:  # the copy, which must not go on with the tests
        os._exit(threads.helpers().submit(int).result(timeout=200))
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_what_is_prepared_is_what_serves(direction):
    model, (text, video) = tiny_model(), features(4, 4)
    network, schedule = model.generator[direction], make_schedule("cosine", 5)
    gallery = video.frames if direction == "t2v" else text.cls
    candidates, noise = torch.arange(4).expand(4, -1), torch.zeros(4, 4)

    def walk() -> torch.Tensor:
        with in_form(True, torch.float32):
            return model.generate(text, video, candidates, direction, steps=5, noise=noise).x0_raw

    before = walk()
    sampling.prepare(network, direction, gallery, schedule)
    assert torch.allclose(walk(), before, atol=1e-4)
    plan = make_plan(network, direction, schedule, torch.float32, gallery.device)
    prepared_gallery(gallery, plan).table.add_(1)
    assert not torch.allclose(walk(), before, atol=1e-2)


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_autocast_around_it_changes_nothing(direction):
    model, (text, video) = tiny_model(), features(4, 4)
    candidates, noise = torch.arange(4).expand(4, -1), torch.zeros(4, 4)
    gallery = video.frames if direction == "t2v" else text.cls
    with torch.autocast("cpu", torch.bfloat16):
        sampling.prepare(model.generator[direction], direction, gallery, make_schedule("cosine", 5))
        found = model.generate(text, video, candidates, direction, steps=5, noise=noise).x
    other = (
        copy.deepcopy(model),
        text._replace(cls=text.cls.clone()),
        video._replace(frames=video.frames.clone()),
    )
    expected = other[0].generate(*other[1:], candidates, direction, steps=5, noise=noise).x
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_the_loops_are_compiled_once_whatever_the_layout(direction, prepared):
    model, (text, video) = tiny_model(), features(6, 6)
    if prepared:
        gallery = video.frames if direction == "t2v" else text.cls
        sampling.prepare(model.generator[direction], direction, gallery, make_schedule("cosine", 5))
    with in_form(True, torch.float32):
        loops = compilation.loops_for(torch.zeros(1), 1)
        compiled = [loops.mix, loops.denoise, loops.denoise_mixed]
        before = [len(function.signatures) for function in compiled]
        shown = torch.arange(6).expand(6, -1)
        for candidates in (shown, shown.T, shown.int(), shown[:, ::2]):
            noise = torch.zeros(candidates.shape)
            for mask in (video.mask, video.mask.bool(), video.mask.T.contiguous().T):
                model.generate(text, video._replace(mask=mask), candidates, direction, steps=5, noise=noise)
    assert before == [len(function.signatures) for function in compiled]


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_loops_that_are_compiled_half_way_do_the_rest(direction):
    sampling.warm_up(wait=True)
    real, asked = compilation.loops_for, []

    def late(like: torch.Tensor, runs: int):
        asked.append(runs)
        return None if len(asked) < 3 else real(like, runs)

    texts, videos = (12, 5) if direction == "t2v" else (5, 12)
    text, video = features(texts, videos)
    with patch.object(compilation, "loops_for", late), patch.object(limits, "MEMORY", 40_000):
        assert gap(tiny_model(), text, video, direction, 5, 4, compiled=None) <= 1e-4
    assert len(asked) >= 3


def test_several_threads_may_ask_at_once():
    sampling.warm_up(wait=True)
    model = tiny_model()
    text, video = features(4, 8)
    candidates = model.similarity(text, video).topk(4, dim=1).indices
    noise = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))

    def ask(_: int) -> torch.Tensor:
        return model.generate(text, video, candidates, steps=10, noise=noise).x

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(16)))
    assert all(torch.equal(a, answers[0]) for a in answers)


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("queries", "k", "seeds"), [(0, 2, 1), (0, 2, 3), (2, 0, 1), (2, 0, 3), (2, 2, 0)])
def test_nothing_to_sample_is_no_error(direction, compiled, queries, k, seeds):
    text, video = features(queries, 4) if direction == "t2v" else features(4, queries)
    candidates = torch.zeros(queries, k).long()
    noise = torch.zeros(queries, k) if seeds == 1 else torch.zeros(seeds, queries, k)
    with in_form(compiled, torch.float32):
        walk = tiny_model().generate(text, video, candidates, direction, steps=3, noise=noise)
    assert walk.x.shape == (4, *noise.shape) and walk.x0.shape == (3, *noise.shape)
