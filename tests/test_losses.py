import math

import pytest
import torch
from tiny import features, tiny_model

from diffusionret.losses import contrastive_loss, denoising_loss, with_hard_negatives


def test_contrastive_loss_is_the_mean_of_both_directions():
    logits = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    rows = -logits.log_softmax(1).diag().mean()
    columns = -logits.log_softmax(0).diag().mean()
    assert contrastive_loss(logits).item() == pytest.approx(((rows + columns) / 2).item())


def test_hard_negatives_are_the_most_similar_of_other_videos():
    similarity = torch.tensor(
        [[0.9, 0.8, 0.1, 0.5], [0.2, 0.9, 0.3, 0.4], [0.0, 0.1, 0.2, 0.3], [0.5, 0.6, 0.7, 0.8]]
    )
    ids = torch.tensor([7, 7, 8, 9])  # the first two are captions of one video
    assert with_hard_negatives(similarity, ids, 2).tolist() == [[0, 3, 2], [1, 3, 2], [2, 3, 1], [3, 2, 1]]
    # more than there are: clamped to what the poorest query has, so that no masked pair slips in
    assert with_hard_negatives(similarity, ids, 99).shape == (4, 3)
    with pytest.raises(ValueError, match="another video"):
        with_hard_negatives(similarity, torch.zeros(4).long(), 2)


def test_a_flat_prediction_costs_log_k():
    assert denoising_loss(torch.zeros(3, 8)).item() == pytest.approx(math.log(8))
    # cross entropy does not see the level of x0
    x0 = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    assert denoising_loss(x0).item() == pytest.approx(denoising_loss(x0 + 5).item(), rel=1e-4)


def test_only_the_generator_learns_from_generation():
    model = tiny_model()
    text, video = features(8, 8)
    loss = model.generation_loss(
        text, video, torch.arange(8), negatives=4, generator=torch.Generator().manual_seed(0)
    )
    loss.backward()
    assert all(p.grad is not None for p in model.generator.parameters())
    assert all(p.grad is None for n, p in model.named_parameters() if not n.startswith("generator"))
    again = model.generation_loss(
        text, video, torch.arange(8), negatives=4, generator=torch.Generator().manual_seed(0)
    )
    assert again.item() == loss.item()
