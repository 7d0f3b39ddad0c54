"""Every figure of the published code, within the tolerance of a float32 re-implementation."""

import json

import numpy as np
import pytest
import torch

from diffusionret import load_published, metrics
from diffusionret.checkpoint import _renamed

SCHEDULES = [("cosine", 50), ("linear", 50), ("cosine", 10)]


@pytest.fixture(scope="module")
def figures(parity):
    return json.loads((parity / "small" / "figures.json").read_text())["figures"]


@pytest.fixture(scope="module")
def arrays(parity):
    return {k: torch.from_numpy(v) for k, v in np.load(parity / "small" / "arrays.npz").items()}


@pytest.fixture(scope="module")
def model(parity):
    return load_published(parity / "small" / "checkpoint.bin", attention_temperature=1.0)


@pytest.fixture(scope="module")
def encoded(model, arrays):
    with torch.no_grad():
        text = model.encode_token_ids(arrays["token_ids"], arrays["text_mask"])
        return text, model.encode_frames(arrays["frames"], arrays["frame_mask"])


def close(ours: torch.Tensor, theirs: torch.Tensor, tolerance: float = 1e-4) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max().item() <= tolerance


def test_features_and_similarity(model, encoded, arrays):
    text, video = encoded
    close(text.cls, arrays["text_cls"])
    close(text.tokens, arrays["text_tokens"])
    close(video.frames, arrays["video_frames"])
    with torch.no_grad():
        images = model.towers.encode_image(arrays["frames"].flatten(0, 1))
        close(images.unflatten(0, video.mask.shape), arrays["frame_embeddings"])
        close(model.similarity(text, video), arrays["similarity"])


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
@pytest.mark.parametrize(("schedule", "steps"), SCHEDULES)
def test_trajectories(model, encoded, arrays, direction, schedule, steps):
    key = f"{direction}_{schedule}{steps}_"
    walk = model.generate(
        *encoded,
        arrays[key + "candidates"],
        direction,
        steps=steps,
        schedule=schedule,
        noise=arrays[key + "x"][0],
    )
    close(walk.x, arrays[key + "x"])
    close(walk.x0, arrays[key + "x0"])


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_reranking(model, encoded, arrays, direction):
    with torch.no_grad():
        similarity = model.similarity(*encoded)
    scores = similarity if direction == "t2v" else similarity.T
    candidates = scores.topk(8, dim=1).indices
    assert torch.equal(candidates, arrays[f"{direction}_cosine50_candidates"])
    walk = model.generate(*encoded, candidates, direction, noise=arrays[f"eval_noise_{direction}"])
    close(model.rerank(scores, walk), arrays[f"reranked_{direction}"])


def test_losses_and_gradients(model, arrays, figures):
    text = model.encode_token_ids(arrays["token_ids"][:10], arrays["text_mask"][:10])
    video = model.encode_frames(arrays["frames"][:10], arrays["frame_mask"][:10])
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
