"""Every figure of the published code, within the tolerance of a float32 re-implementation.

Twice: on the case beside these tests, which needs no towers (tests/parity/README.md), and on the whole of it where that
stands beside the checkout.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from diffusionret import TextFeatures, VideoFeatures, load_published, metrics
from diffusionret.checkpoint import _published, _renamed, from_published_state
from diffusionret.config import ClipConfig, GeneratorConfig, ModelConfig
from diffusionret.model import build_model

SCHEDULES = [("cosine", 50), ("linear", 50), ("cosine", 10)]


HEADS = Path(__file__).parent / "parity"


@pytest.fixture(scope="module", params=["heads", "whole"])
def case(request) -> Path:
    """The folder of a case: of the heads alone, or of all with the towers."""
    return HEADS if request.param == "heads" else request.getfixturevalue("parity") / "small"


@pytest.fixture(scope="module")
def figures(case):
    return json.loads((case / "figures.json").read_text())["figures"]


@pytest.fixture(scope="module")
def arrays(case):
    loaded = {k: torch.from_numpy(v) for k, v in np.load(case / "arrays.npz").items()}
    return {k: v.long() if v.dtype == torch.int16 else v for k, v in loaded.items()}


@pytest.fixture(scope="module")
def model(case):
    if case != HEADS:
        return load_published(case / "checkpoint.bin", attention_temperature=1.0)
    heads = {k: torch.from_numpy(v) for k, v in np.load(case / "heads.npz").items()}
    dim = heads["diffusion_model.q_proj.weight"].shape[0]
    clip = ClipConfig(
        embed_dim=dim, image_size=32, vision_layers=1, vision_width=64, patch_size=16, context_length=24,
        text_width=64, text_heads=1, text_layers=1,
    )  # fmt: skip
    torch.manual_seed(0)
    idle = build_model(ModelConfig(clip=clip, generator=GeneratorConfig(), temporal_layers=1)).state_dict()
    towers = {_published(k): v for k, v in idle.items()}  # which no figure of this case comes from
    given = ("diffusion_model", "text_weight_fc", "video_weight_fc", "clip.logit_scale")
    assert {k for k in towers if k.startswith(given)} == set(heads)
    return from_published_state(towers | heads, attention_temperature=1.0)


def encode(model, case, arrays, count=None):
    """Features of the first `count` pairs: the towers', or the given ones where they are not part of the case."""
    part = slice(count)
    if case == HEADS:
        text = TextFeatures(arrays["text_cls"][part], arrays["text_tokens"][part], arrays["text_mask"][part])
        return text, VideoFeatures(arrays["video_frames"][part], arrays["frame_mask"][part])
    text = model.encode_token_ids(arrays["token_ids"][part], arrays["text_mask"][part])
    return text, model.encode_frames(arrays["frames"][part], arrays["frame_mask"][part])


@pytest.fixture(scope="module")
def encoded(model, case, arrays):
    with torch.no_grad():
        return encode(model, case, arrays)


def close(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float = 1e-4) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max().item() <= tolerance


def test_features_and_similarity(model, case, encoded, arrays):
    text, video = encoded
    close(text.cls, arrays["text_cls"])
    close(text.tokens, arrays["text_tokens"])
    close(video.frames, arrays["video_frames"])
    with torch.no_grad():
        close(model.similarity(text, video), arrays["similarity"])
        if case != HEADS:
            images = model.towers.encode_image(arrays["frames"].flatten(0, 1))
            close(images.unflatten(0, video.mask.shape), arrays["frame_embeddings"])


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
@pytest.mark.parametrize(("schedule", "steps"), SCHEDULES)
def test_trajectories(model, encoded, arrays, direction, schedule, steps):
    key = f"{direction}_{schedule}{steps}_"
    trajectory = model.generate(
        *encoded,
        arrays[key + "candidates"],
        direction,
        steps=steps,
        schedule=schedule,
        noise=arrays[key + "x"][0],
    )
    close(trajectory.x, arrays[key + "x"])
    close(trajectory.x0, arrays[key + "x0"])


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_reranking(model, encoded, arrays, direction):
    with torch.no_grad():
        similarity = model.similarity(*encoded)
    scores = similarity if direction == "t2v" else similarity.T
    candidates = scores.topk(8, dim=1).indices
    assert torch.equal(candidates, arrays[f"{direction}_cosine50_candidates"])
    trajectory = model.generate(*encoded, candidates, direction, noise=arrays[f"eval_noise_{direction}"])
    close(model.rerank(scores, trajectory), arrays[f"reranked_{direction}"])


def test_losses_and_gradients(model, case, arrays, figures):
    text, video = encode(model, case, arrays, count=10)
    ids = arrays["train_video_ids"]
    discrimination = model.discrimination_loss(text, video, ids)
    noise = arrays["train_noise_t2v"], arrays["train_noise_v2t"]
    generation = model.generation_loss(text, video, ids, t=arrays["train_t"], noise=noise, negatives=6)
    assert discrimination.item() == pytest.approx(figures["loss"]["discrimination"], rel=1e-4)
    assert generation.item() == pytest.approx(figures["loss"]["generation"], rel=1e-4)
    total = discrimination + generation
    assert total.item() == pytest.approx(figures["loss"]["total"], rel=1e-4)
    model.zero_grad()
    total.backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    for key, norm in figures["grad_norm"].items():
        assert gradients[_renamed(key)].norm().item() == pytest.approx(norm, rel=1e-3, abs=1e-5), key


@pytest.mark.parametrize(("key", "flip"), [("metric_t2v", False), ("metric_v2t", True)])
def test_metrics(arrays, figures, key, flip):
    matrix = arrays["metric_similarity"]
    ours = metrics.retrieval_metrics(matrix.T if flip else matrix)
    theirs = figures[key]
    assert [ours.R1, ours.R5, ours.R10, ours.R50] == pytest.approx([theirs[f"R{k}"] for k in (1, 5, 10, 50)])
    assert (ours.MdR, ours.MnR) == pytest.approx((theirs["MedianR"], theirs["MeanR"]))
