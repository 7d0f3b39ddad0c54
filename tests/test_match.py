"""Match: probabilities that agree with each other, prior odds, how candidates stand in a gallery, and galleries."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from reference import galleries_slowly, standing_slowly
from tiny import features, noise
from torch.nn.functional import normalize

from diffusionret.generators.match import LEAST, TRAINED_ABSENT, at_prior, match_of
from diffusionret.generators.openset import any_odds
from diffusionret.generators.standing import hubness, standing
from diffusionret.pool import galleries, seeded

odds = st.floats(0.001, 0.999)


# --- probabilities ----------------------------------------------------------------------------------------


log_odds = st.lists(st.floats(-60, 60), min_size=1, max_size=8)


@given(none=st.floats(0, 1), said=log_odds, head=st.floats(-60, 60), seed=st.integers(0, 99))
def test_probabilities_agree_by_construction(none, said, head, seed):
    choice = 5 * noise(1, len(said), seed=seed)
    found = match_of(torch.tensor([none]), torch.tensor([said]), torch.tensor([head]), choice)
    some = 1 - found.none.item()
    assert 0 < found.none.item() < 1 and (found.probability > 0).all() and (found.probability < 1).all()
    assert found.probability.max().item() <= some + 1e-6
    assert some <= found.probability.sum().item() + 1e-5
    assert (found.probability >= some * choice.softmax(dim=1) - 1e-5).all(), "what is meant matches"


@given(said=log_odds)
def test_independent_candidates_keep_their_probabilities(said):
    """Where p(none matches) is the product that independence gives, nothing is scaled."""
    alone = [1 / (1 + math.exp(-value)) for value in said]
    none = math.prod(1 - p for p in alone)
    assume(1e-3 < none < 1 - 1e-3)
    head = torch.tensor([none]).logit()
    found = match_of(torch.tensor([none]), torch.tensor([said]), head, torch.tensor([said]))
    assert found.probability[0].tolist() == pytest.approx(alone, abs=2e-3, rel=2e-3)
    odds = any_odds(torch.tensor([said]))
    assert odds.sigmoid().item() == pytest.approx(1 - none, abs=1e-4)


def test_extreme_log_odds_stay_finite():
    odds = torch.tensor([[-200.0, -150.0], [200.0, 150.0], [0.0, -200.0]])
    assert any_odds(odds).isfinite().all()
    for none in (0.0, 0.5, 1.0):
        for head in (-200.0, 0.0, 200.0):
            found = match_of(torch.full((3,), none), odds, torch.full((3,), head), odds)
            assert found.probability.isfinite().all()


@given(said=st.lists(st.floats(-6, 6), min_size=2, max_size=8), share=st.floats(0, 1), none=odds)
def test_candidates_are_scaled_from_what_the_head_says_to_what_is_said(said, share, none):
    """The p(any matches) that the head says lies between that of its best candidate and that of independent ones."""
    alone = [1 / (1 + math.exp(-value)) for value in said]
    least, most = max(alone), 1 - math.prod(1 - p for p in alone)
    some = least + share * (most - least)
    assume(some < 1 - 1e-6)
    head = math.log((1 - some) / some)
    found = match_of(torch.tensor([none]), torch.tensor([said]), torch.tensor([head]), torch.tensor([said]))
    assert found.probability[0].tolist() == pytest.approx(
        [(1 - none) * p / some for p in alone], abs=1e-5, rel=1e-3
    )


def test_what_is_meant_matches():
    """Of two candidates of which one matches, which one is known: independence would say 2 / 3 of each."""
    choice = torch.tensor([[3.0, -3.0]])
    found = match_of(torch.tensor([0.1]), torch.zeros(1, 2), torch.tensor([-9.0]), choice)
    assert found.probability[0].tolist() == pytest.approx(
        [0.9 * choice.softmax(1)[0, 0].item(), 0.9 * 2 / 3], abs=1e-5
    )


@given(none=odds, absent=odds, learned=odds)
def test_another_share_without_a_match_multiplies_the_odds(none, absent, learned):
    found = at_prior(torch.tensor([none], dtype=torch.float64), absent, learned).item()
    ratio = (absent / (1 - absent)) / (learned / (1 - learned))
    assert found / (1 - found) == pytest.approx(none / (1 - none) * ratio, rel=1e-4)


def test_the_prior_that_was_learned_changes_nothing_and_extremes_stay_finite():
    p = torch.tensor([0.0, LEAST, 0.3, 1.0])
    assert at_prior(p, TRAINED_ABSENT).tolist() == pytest.approx([0, 0, 0.3, 1], abs=2e-6)
    assert at_prior(p, 0.9).isfinite().all()
    for wrong in (0.0, 1.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            at_prior(p, wrong)


# --- standing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 33])
@pytest.mark.parametrize("partial", [False, True])
def test_standing_is_the_loop_written_out(size, partial):
    row = noise(4, size, seed=size) / 5
    there = None
    if partial:
        there = noise(4, size, seed=9) > 0
        there[:, 0] = True
    kept = row if there is None else torch.where(there, row, -9.0)
    count = 1 if there is not None else min(size, 5)
    candidates = kept.sort(dim=1, descending=True).values[:, :count]
    hub = noise(4, count, seed=3) / 5
    found = standing(row, candidates, hub, there)
    slow = standing_slowly(row, candidates, hub, there)
    assert torch.allclose(found.pair, slow[0], atol=1e-4) and torch.allclose(found.query, slow[1], atol=1e-4)
    assert found.pair.isfinite().all() and found.query.isfinite().all()


def test_standing_needs_no_other_query_and_no_order():
    row, hub = noise(5, 20) / 5, torch.zeros(5, 4)
    candidates = row.topk(4).values
    whole = standing(row, candidates, hub)
    alone = standing(row[2:3], candidates[2:3], hub[2:3])
    mixed = standing(row[:, torch.randperm(20, generator=torch.Generator().manual_seed(0))], candidates, hub)
    for full, one, other in zip(whole, alone, mixed, strict=True):
        assert torch.allclose(full[2:3], one, atol=1e-5) and torch.allclose(full, other, atol=1e-4)


def test_a_hub_is_near_to_many_captions():
    _, video = features(1, 6)
    bank = normalize(noise(30, 32), dim=-1)
    found = hubness(bank, video, nearest=3)
    for v in range(6):
        real = [f for f, kept in zip(video.frames[v], video.mask[v], strict=True) if kept]
        mean = torch.stack([normalize(f, dim=0) for f in real]).mean(0)
        near = sorted((float(normalize(mean, dim=0) @ caption) for caption in bank), reverse=True)[:3]
        assert found[v].item() == pytest.approx(sum(near) / 3, abs=1e-4)
    assert hubness(bank[:2], video).shape == (6,), "a bank of fewer captions"


# --- galleries --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 4, 12, 20])
def test_a_gallery_is_drawn_as_written_out(size):
    g = torch.Generator().manual_seed(0)
    fits = torch.rand(30, 20, generator=g) < 0.2
    own = torch.zeros_like(fits)
    own[torch.arange(30), torch.arange(30) % 20] = True
    fits |= own
    absent = torch.arange(30) % 3 == 0
    found = galleries(fits, own, absent, size, seeded("a"))
    assert torch.equal(found, galleries_slowly(fits, own, absent, size, seeded("a")))
    assert not (found & fits)[absent].any(), "nothing that fits is left"
    assert (found & own)[~absent].any(1).all(), "a query that has a match keeps its own"


def test_its_size_says_nothing_of_what_is_in_it():
    """With and without a match the galleries are as large, as long as enough is there that does not fit."""
    fits = torch.rand(400, 60, generator=torch.Generator().manual_seed(1)) < 0.1
    own = torch.zeros_like(fits)
    own[torch.arange(400), torch.arange(400) % 60] = True
    fits |= own
    absent = torch.arange(400) % 2 == 0
    held = galleries(fits, own, absent, 30, seeded("b")).sum(1)
    assert (held == 30).all()
    tight = galleries(
        torch.ones(2, 5, dtype=torch.bool), own[:2, :5], torch.tensor([True, False]), 3, seeded("c")
    )
    assert tight.sum(1).tolist() == [0, 3], "where nothing else is left, nothing is left"
