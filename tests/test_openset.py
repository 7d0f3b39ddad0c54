"""The open-set generator: what its parts compute, that its draws mean what they say, and both forms in a model."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference import draw_slowly
from tiny import BOTH, CONFIG, features, noise, tiny_model
from torch import Tensor
from torch.nn.functional import normalize

from diffusionret import DiffusionRet
from diffusionret.config import GeneratorConfig, ModelConfig, OpenSetConfig
from diffusionret.diffusion import make_schedule
from diffusionret.gallery import fingerprint
from diffusionret.generators.openset import (
    ALIKE,
    Answers,
    OpenSetNetwork,
    Pairs,
    any_odds,
    candidate_sets,
    draw,
    match_loss,
    token_interaction,
)
from diffusionret.readout import ONE_OR_NONE
from diffusionret.similarity import wti


@pytest.fixture(scope="module")
def model() -> DiffusionRet:
    return tiny_model(config=BOTH)


def cosines(pairs: Pairs) -> Tensor:
    tokens, frames = normalize(pairs.text.tokens, dim=-1), normalize(pairs.video.frames, dim=-1)
    return tokens[pairs.text_of] @ frames[pairs.video_of].transpose(-1, -2)


# --- the parts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_candidates_may_come_in_any_order(model, direction):
    text, video = features(6, 6)
    candidates = torch.stack(
        [torch.randperm(6, generator=torch.Generator().manual_seed(i)) for i in range(6)]
    )
    order, x = torch.tensor([3, 0, 5, 1, 4, 2]), noise(6, 6)
    one, other = (
        model.choose("open-set").answers(text, video, c, direction)
        for c in (candidates, candidates[:, order])
    )
    assert torch.allclose(one.choice[:, order], other.choice, atol=1e-5)
    assert torch.allclose(one.match[:, order], other.match, atol=1e-5)
    # Whether anything matches is read of the most similar one, too, which a search puts first.
    kept = candidates.clone()
    kept[:, 1:] = candidates[:, 1:][:, [2, 0, 4, 1, 3]]
    nothing = [model.choose("open-set").answers(text, video, c, direction).none for c in (candidates, kept)]
    assert torch.allclose(*nothing, atol=1e-5)
    none = torch.full((6,), 0.3)
    walks = [
        draw(choice, none, make_schedule("cosine", 10), z)
        for choice, z in ((one.choice, x), (one.choice[:, order], x[:, order]))
    ]
    assert torch.allclose(walks[0][1][..., order], walks[1][1], atol=1e-5)


def test_many_candidates_that_look_alike_make_nobody_certain(model, monkeypatch):
    """A word that is misread makes all candidates wrong at once: what they say together is bounded."""
    network, (text, video) = model.choose("open-set").network, features(3, 6)
    pairs = model.choose("open-set").pairs(text, video, torch.arange(6).expand(3, -1), "t2v")
    row = model.similarity(text, video)
    usual = network(pairs, row, "t2v")
    own = usual.none + ALIKE * torch.tanh(any_odds(usual.match) / ALIKE)
    for said, odds in ((40.0, ALIKE), (-40.0, -ALIKE)):
        monkeypatch.setattr(
            network.read, "forward", lambda h, said=said: torch.full((*h.shape[:-1], 2), said)
        )
        torch.testing.assert_close(network(pairs, row, "t2v").none, own - odds, atol=0.15, rtol=0)


def test_the_similarity_of_pairs_is_the_models(model):
    text, video = features(5, 7)
    candidates = torch.arange(7).expand(5, -1)
    pairs = model.choose("open-set").pairs(text, video, candidates, "t2v")
    words = model.text_weights.weigh(text.tokens, text.mask)
    frames = model.video_weights.weigh(video.frames, video.mask)
    assert torch.allclose(
        token_interaction(cosines(pairs), pairs), wti(text, video, words, frames), atol=1e-5
    )
    mirrored = model.choose("open-set").pairs(text, video, torch.arange(5).expand(7, -1), "v2t")
    found = token_interaction(cosines(mirrored), mirrored)
    assert torch.allclose(found, model.similarity(text, video).T, atol=1e-5)


def test_padding_changes_nothing(model):
    text, video = features(4, 4)
    loud_text, loud_video = features(4, 4)
    loud_text.tokens[text.mask == 0] *= -3
    loud_video.frames[video.mask == 0] *= -3
    candidates = torch.arange(4).expand(4, -1)
    quiet = model.match(text, video, candidates)
    loud = model.match(loud_text, loud_video, candidates)
    assert torch.equal(quiet.probability, loud.probability) and torch.equal(quiet.none, loud.none)


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_padding_beyond_the_longest_text_changes_nothing(model, direction):
    text, video = features(6, 6)
    wide = text._replace(
        tokens=torch.cat([text.tokens, 7 * torch.ones(6, 3, 32)], dim=1),
        mask=torch.cat([text.mask, torch.zeros(6, 3).long()], dim=1),
    )
    candidates = torch.arange(6).expand(6, -1)
    found = [model.match(t, video, candidates, direction) for t in (text, wide)]
    assert torch.allclose(found[0].probability, found[1].probability, atol=1e-5)


def test_large_batches_are_seen_part_by_part(model, monkeypatch):
    text, video = features(6, 6)
    candidates = torch.arange(6).expand(6, -1)
    whole = model.choose("open-set").answers(text, video, candidates)
    monkeypatch.setattr("diffusionret.generators.openset.MEMORY", 1)
    parts = model.choose("open-set").answers(text, video, candidates)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(whole, parts, strict=True))


def test_candidates_are_the_best_of_what_is_there():
    scores = torch.tensor([[0.9, 0.1, 0.5, 0.7]])
    there = torch.tensor([[False, True, True, True]])
    assert candidate_sets(scores, there, 2).tolist() == [[3, 2]]
    assert candidate_sets(scores, there, 4).tolist() == [[3, 2, 1, 0]], "the rest of the pool comes last"


def test_the_loss_is_three_cross_entropies():
    g = torch.Generator().manual_seed(0)
    choice, bits = torch.randn(2, 4, 3, generator=g)
    none = torch.randn(4, generator=g)
    match = torch.tensor([[True, True, False], [False, False, False], [False, True, False], [False] * 3])
    some = torch.tensor([True, False, True, True])  # the last one has its match outside the candidates
    expected = 0.0
    for q in range(4):
        total = sum(math.exp(v) for v in choice[q].tolist())
        fitting = [k for k in range(3) if match[q, k]]
        for k in fitting:
            expected -= (
                (choice[q, k].item() - math.log(total)) / len(fitting) / 2
            )  # of 2 queries that have one
        for k in range(3):
            p = 1 / (1 + math.exp(-bits[q, k].item()))
            expected -= math.log(p if match[q, k] else 1 - p) / 4
        p = 1 / (1 + math.exp(-none[q].item()))
        expected -= math.log(1 - p if some[q] else p) / 4
    assert match_loss(Answers(choice, bits, none), match, some).item() == pytest.approx(expected, rel=1e-5)


def test_the_bank_is_of_directions_and_fills_itself():
    network = OpenSetNetwork(32, BOTH.openset)
    captions = noise(3, 32)
    network.fill_bank(captions)
    assert torch.allclose(network.bank.norm(dim=1), torch.ones(len(network.bank)))
    assert torch.allclose(network.bank[:3], network.bank[3:6])


# --- draws mean what they say ---------------------------------------------------------------------------


def shares_of(x0: Tensor) -> Tensor:
    """How often each of K candidates, and none, is drawn: [query column]."""
    share = ONE_OR_NONE.columns(x0[-1])
    won = torch.nn.functional.one_hot(share.argmax(dim=-1), share.shape[-1])
    return won.double().mean(dim=0)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_a_draw_is_the_loop_written_out(eta):
    choice, none = noise(2, 4, seed=5), torch.tensor([0.2, 0.7])
    plan, z = make_schedule("cosine", 20).respaced(6), noise(3, 2, 4)
    generators = [torch.Generator().manual_seed(7) if eta else None for _ in range(2)]
    x, x0 = draw(choice, none, plan, z, eta, generators[0])
    slow_x, slow_x0 = draw_slowly(choice, none, plan, z, eta, generators[1])
    assert torch.allclose(x, slow_x, atol=1e-4) and torch.allclose(x0, slow_x0, atol=1e-4)
    assert x0.abs().max() <= 1 and (x0 + 1).sum(-1).max() <= 2 + 1e-5, "at most one is meant"


@settings(max_examples=12, deadline=None)
@example(seed=1, none=0.25, steps=20, schedule="linear", candidates=10)
@given(
    seed=st.integers(0, 1000),
    none=st.floats(0.02, 0.95),
    steps=st.sampled_from([20, 30, 50]),
    schedule=st.sampled_from(["cosine", "linear"]),
    candidates=st.integers(1, 12),
)
def test_many_draws_are_shared_out_as_the_first_step_says(seed, none, steps, schedule, candidates):
    choice, nothing = 1.5 * noise(1, candidates, seed=seed), torch.tensor([none])
    plan = make_schedule(schedule, 50).respaced(steps)
    _, x0 = draw(choice, nothing, plan, noise(8000, 1, candidates, seed=seed + 1))
    wanted = torch.cat([(1 - nothing)[:, None] * choice.softmax(-1), nothing[:, None]], dim=-1)
    off = (ONE_OR_NONE.columns(x0[-1]).mean(0) - wanted).abs().sum() / 2
    coarse = 0.08 if steps == 20 else 0.05  # 20 steps are few for ten candidates
    assert off < coarse, "total variation of the mean shares"
    assert (shares_of(x0) - wanted).abs().sum() / 2 < coarse, "and of the winners"
    assert x0[-1, :, :, :].amax(dim=-1).abs().mean() > 0.97, "each draw is decided"


def test_a_draw_at_no_noise_is_what_the_state_says():
    plan = make_schedule("cosine", 50)
    sure, none = torch.tensor([[8.0, 0.0, 0.0]]), torch.tensor([1e-6])
    _, x0 = draw(sure, none, plan, noise(50, 1, 3))
    assert (x0[-1, :, 0].argmax(-1) == 0).float().mean() > 0.95
    _, x0 = draw(torch.zeros(1, 3), torch.tensor([1 - 1e-6]), plan, noise(50, 1, 3))
    assert ONE_OR_NONE.none(x0[-1]).mean() > 0.99, "nothing is there, whatever the noise"


# --- in a model -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 33])
@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_galleries_of_any_size_are_answered(model, size, direction):
    text, video = features(5, size) if direction == "t2v" else features(size, 5)
    scores = model.similarity(text, video)
    scores = scores if direction == "t2v" else scores.T
    candidates = scores.topk(min(size, 32), dim=1).indices
    found = model.match(text, video, candidates, direction)
    assert found.probability.shape == (5, min(size, 32)) and found.none.shape == (5,)
    for p in (found.probability, found.none):
        assert ((p > 0) & (p < 1)).all() and p.isfinite().all()
    best, total, some = found.probability.amax(1), found.probability.sum(1), 1 - found.none
    assert (best <= some + 1e-6).all() and (some <= total + 1e-6).all()


def test_a_part_of_the_gallery_needs_the_whole_row(model):
    text, video = features(3, 20)
    row = model.similarity(text, video)
    candidates = row.topk(4, dim=1).indices
    whole = model.match(text, video, candidates)
    few = video._make(part[candidates.flatten()] for part in video)
    columns = torch.arange(12).view(3, 4)
    part = model.match(text, few, columns, row=row)
    assert torch.allclose(whole.probability, part.probability, atol=1e-5)
    alone = model.match(text, few, columns)
    assert not torch.allclose(whole.none, alone.none, atol=1e-5), "another gallery, another answer"


def test_a_model_holds_both_forms(model, tmp_path):
    assert model.forms == ("open-set", "published")
    assert tiny_model(config=replace(BOTH, form="published")).forms == ("published", "open-set")
    assert tiny_model(config=replace(BOTH, generator=None)).forms == ("open-set",)
    model.save_pretrained(tmp_path)
    again = DiffusionRet.from_pretrained(tmp_path)
    assert again.config == model.config and isinstance(again.config.openset, OpenSetConfig)
    text, video = features(2, 5)
    candidates, x = torch.arange(5).expand(2, -1), noise(2, 5)
    for form in model.forms:
        walks = [m.generate(text, video, candidates, steps=3, noise=x, form=form) for m in (model, again)]
        assert walks[0].form == form
        assert torch.allclose(walks[0].x0, walks[1].x0, atol=0.02)


def test_the_published_form_is_untouched_by_the_other(model):
    alone = tiny_model(config=CONFIG)
    alone.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("openset.")})
    text, video = features(3, 6)
    candidates, x = torch.arange(6).expand(3, -1), noise(2, 3, 6)
    a = model.generate(text, video, candidates, steps=5, noise=x, form="published")
    b = alone.generate(text, video, candidates, steps=5, noise=x)
    assert torch.equal(a.x0_raw, b.x0_raw) and a.none is None
    assert torch.equal(model.boost(a), alone.boost(b))
    assert model.choose("published").match(text, video, candidates) is None, "it cannot say"


def test_a_gallery_outlives_another_generator(model):
    assert fingerprint(model) == fingerprint(tiny_model(config=CONFIG))


def test_what_is_not_there_is_said(model):
    text, video = features(2, 5)
    with pytest.raises(ValueError, match="no generator 'open-set': choose published"):
        tiny_model(config=CONFIG).match(text, video, torch.arange(5).expand(2, -1))
    with pytest.raises(ValueError, match="absent is 1"):
        model.match(text, video, torch.arange(5).expand(2, -1), absent=1.0)
    with pytest.raises(ValueError, match="wti"):
        replace(BOTH, interaction="cls")
    with pytest.raises(ValueError, match="published, open-set"):
        replace(BOTH, form="magic")
    assert ModelConfig.from_dict(BOTH.to_dict()) == BOTH
    assert type(BOTH.generator) is GeneratorConfig


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_seeds_run_together_as_alone(model, direction):
    text, video = features(4, 4)
    candidates, x = torch.arange(4).expand(4, -1), noise(3, 4, 4)
    walk = model.generate(text, video, candidates, direction, steps=5, noise=x)
    assert walk.x.shape == (6, 3, 4, 4) and walk.x0.shape == (5, 3, 4, 4)
    assert walk.x0.abs().max() <= 1 and torch.equal(walk.x0, walk.x0_raw)
    assert torch.equal(walk.sample, walk.x[-1])
    for s in range(3):
        alone = model.generate(text, video, candidates, direction, steps=5, noise=x[s])
        assert torch.allclose(alone.x0, walk.x0[:, s], atol=1e-5)
    assert torch.allclose(walk.shares, ((walk.x0[-1] + 1) / 2).mean(0), atol=1e-6)
    assert torch.allclose(walk.none, 1 - walk.shares.sum(-1), atol=1e-5)


def test_the_probability_of_none_that_is_known_is_the_priors(model):
    """A search that knows P lets the generator decide among the clips only."""
    text, video = features(1, 6)
    candidates = torch.arange(6)[None]
    generator = model.choose("open-set")
    answers = generator.answers(text, video, candidates)
    for wanted in (0.05, 0.4, 0.9):
        known = generator.knowing(answers, torch.tensor([wanted]))
        walk = known.generate(text, video, candidates, steps=30, noise=noise(2000, 1, 6), respace_from=50)
        assert walk.none is not None and walk.none.item() == pytest.approx(wanted, abs=0.03)
        among = walk.shares / walk.shares.sum()
        assert (among - answers.choice.softmax(-1)).abs().sum() / 2 < 0.05 / (1 - wanted)
    assert generator._known is None, "the generator itself learns nothing"


def test_noise_added_on_the_way_can_be_repeated(model):
    text, video = features(2, 4)
    candidates, x = torch.arange(4).expand(2, -1), noise(2, 4)

    def walk(seed: int) -> Tensor:
        g = torch.Generator().manual_seed(seed)
        return model.generate(text, video, candidates, steps=5, noise=x, eta=1.0, generator=g).x

    assert torch.equal(walk(0), walk(0)) and not torch.equal(walk(0), walk(1))
