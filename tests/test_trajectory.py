"""Readings of a trajectory against plain loops, and that the app and evaluation read the same ones."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import CONFIG, features, tiny_model

from demo import watch_look
from demo.search import percent
from diffusionret import Gallery, Retriever, evaluate
from diffusionret.config import OpenSetConfig
from diffusionret.ood.scores import generator_scores
from diffusionret.readout import ONE_OR_NONE, ONE_WINNER
from diffusionret.trajectory import (
    Ensemble,
    agreement,
    changes,
    path_length,
    places,
    seed_variance,
    settled,
    sharp_entropy,
)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_settled_is_the_first_step_of_the_last_run(leaders):
    step = next(s for s in range(len(leaders)) if all(other == leaders[-1] for other in leaders[s:])) + 1
    assert int(settled(torch.tensor(leaders))) == step
    assert int(changes(torch.tensor(leaders))) == sum(a != b for a, b in itertools.pairwise(leaders))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9))
def test_places_count_what_is_larger_or_earlier(values):
    slow = [1 + sum(w > v or (w == v and j < i) for j, w in enumerate(values)) for i, v in enumerate(values)]
    assert places(torch.tensor(values).float()).tolist() == slow


def test_entropy_of_plain_cases():
    assert float(ONE_WINNER.entropy(torch.full((8,), 1 / 8, dtype=torch.float64))) == 3
    assert float(ONE_WINNER.entropy(torch.tensor([1.0, 0, 0], dtype=torch.float64))) == 0
    even = torch.full((3,), 0.25, dtype=torch.float64)  # and as much for none
    assert float(ONE_OR_NONE.entropy(even)) == ONE_OR_NONE.most_entropy(3) == 2
    assert float(ONE_OR_NONE.entropy(torch.zeros(3, dtype=torch.float64))) == 0, "none for sure"
    assert float(ONE_OR_NONE.entropy(torch.tensor([1.0, 0, 0], dtype=torch.float64))) == 0


def test_shares_and_none_sum_to_one():
    x0 = torch.tensor([[1.0, -1, -1], [-1, -1, -1], [-0.5, 0.25, -1]])
    share, none = ONE_OR_NONE.shares(x0), ONE_OR_NONE.none(x0)
    assert share.tolist() == [[1, 0, 0], [0, 0, 0], [0.25, 0.625, 0]] and none.tolist() == [0, 1, 0.125]
    assert ONE_OR_NONE.columns(x0).sum(-1).tolist() == [1, 1, 1]
    assert torch.equal(
        ONE_OR_NONE.clean(share > 0.5), torch.tensor([[1.0, -1, -1], [-1, -1, -1], [-1, 1, -1]])
    )
    assert ONE_OR_NONE.votes(ONE_OR_NONE.columns(x0), 3).tolist() == [False, True, False], (
        "none is a winner, too"
    )
    assert ONE_OR_NONE.exclusive and ONE_OR_NONE.has_none and not ONE_WINNER.has_none


def test_entropy_lies_between_one_hot_and_uniform():
    hot = torch.tensor([[1.0, -1, -1, -1], [0.2, 0.2, 0.2, 0.2]])
    assert sharp_entropy(hot).tolist() == pytest.approx([0, 2], abs=1e-9)


def test_disagreement_settling_and_path_by_hand():
    x0 = torch.zeros(3, 2, 4)  # seeds, queries
    x0[:, 0, 1] = 1
    x0[0, 1, 0] = x0[1, 1, 2] = x0[2, 1, 2] = 1
    assert agreement(x0.argmax(dim=2)).tolist() == pytest.approx([1, 2 / 3])
    steps = torch.zeros(4, 1, 3)
    steps[0, 0, 2] = steps[1, 0, 0] = steps[2, 0, 1] = steps[3, 0, 1] = 1
    assert settled(steps.argmax(dim=2)).tolist() == [3]
    x = torch.tensor([[[0.0, 0]], [[1, -1]], [[0, -1]]])
    assert path_length(x).tolist() == [1.5]


def test_several_leaders_settle_each_for_itself():
    leaders = torch.tensor([[0, 1], [1, 1], [1, 1]])
    assert settled(leaders).tolist() == [2, 1] and changes(leaders).tolist() == [1, 0]


def test_the_seed_explains_nothing_or_all():
    same = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(0)).expand(5, -1, -1)
    assert seed_variance(same) == seed_variance(same[:1]) == 0
    other = torch.randn(500, 3, 4, generator=torch.Generator().manual_seed(0))
    assert seed_variance(other) == pytest.approx(1, abs=0.05)
    assert seed_variance(other + torch.randn(500, 3, 1)) == pytest.approx(seed_variance(other), abs=1e-5)


@pytest.mark.parametrize("form", ["published", "open-set"])
def test_the_app_and_evaluation_print_one_number_under_one_name(form):
    """The same query, candidates and noises: the panel, the figures of a model card and the scores agree."""
    seeds = 6
    small = OpenSetConfig(steps=10, sampling_steps=10, seeds=seeds, width=16, heads=2)
    model = tiny_model(config=replace(CONFIG, openset=small, form=form))
    _, video = features(1, 12)
    gallery = Gallery.in_memory(video)
    retriever, query = Retriever(model, gallery), "a red boat"
    request = {"query": query, "candidates": 8, "steps": 10, "seed": 0, "form": form, "panel": "noise"}
    (panel,) = watch_look.panel(retriever)(request | {"seeds": seeds})
    with torch.no_grad():
        text = model.encode_text([query])
        scores = model.similarity(text, video)
        trajectory = evaluate.generate(model, text, video, scores, "t2v", candidates=8)
        figures = evaluate.noise_figures(model, text, video, scores, trajectory)
    assert f"explains {percent(figures['seed_variance'])} of the variance" in panel["sentence"]
    noises = retriever.search(query, 8, 8, 10, seeds=seeds, form=form).trajectory
    assert figures["seed_variance"] == pytest.approx(seed_variance(noises.predictions[-1]), rel=1e-3)
    found = generator_scores(noises)
    leaders = noises.predictions[..., 0, :].argmax(dim=-1)  # [step seed]
    assert found["disagreement"].item() == pytest.approx(1 - figures["seeds_agree"])
    assert found["settling"].item() == pytest.approx((settled(leaders) - 1).double().mean().item() / 10)
    if form == "published":  # whose columns are the candidates alone
        ensemble = Ensemble.of(noises)
        assert torch.equal(ensemble.leaders, leaders)
        entropy = noises.readout.entropy(ensemble.share[-1]).mean().item()
        assert found["entropy"].item() == pytest.approx(entropy * torch.tensor(2.0).log().item(), rel=1e-5)
