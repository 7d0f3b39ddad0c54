"""The whole path on a GPU: the same features, rankings, trajectories and losses as on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import CONFIG, features, tiny_model

from diffusionret import DiffusionRet, Gallery, Retriever
from diffusionret.encoders import folded

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
QUERIES = ["a red boat at night", "a dog", "two cats in the snow chase a ball"]


@pytest.fixture(scope="module", autouse=True)
def full_precision():
    """TF32 rounds products of matrices to ten bits, which is no error of this project."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.fixture(scope="module")
def pair() -> tuple[DiffusionRet, DiffusionRet]:
    """The bundled model on the CPU and on the GPU."""
    return DiffusionRet.from_pretrained("storybook").eval(), DiffusionRet.from_pretrained(
        "storybook"
    ).cuda().eval()


@pytest.fixture(scope="module")
def frames(pair) -> torch.Tensor:
    """Smooth moving pictures, [clip frame 3 h w] in [0, 1], uint8 as read."""
    size, count = pair[0].config.clip.image_size, pair[0].config.frames
    coarse = torch.rand(40, count, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    large = torch.nn.functional.interpolate(coarse.flatten(0, 1), size=(size, size), mode="bilinear")
    return (255 * large).byte().permute(0, 2, 3, 1).unflatten(0, (40, count))


def encode(model: DiffusionRet, frames: torch.Tensor):
    mask = torch.ones(frames.shape[:2], dtype=torch.long, device=model.device)
    with torch.no_grad():
        return model.encode_frames(
            model.preprocess(frames.to(model.device)), mask, folded(model.towers.visual)
        )


def test_features_are_the_same(pair, frames):
    here, there = (encode(model, frames) for model in pair)
    assert torch.allclose(here.frames, there.frames.cpu(), atol=2e-3 * float(here.frames.norm(dim=-1).mean()))
    with torch.no_grad():
        words, again = (model.encode_text(QUERIES) for model in pair)
    assert torch.allclose(words.cls, again.cls.cpu(), atol=1e-3 * float(words.cls.norm(dim=-1).mean()))


@pytest.mark.parametrize("form", ["published", "open-set"])
def test_a_search_ranks_alike(pair, frames, form):
    video = encode(pair[0], frames)
    here, there = (Retriever(model, Gallery.in_memory(video)) for model in pair)
    for query in QUERIES:
        a, b = (r.search(query, k=40, candidates=32, seeds=4, form=form) for r in (here, there))
        assert [hit.id for hit in a.hits[:5]] == [hit.id for hit in b.hits[:5]]
        assert np.allclose([h.score for h in a.hits], [h.score for h in b.hits], atol=2e-3)
        assert torch.allclose(a.trajectory.x0, b.trajectory.x0, atol=2e-3)
    assert np.allclose(here.scores(QUERIES)["gap"], there.scores(QUERIES)["gap"], atol=5e-3)
    assert [h.id for h in here.similar(here.gallery.ids[3], 5)] == [
        h.id for h in there.similar(there.gallery.ids[3], 5)
    ]


def test_losses_and_their_gradients_are_the_same():
    text, video = features(6, 6, dim=CONFIG.clip.embed_dim)
    ids = torch.arange(6)
    noise = tuple(torch.randn(6, 4, generator=torch.Generator().manual_seed(i)) for i in range(2))
    steps = torch.arange(6) % CONFIG.generator.steps
    found = []
    for device in ("cpu", "cuda"):
        model = tiny_model().to(device)
        parts = [type(p)(*(t.to(device) for t in p)) for p in (text, video)]
        loss = model.generation_loss(
            *parts, ids.to(device), steps.to(device), tuple(n.to(device) for n in noise), negatives=3
        ) + model.discrimination_loss(*parts, ids.to(device))
        loss.backward()
        gradients = [p.grad.norm().item() for p in model.parameters() if p.grad is not None]
        found.append((loss.item(), gradients))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-4)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-2, abs=1e-5)
