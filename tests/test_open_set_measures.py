"""The measurements of the open-set generator, on cases that can be told by hand."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import CONFIG, features, noise, tiny_model

from analysis import measure
from analysis.model_card.open_set import open_set as open_set_card
from analysis.open_set import answers as asking
from analysis.open_set import command, ensemble, measurement, pairs, quality, selection, spread
from analysis.open_set.odds import recalibrated
from analysis.open_set.questions import ask_about
from analysis.open_set.summary import pick, sentence
from analysis.open_set.targets import Target, figure, plainly
from demo import evidence
from diffusionret.config import OpenSetConfig
from diffusionret.datasets.storybook import captions, truth, world
from diffusionret.diffusion import make_schedule
from diffusionret.metrics import Interval, reliability
from diffusionret.ood.scores import Reference
from diffusionret.ood.verdict import MatchOdds
from diffusionret.training.storybook_text import colour_similarity, exchanged_colours

SMALL = OpenSetConfig(steps=30, sampling_steps=20, candidates=20, width=16, layers=1, heads=2)


def test_reliability_by_hand():
    found = reliability(np.array([0.05, 0.05, 0.95, 1.0]), np.array([0, 1, 1, 1]))
    assert found.count.tolist() == [2, 2] and found.frequency.tolist() == [0.5, 1.0]
    assert found.error == pytest.approx((0.45 + 0.025) / 2)


# --- quality ----------------------------------------------------------------------------------------------


def test_what_is_drawn_from_its_probability_is_calibrated():
    rng = np.random.default_rng(0)
    said = rng.random(6000)
    true = (rng.random(6000) < said).astype(float)
    found = quality.calibration(quality.Claims(said, true, np.arange(6000) // 3))
    assert found.estimate < 0.015 and found.low <= found.high
    assert quality.error(said**3, true) > 0.2
    assert quality.error(np.full(6000, 0.8), np.ones(6000)) == pytest.approx(0.2, abs=1e-3)


def test_chance_alone_is_no_error():
    """Without the correction a few hundred honest claims would look several percent off."""
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(200):
        said = rng.random(300)
        errors.append(quality.error(said, (rng.random(300) < said).astype(float)) ** 2)
    assert np.mean(errors) < 0.003, "the noise of a bin of 20 would be 0.0083"


def test_losses_by_hand_and_paired():
    p, true = np.array([[0.9, 0.2]]), np.array([[1.0, 0.0]])
    assert quality.log_loss(p, true)[0].tolist() == pytest.approx([-math.log(0.9), -math.log(0.8)])
    assert quality.brier(p, true)[0].tolist() == pytest.approx([0.01, 0.04])
    claims = quality.Claims(np.tile(p, (30, 1)), np.tile(true, (30, 1)), np.arange(30) // 2)
    gain = quality.ahead(claims, np.full((30, 2), 0.5))
    assert gain.estimate == pytest.approx(math.log(2) + (math.log(0.9) + math.log(0.8)) / 2)
    assert gain.low == pytest.approx(gain.high) and quality.ahead(claims, claims.probability).estimate == 0


def test_the_first_is_the_most_probable():
    said, true = torch.tensor([[0.2, 0.9], [0.6, 0.1]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert [part.tolist() for part in quality.first(said, true)] == [pytest.approx([0.9, 0.6]), [0.0, 1.0]]


# --- who loses what ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 0.3, 0.7])
def test_a_share_loses_its_matches_and_size_says_nothing(share):
    fits = torch.rand(400, 50, generator=torch.Generator().manual_seed(0)) < 0.1
    fits[:20] = False  # nothing fits these anyway
    fits[20:, 0] |= ~fits[20:].any(1)
    absent = asking.absences(fits, share, "a")
    held = asking.held(fits, absent, "b")
    empty = ~(fits & held).any(1)
    assert int(empty.sum()) == round(share * 400) and not absent[:20].any()
    assert torch.equal(held.sum(1), 50 - fits.sum(1)), "as many are lost, whether they fit or not"
    kept = ~absent
    assert torch.equal((fits & held)[kept], fits[kept]), "who keeps a match keeps all of them"


def test_questions_are_true_of_what_they_were_written_of():
    scenes = world.split("test")[:12]
    for kind in ("captions", "typed"):
        asked = ask_about(scenes, kind, "storybook", "test", 3)
        assert len(asked.texts) == 36 and asked.clip.tolist() == [c for c in range(12) for _ in range(3)]
        own = asked.fits[torch.arange(36), torch.from_numpy(asked.clip)]
        assert own.all() if kind == "captions" else own.float().mean() > 0.6
        assert asked.texts == ask_about(scenes, kind, "storybook", "test", 3).texts


# --- sets -------------------------------------------------------------------------------------------------


def test_f1_by_hand():
    match = np.array([[True, True, False], [True, True, False]])
    chosen = np.array([[True, False, True], [False, False, False]])
    assert selection.f1(chosen, match).tolist() == [0.5, 0.0]
    said = np.array([[0.6, 0.55, 0.3], [0.9, 0.58, 0.5]])
    assert 0.5 < selection.best_cut(said, match) <= 0.55
    assert (selection.f1(said >= selection.best_cut(said, match), match) == 1).all()


# --- draws ------------------------------------------------------------------------------------------------


def test_draws_that_visit_evenly_have_the_entropy_log_m():
    match = torch.tensor([[True, True, True, False], [True, True, False, False]])
    shares = torch.zeros(6, 2, 4)
    for seed in range(6):
        shares[seed, 0, seed % 3] = 1.0  # one at a time, in turn
        shares[seed, 1, 0 if seed < 3 else 3] = 1.0
    shares[5, 0] = 0.0  # none is drawn
    visit = ensemble.frequencies(shares)
    assert visit.sum(1).tolist() == pytest.approx([1, 1]) and visit[0, 4].item() == pytest.approx(1 / 6)
    share = np.array([2, 2, 1]) / 5
    even = -(share * np.log(share)).sum() / math.log(3)
    assert ensemble.evenness(visit, match).tolist() == pytest.approx([even, 0.0])
    assert ensemble.hits(visit, match).tolist() == pytest.approx([5 / 6, 0.5])
    wanted = torch.tensor([[1 / 3, 1 / 3, 1 / 6, 0, 1 / 6], [1.0, 0, 0, 0, 0]])
    assert ensemble.distance(visit, wanted).tolist() == pytest.approx([0, 0.5], abs=1e-6)


def test_draws_are_shared_out_as_the_first_step_says():
    choice, none = 1.5 * noise(3, 5), torch.tensor([0.1, 0.5, 0.9])
    visit = ensemble.frequencies(ensemble.draws(choice, none, make_schedule("cosine", 50).respaced(30), 4000))
    assert ensemble.distance(visit, ensemble.first_step(choice, none)).max() < 0.05


def test_draws_come_part_by_part(monkeypatch):
    choice, none, plan = noise(5, 4), torch.full((5,), 0.3), make_schedule("cosine", 10)
    whole = ensemble.draws(choice, none, plan, 7)
    monkeypatch.setattr(ensemble, "BYTES", 1)
    assert torch.allclose(whole, ensemble.draws(choice, none, plan, 7))


def test_the_noise_of_one_who_knows_the_facts_is_what_queries_leave_open():
    """By the formula, and by drawing."""
    match = torch.tensor(
        [[True, True, False], [False, False, False], [True, False, False], [True, True, True]]
    )
    p = match.double() / match.sum(1, keepdim=True).clamp(min=1)
    g = torch.Generator().manual_seed(0)
    columns = torch.cat([p, 1 - p.sum(1, keepdim=True)], dim=1)
    won = torch.multinomial(columns.float(), 20000, replacement=True, generator=g)
    shares = torch.nn.functional.one_hot(won, 4)[..., :3].permute(1, 0, 2)
    assert ensemble.noise_share(shares) == pytest.approx(ensemble.fact_share(match), abs=0.01)
    sure = torch.eye(3, dtype=torch.bool)
    assert ensemble.fact_share(sure) == 0 == ensemble.noise_share(sure.float().expand(9, -1, -1))


# --- odds anew, targets -----------------------------------------------------------------------------------


def test_who_knows_each_probability_draws_one_of_those_that_match():
    p = torch.tensor([[0.9, 0.5, 0.1], [1.0, 1.0, 0.0]], dtype=torch.float64)
    wanted = torch.zeros(3, dtype=torch.float64)
    for bits in itertools.product((0, 1), repeat=3):
        held = torch.tensor(bits, dtype=torch.float64)
        if held.any():
            wanted += torch.where(held == 1, p[0], 1 - p[0]).prod() * held / held.sum()
    drawn = ensemble.one_of_independent(p)
    assert torch.allclose(drawn[0], wanted / wanted.sum())
    assert torch.allclose(drawn[1], torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64), atol=1e-9)


def test_few_labelled_queries_move_the_odds():
    rng = np.random.default_rng(0)
    head = torch.from_numpy(rng.normal(size=4000) * 2)
    scores = {
        name: head if name == "head" else torch.zeros(4000).double()
        for name in ("head", "knn", "similarity", "spread")
    }
    empty = rng.random(4000) < torch.sigmoid(0.5 * head + 1.5).numpy()
    found = recalibrated(MatchOdds({"head": 1.0}), scores, empty)
    none = found["bias"].none(scores, found["bias"].learned)
    assert none.mean().item() == pytest.approx(empty.mean(), abs=1e-3) and found["bias"].weights == {
        "head": 1.0
    }
    for name in ("bias and factor", "all"):
        odds = found[name]
        assert odds.weights["head"] == pytest.approx(0.5, abs=0.08) and odds.bias == pytest.approx(
            1.5, abs=0.15
        )


@pytest.mark.parametrize(
    ("target", "met", "words"),
    [
        (Target(high=0.02), "missed", "at most 0.02"), (Target(high=0.05), "met", "at most 0.05"),
        (Target(low=0.9), "missed", "at least 0.9"), (Target(0.0, 0.1), "met", "0 to 0.1"),
        (Target(ahead=0.0), "met", "interval above 0"), (Target(ahead=0.03), "missed", "interval above 0.03"),
        (Target(), "", ""),
    ],
)  # fmt: skip
def test_a_miss_is_visible(target, met, words):
    row = figure("f", Interval(0.04, 0.02, 0.06), target, look="test")
    assert row["met"] == met and row["target"] == words and row["look"] == "test"


def test_what_there_is_none_of_is_neither_met_nor_missed():
    assert figure("f", plainly(math.nan), Target(high=1.0))["met"] == ""


# --- all of it --------------------------------------------------------------------------------------------


def test_a_pair_prefers_its_own():
    model = tiny_model(config=replace(CONFIG, openset=SMALL, form="open-set"))
    texts = ["a red boat", "a blue boat", "a cat", "a dog"]
    video = features(1, 4)[1]
    before, after = pairs.preferences(model, texts, video)
    with torch.no_grad():
        scores = model.similarity(model.encode_text(texts), video)
    assert before.tolist() == [bool(scores[i, i] > scores[i, i ^ 1]) for i in range(4)] and after.shape == (
        4,
    )


def test_colours_are_told_apart_where_each_has_its_subject(monkeypatch):
    scenes = [scene for scene in world.split("test")[:200] if scene.other]
    clear = [s for s in scenes if s.actor.colour != s.other.colour and s.actor.subject != s.other.subject]
    bound = np.zeros((len(world.SUBJECTS), len(world.COLOURS), len(scenes)), np.float32)
    for i, scene in enumerate(scenes):
        for actor in (scene.actor, scene.other):
            bound[world.SUBJECTS.index(actor.subject), world.COLOURS.index(actor.colour), i] = 1.0
    loose = bound.max(0, keepdims=True) + bound.max(1, keepdims=True)  # something red, some rocket
    for scores, more, percent in ((bound, 2.0, 100.0), (loose, 0.0, 50.0)):
        assert exchanged_colours(scores, scenes).tolist() == [more] * len(clear)
        monkeypatch.setattr(pairs, "colour_similarity", lambda *_, scores=scores: scores)
        assert pairs.colours(tiny_model(), scenes, features(1, 1)[1], "test")["value"] == percent


def test_similarity_of_colours_stands_by_subject():
    model = tiny_model()
    video = features(1, 3)[1]
    found = colour_similarity(model, video)
    subject, colour = 2, 3
    text = captions.with_article(f"{world.COLOURS[colour]} {world.SUBJECTS[subject]}")
    with torch.no_grad():
        own = model.similarity(model.encode_text([text]), video)[0]
    assert np.allclose(found[subject, colour], own.numpy(), atol=1e-5)


def test_all_questions_are_answered_on_both_looks(monkeypatch):
    monkeypatch.setattr(quality, "RESAMPLES", 3)
    monkeypatch.setattr(ensemble, "SEEDS", 20)
    monkeypatch.setattr(spread, "QUERIES", 120)
    monkeypatch.setattr(measurement, "CAPTIONS", 12)
    monkeypatch.setattr(measurement, "minimal_pairs", lambda *_: [])
    model = tiny_model(config=replace(CONFIG, openset=SMALL, form="open-set"))
    scenes, rng = world.split("test")[:40], random.Random(0)
    written = [captions.write(scene, rng, 0.8) for scene in scenes]
    text, video = features(40, 40)
    fits = torch.from_numpy(truth.fit_matrix(written, list(scenes)))
    tokens = noise(60, 32)
    reference = Reference.make([f"a red boat number {i}" for i in range(60)], tokens)
    odds = MatchOdds({"head": 1.0, "knn": 0.1}, learned=0.5)
    with torch.no_grad():
        test = measure.Test(model, text, video, model.similarity(text, video), scenes, fits, tuple(written))
    monkeypatch.setattr(measure, "load", lambda *_, **__: test)
    monkeypatch.setattr(command, "odds_of", lambda model: (reference, odds))
    with torch.no_grad():
        tables, seeds = command.measured([model, model], 3)
    figures = tables["figures"]
    assert {row["look"] for row in figures} == {"test", "second look"}
    assert {row["questions"] for row in figures} >= {"captions", "typed", "natural captions", "full captions"}
    for name in (
        "p(match) of the first, calibration error", "p(no match), 10% without a match, calibration error",
        "p(no match), 70% without a match, calibration error", "log loss less than of the small network",
        "F1 more than by the logistic", "noise share by that of a sampler that knows the facts",
        "several fit: that share less p(match) of the first",
        "draws against the softmax of the first step, total variation",
    ):  # fmt: skip
        assert pick(figures, name) is not None, name
    assert pick(figures, "odds bias: p(no match), calibration error", "second look") is not None
    assert all(row["met"] in ("met", "missed", "") and len(row["interval"]) == 2 for row in figures)
    assert {row["by"] for row in tables["rows"]} >= {"match head", "logistic"} and evidence.plot(
        tables["rows"]
    )
    assert len(seeds) == 2 and seeds[0] == seeds[1] | {"training seed": "0"}
    many = tables["several_that_fit"]
    assert many and all(0 <= row["entropy"] <= row["log_m"] + 1e-9 and row["queries"] for row in many)
    shows = sentence(figures, seeds)
    assert "Over 2 training seeds" in shows and "targets are missed" in shows
    card = open_set_card(tables | {"command": "c", "minutes": 1, "shows": shows, "training_seeds": seeds})
    assert card.count("missed |") + card.count("met |") == sum(bool(row["met"]) for row in figures)
    assert card.count("\n| test,") + card.count("\n| second look,") == len(figures)
