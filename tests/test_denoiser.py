import pytest
import torch
from tiny import features, tiny_model

from diffusionret.denoiser import Denoiser, pool_frames, trajectory_attention
from diffusionret.encoders import TemporalTransformer
from diffusionret.similarity import wti


def test_the_mask_comes_after_the_frame_softmax():
    cls = torch.zeros(1, 1, 4)  # equal logits: every frame gets a quarter
    frames = torch.ones(1, 1, 4, 4)
    mask = torch.tensor([[[1, 1, 0, 0]]])
    assert pool_frames(cls, frames, mask, 1.0)[0, 0, 0] == pytest.approx(0.5)


def test_padded_pairs_count_as_zero_in_the_maximum():
    text, video = features(3, 3)
    video = video._replace(
        frames=-text.tokens[:, :1].expand(-1, 4, -1)
    )  # every cosine with token 0 is negative
    video.mask[:, -1] = 0
    weights = torch.zeros(3, 6)
    weights[:, 0] = 1.0
    similarity = wti(text, video, weights, torch.zeros(3, 4))
    assert similarity.diag().tolist() == pytest.approx([0.0] * 3)  # the padded frame's 0 beats -1


def test_the_attention_has_no_scale():
    torch.manual_seed(0)
    network = Denoiser(8)
    query, candidates, t = torch.randn(2, 1, 8), torch.randn(2, 3, 8), torch.tensor([0, 5])
    e = network.time(t)[:, None]
    q, k = network.q_proj(query + e), network.k_proj(candidates + e)
    assert torch.allclose(network.affinity(t, query, candidates), (q @ k.mT)[:, 0], atol=1e-6)


def test_the_attention_along_a_trajectory_is_that_of_every_step():
    torch.manual_seed(0)
    network = Denoiser(8)
    query, candidates = torch.randn(1, 1, 8), torch.randn(1, 3, 8)
    states, timesteps = torch.randn(3, 3), torch.tensor([5, 0])
    with torch.no_grad():
        found = trajectory_attention(network, query, candidates, states, timesteps)
        rows = [network.affinity(t[None], query, candidates)[0] for t in timesteps]
    for row, state, weights in zip(rows, states, found.weights, strict=False):
        assert torch.allclose(weights, (row + state).softmax(0), atol=1e-6)
    assert found.affinity_std == pytest.approx(sum(row.std().item() for row in rows) / 2)
    assert found.noise_std == pytest.approx(states[0].std().item())


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_candidates_may_come_in_any_order(direction):
    model = tiny_model()
    text, video = features(5, 5)
    candidates = torch.tensor([[0, 1, 2, 3, 4]] * 5)
    noise = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    order = torch.tensor([3, 0, 4, 1, 2])
    one = model.generate(text, video, candidates, direction, steps=10, noise=noise)
    two = model.generate(text, video, candidates[:, order], direction, steps=10, noise=noise[:, order])
    assert torch.allclose(one.x[..., order], two.x, atol=1e-4)
    assert one.x.shape == (11, 5, 5) and one.x0.shape == (10, 5, 5) and one.x0.abs().max() <= 1


def test_masked_frames_do_not_reach_the_others():
    torch.manual_seed(0)
    temporal = TemporalTransformer(16, 2, 1, 8).eval()
    frames, mask = torch.randn(2, 4, 16), torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    other = frames.clone()
    other[0, 3] = 7.0
    assert torch.allclose(temporal(frames, mask)[0, :3], temporal(other, mask)[0, :3], atol=1e-6)
    with pytest.raises(ValueError, match="9 frames"):
        temporal(torch.randn(1, 9, 16), torch.ones(1, 9).long())
