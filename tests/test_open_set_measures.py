"""The measurements of the open-set generator, on cases that can be told by hand."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import CONFIG, features, tiny_model

from analysis import measure
from analysis.model_card.open_set import open_set as open_set_card
from analysis.open_set import measurement, probabilities, quality, steps, summary, worlds
from analysis.open_set.ensemble import evenness, same_set, visits
from analysis.open_set.fitting import Fitted, logistic, softmax_at, softmax_or_none
from analysis.open_set.quality import auroc, auroc_interval, calibration, first
from demo import evidence
from diffusionret.config import OpenSetConfig
from diffusionret.datasets.storybook import captions, truth, world
from diffusionret.metrics import reliability

SMALL = OpenSetConfig(steps=4, seeds=2, width=16, layers=1, heads=2)


def test_reliability_by_hand():
    found = reliability(np.array([0.05, 0.05, 0.95, 1.0]), np.array([0, 1, 1, 1]))
    assert found.count.tolist() == [2, 2] and found.frequency.tolist() == [0.5, 1.0]
    assert found.error == pytest.approx((0.45 + 0.025) / 2)


def test_what_is_drawn_from_its_probability_is_calibrated():
    g = torch.Generator().manual_seed(0)
    said = torch.rand(4000, 8, generator=g)
    true = (torch.rand(4000, 8, generator=g) < said).double()
    found = calibration(said, true)
    low, high = found["interval"]
    assert found["calibration_error"] < 0.02 and low <= high
    assert calibration(said**3, true)["calibration_error"] > 0.1


@pytest.mark.parametrize(
    ("form", "numbers"), [(softmax_at, [1.5]), (softmax_or_none, [1.2, 1.0]), (logistic, [1.0, -2.0])]
)
def test_fitted_numbers_are_found_again(form, numbers):
    g = torch.Generator().manual_seed(1)
    scores = torch.randn(20000, 5, generator=g).double()
    true = form(scores, torch.tensor(numbers).double())
    match = (torch.rand(true.shape, generator=g) < true).double()
    found = Fitted(form, [0.0] * len(numbers)).fit(scores, match).numbers
    assert found.tolist() == pytest.approx(numbers, abs=0.1)


def test_the_area_is_the_share_of_pairs():
    rng = np.random.default_rng(0)
    here, away = rng.integers(0, 6, 50).astype(float), rng.integers(2, 8, 50).astype(float)
    slow = np.mean([(a > h) + 0.5 * (a == h) for a in away for h in here])
    assert auroc(here, away) == pytest.approx(slow)
    assert auroc_interval(here, away, (here, away)) == (0, 0, 0)  # nobody is ahead of himself
    found = auroc_interval(here, away)
    assert found.low < found.estimate < found.high


def test_seeds_that_visit_evenly_have_the_entropy_log_m():
    match = torch.tensor([[1.0, 1, 1, 0], [1, 0, 0, 0]]).double()
    x0 = -torch.ones(6, 2, 4)
    for seed in range(6):
        x0[seed, 0, seed % 3] = 1.0  # one at a time, in turn
        x0[seed, 1, 0] = 1.0
    m, entropy, mass = evenness(visits(x0), match)
    assert m.tolist() == [3, 1] and mass.tolist() == pytest.approx([1, 1])
    assert entropy.tolist() == pytest.approx([math.log(3), 0.0])
    assert same_set(x0).tolist() == pytest.approx([1 / 3, 1.0])
    together = evenness(visits(match[None].float() * 2 - 1), match)[1]
    assert together.tolist() == pytest.approx([math.log(3), 0.0])  # all at once is even, too


def test_the_first_is_the_most_probable():
    said, true = torch.tensor([[0.2, 0.9], [0.6, 0.1]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert [part.tolist() for part in first(said, true)] == [pytest.approx([0.9, 0.6]), [0.0, 1.0]]


def test_all_questions_are_answered_on_both_looks(monkeypatch):
    monkeypatch.setattr(quality, "RESAMPLES", 3)
    monkeypatch.setattr(measurement, "SEEDS", 3)
    model = tiny_model(config=replace(CONFIG, openset=SMALL, form="open-set"))
    scenes, rng = world.split("test")[:30], random.Random(0)
    written = [captions.write(scene, rng, 0.8) for scene in scenes]
    text, video = features(30, 30)
    fits = torch.from_numpy(truth.fit_matrix(written, list(scenes)))
    with torch.no_grad():
        test = measure.Test(model, text, video, model.similarity(text, video), scenes, fits, written)
    fitted = probabilities.fit_baselines(test)
    looks = [measurement.measurements(worlds.World(test, test), fitted, look) for look in worlds.LOOKS]
    found = {name: looks[0][name] + looks[1].get(name, []) for name in looks[0]}
    assert {row["generator"] for row in found["noise"]} == {"open-set", "published"}
    assert {row["by"] for row in found["rows"]} == set(probabilities.DRAWN) and evidence.plot(found["rows"])
    seeds = [{"training seed": "0"} | summary.summary(found)] * 2
    shows = summary.sentence(found, seeds)
    assert "Over 2 training seeds" in shows
    card = open_set_card(found | {"command": "c", "minutes": 1, "shows": shows, "training_seeds": seeds})
    assert card.count("| second look |") == card.count("| test |") == 15 + 12 + 5  # a row a figure
    assert [row["steps"] for row in steps.steps_needed(test)] == [1, 2, 4]
