"""Scores of unusual queries: each against its definition, and what must not change them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from diffusionret.ood import scores as ood
from diffusionret.trajectory import gap, sharp_entropy


@pytest.fixture(scope="module")
def tokens() -> torch.Tensor:
    return torch.randn(60, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def reference(tokens) -> ood.Reference:
    other = torch.randn(30, 8, generator=torch.Generator().manual_seed(1)) + 1.5
    return ood.Reference.make([f"a red boat number {i}" for i in range(60)], tokens, other)


def test_words_are_letters_and_digits_of_any_script():
    assert ood.words_of("The dog’s ball, 3x!  кот 猫 — 😀_") == ["the", "dog’s", "ball", "3x", "кот", "猫"]
    assert ood.words_of("?! 😀 …") == []


def test_the_neighbour_is_the_kth_nearest(tokens):
    x = normalize(tokens.double(), dim=-1)
    slow = [sorted(1 - float(q @ b) for b in x[10:])[2] for q in x[:10]]
    assert ood.neighbour_distance(x[:10] @ x[10:].T, 3).tolist() == pytest.approx(slow)


def test_mahalanobis_is_the_distance_by_the_precision(tokens):
    x = tokens.double()
    whiten = ood._whitening(x - x.mean(dim=0))
    precision = whiten @ whiten.T
    slow = [float(((q - x.mean(0)) @ precision @ (q - x.mean(0))).sqrt()) for q in x]
    assert ood.mahalanobis(x, x.mean(dim=0), whiten).tolist() == pytest.approx(slow)


def test_a_mixture_of_one_is_a_gaussian(tokens):
    x = tokens.double()
    whiten = ood._whitening(x - x.mean(dim=0))
    one = ood.mixture_surprise(x @ whiten, x.mean(dim=0, keepdim=True) @ whiten, torch.zeros(1).double())
    assert one.tolist() == pytest.approx((ood.mahalanobis(x, x.mean(dim=0), whiten) ** 2 / 2).tolist())


def test_a_contrast_is_a_ratio_of_means():
    inside, outside = torch.tensor([[0.9, 0.1], [0.2, 0.3]]), torch.tensor([[0.3, 0.2, 0.0], [0.8, 0.9, 0.9]])
    slow = [
        np.log(
            np.mean([np.exp(ood.CONTRAST * c) for c in out])
            / np.mean([np.exp(ood.CONTRAST * c) for c in own])
        )
        for own, out in zip(inside.tolist(), outside.tolist(), strict=True)
    ]
    assert ood.contrast(inside, outside).tolist() == pytest.approx(slow, rel=1e-4) and slow[0] < 0 < slow[1]


def test_what_lies_off_the_axes_is_the_residual():
    assert ood.residual(torch.tensor([[0.6, 0.0], [0.6, 0.8], [0.0, 0.0]])).tolist() == pytest.approx(
        [0.8, 0, 1]
    )


def test_a_background_tells_other_things_from_odd_ones(reference, tokens):
    """Nearer to the background than to the captions, by both scores; without a background there are no such scores."""
    other = torch.randn(20, 8, generator=torch.Generator().manual_seed(2)) + 1.5
    texts = ["a boat"] * 20
    own, away = reference.scores(texts, tokens[:20]), reference.scores(texts, other)
    for name in ood.BACKGROUND_SCORES:
        assert own[name].mean() < away[name].mean() - 1
    plain = ood.Reference.make(reference.texts, tokens)
    assert set(plain.scores(texts, other)) == set(ood.TEXT_SCORES) - set(ood.BACKGROUND_SCORES)
    few = reference.scores(texts, tokens[:20], {"knn", "relative", "spread"})
    assert set(few) == {"knn", "relative"} and all(torch.equal(few[name], own[name]) for name in few)
    assert "background" not in plain.arrays() and ood.Reference.from_arrays(plain.arrays()).background is None


def test_baselines_of_the_text_by_hand():
    words = Counter({"a": 3, "red": 2, "boat": 1})
    assert ood.unseen_share(["a red car", "boat", "!"], words).tolist() == pytest.approx([1 / 3, 0, 1])
    lengths = Counter({2: 3, 3: 1})
    assert ood.length_surprise(["a boat", "a"], lengths).tolist() == pytest.approx(
        [-np.log(4 / 7), -np.log(1 / 7)]
    )
    seen = ood.Bigrams({("<", "a"): 2, ("a", "boat"): 2, ("boat", ">"): 2})
    usual, odd = ood.bigram_surprise(["a boat", "boat a"], seen).tolist()
    assert usual == pytest.approx(-np.log(3 / 6)) and odd > usual


def test_scores_of_the_gallery_by_hand():
    s = torch.tensor([[0.9, 0.4, 0.2], [0.5, 0.5, 0.5]]).double()
    found = ood.gallery_scores(s, scale=10.0)
    assert found["similarity"].tolist() == pytest.approx([-0.9, -0.5])
    assert found["margin"].tolist() == pytest.approx([-0.5, 0])
    assert found["spread"].tolist() == pytest.approx([-0.4, 0])
    share = np.exp(9) / (np.exp(9) + np.exp(4) + np.exp(2))
    assert found["softmax"].tolist() == pytest.approx([1 - share, 2 / 3])
    assert found["energy"][0].item() == pytest.approx(-np.log(np.exp(9) + np.exp(4) + np.exp(2)) / 10)
    assert ood.lack_of_margin(s[:, :1]).tolist() == [0, 0], "a gallery of one video"


def test_a_head_is_no_more_than_certain():
    found = ood.head_score(torch.tensor([-150.0, -2.0, 0.5, 90.0]))
    assert found.tolist() == [-ood.CERTAIN, -2.0, 0.5, ood.CERTAIN] and found.dtype == torch.float64


x0s = st.lists(st.lists(st.floats(-1, 1, width=32), min_size=4, max_size=4), min_size=1, max_size=5)


@given(x0s, st.floats(-2, 2, width=32), st.permutations(range(4)))
@settings(deadline=None)
def test_the_generators_scores_ignore_a_constant_and_the_order_of_candidates(rows, constant, order):
    x0 = torch.tensor(rows, dtype=torch.float64)
    for score in (gap, sharp_entropy):
        assert score(x0 + constant).tolist() == pytest.approx(score(x0).tolist(), abs=1e-6)
        assert score(x0[:, list(order)]).tolist() == pytest.approx(score(x0).tolist(), abs=1e-9)


def test_a_reference_survives_its_file_and_finds_itself(reference, tokens):
    back = ood.Reference.from_arrays(reference.arrays())
    assert back.texts == list(reference.texts)
    near = back.nearest(tokens[:3], k=2)
    assert [row[0][0] for row in near] == [f"a red boat number {i}" for i in range(3)]
    assert near[0][0][1] == pytest.approx(0, abs=2e-3) and near[0][1][1] > near[0][0][1]
    one, two = reference.scores(["a red boat"], tokens[:1]), back.scores(["a red boat"], tokens[:1])
    assert set(one) == set(ood.TEXT_SCORES)
    for name in one:
        assert two[name].item() == pytest.approx(one[name].item(), abs=0.02, rel=0.01)


def test_a_combination_is_a_weighted_sum():
    scores = {"a": torch.tensor([1.0, 2]).double(), "b": torch.tensor([3.0, 5]).double()}
    assert ood.combine(scores, {"a": 2, "b": -1}).tolist() == [-1, -1]
    with pytest.raises(KeyError):
        ood.combine(scores, {"c": 1.0})
