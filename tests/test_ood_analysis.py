"""Figures of merit of unusual-query scores against trusted ones or their definitions, and what the sets promise."""

from __future__ import annotations

import json
import random
import xml.etree.ElementTree as xml
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from tiny import BOTH, features, tiny_model

from analysis.ood import (
    alarms,
    bootstrap,
    combination,
    command,
    figures,
    measurement,
    merit,
    near,
    scoring,
    sentences,
    sets,
    spoiling,
    test_sets,
    validation_sets,
)
from diffusionret import Gallery, Retriever
from diffusionret.calibrate import halves, ordinary_caption
from diffusionret.datasets.storybook import captions, world
from diffusionret.ood.scores import GALLERY_SCORES, TEXT_SCORES, words_of
from diffusionret.ood.verdict import MatchOdds

SCENES = world.split("test")[:60]


def draws(seed: int, usual: int = 80, unusual: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties."""
    rng = np.random.default_rng(seed)
    return rng.normal(1, 1, unusual).round(1), rng.normal(0, 1, usual).round(1)


@pytest.mark.parametrize("seed", range(3))
def test_areas_are_those_of_scikit_learn(seed):
    unusual, usual = draws(seed)
    labels, values = np.r_[np.ones(50), np.zeros(80)], np.r_[unusual, usual]
    assert merit.auroc(unusual, usual) == pytest.approx(roc_auc_score(labels, values))
    assert merit.aupr(unusual, usual) == pytest.approx(average_precision_score(labels, values))


def test_a_miss_is_what_stays_below_the_alarms():
    usual = np.arange(100.0)
    assert (
        merit.miss(np.array([93.0, 94, 95, 200]), usual) == 0.5
    )  # five of a hundred may be larger than the cut
    assert merit.miss(np.array([50.0]), np.full(10, 50.0)) == 1, "a tie with the cut is missed"


def test_the_bootstrap_draws_units_and_pairs_sets_that_share_them():
    units = {
        "a": ["clip 0", "clip 0", "clip 1"],
        "b": ["clip 0", "clip 1", "clip 2"],
        "c": ["far 0", "far 1"],
    }
    weights = bootstrap.replicates(units, 50)
    assert (weights["a"][:, 0] == weights["a"][:, 1]).all(), "captions of one clip come together"
    assert (weights["a"][:, 0] == weights["b"][:, 0]).all(), "and in every set"
    assert (weights["c"].sum(axis=1) == 2).all()
    unusual, usual = draws(0, 3, 3)
    found = bootstrap.bootstrap_auroc(unusual, usual, weights["a"], weights["b"])
    for one, w, v in zip(found, weights["a"], weights["b"], strict=True):
        if w.sum() and v.sum():
            again = merit.auroc(np.repeat(unusual, w.astype(int)), np.repeat(usual, v.astype(int)))
            assert one == pytest.approx(again, abs=1e-6)


def test_a_combination_weighs_what_tells_and_nothing_below_zero():
    rng = np.random.default_rng(0)
    usual = {
        "tells": rng.normal(0, 1, 400),
        "noise": rng.normal(0, 1, 400),
        "misleads": rng.normal(1, 1, 400),
    }
    unusual = {
        "tells": rng.normal(2, 1, 300),
        "noise": rng.normal(0, 1, 300),
        "misleads": rng.normal(0, 1, 300),
    }
    weights = combination.fit(list(usual), usual, [unusual])
    assert weights["tells"] > 0.5 and "misleads" not in weights and weights.get("noise", 0) < 0.2
    chosen, tried = combination.choose(list(usual), usual, [unusual])
    assert tried["tells"] > 0.9 > 0.3 > tried["misleads"] and set(chosen) >= {"tells"}


def test_the_band_of_false_alarms_holds_nine_of_ten_draws():
    rng = np.random.default_rng(0)
    low, high = alarms.band(200, 200, 0.05)
    counts = []
    for _ in range(2000):
        drawn = rng.normal(size=400)
        counts.append(int((alarms.split_p_values(drawn, 200) <= 0.05 + 1e-12).sum()))
    inside = np.mean([(low <= count <= high) for count in counts])
    assert 0.88 <= inside <= 0.96  # whole numbers hold a little more than 90 %
    assert np.mean(counts) / 200 == pytest.approx(0.05, abs=0.003)


def test_a_difference_is_paired():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 1000)
    rows = [{"detector": "one", "endpoint": 0.8}, {"detector": "two", "endpoint": 0.78}]
    found = bootstrap.difference(
        {"one": 0.8 + noise, "two": 0.78 + noise + rng.normal(0, 0.001, 1000)}, rows, "one", "two"
    )
    assert found["difference"] == 0.02 and found["95 %"][0] > 0 and found["p"] < 0.01


def test_a_curve_is_that_of_its_area():
    unusual, usual = draws(1, 300, 300)
    points = np.array(merit.roc(unusual, usual))
    assert (
        (np.diff(points, axis=0) >= 0).all()
        and points[0].tolist() == [0, 0]
        and points[-1].tolist() == [1, 1]
    )
    assert np.trapezoid(points[:, 1], points[:, 0]) == pytest.approx(merit.auroc(unusual, usual), abs=0.01)


# --- the sets ----------------------------------------------------------------------------------------------------


def test_validation_and_test_share_no_kind_and_no_clip(monkeypatch):
    monkeypatch.setattr(validation_sets, "near_present", lambda *_: sets.Sets(validation_sets.NEAR, [], []))
    valid = validation_sets.validation(None, SCENES, 20)
    half, rest = halves(len(SCENES))
    assert set(valid[0].unit) <= set(half) and not set(half) & set(rest)
    assert {part.name for part in valid} & {
        "near",
        "gallery-absent",
        "far",
        "nonsense",
        "adversarial",
    } == set()
    assert all(len(part.texts) == len(part.unit) for part in valid)
    known = {word for part in valid[:1] for text in part.texts for word in words_of(text)}
    foreign = next(part for part in valid if part.name == "a foreign word")
    assert all(set(words_of(text)) - known for text in foreign.texts)


def test_near_captions_say_what_training_never_showed():
    part = near.near(SCENES, 20)
    assert len(part.texts) == 20 and part.name in sets.PRIMARY
    rng = random.Random(0)
    assert not any(near.compositions(ordinary_caption(scene, rng)) for scene in SCENES)
    said = {
        name: {pair for _, c in near.written(name) for pair in near.compositions(c)} for name in near.PARTS
    }
    assert said["validation"] and said["test"] and not said["validation"] & said["test"], "none is in both"


def test_a_near_clip_joins_the_gallery(monkeypatch):
    """So that a query may be unfamiliar and have a match."""
    model = tiny_model(config=BOTH)
    frames = np.random.default_rng(0).integers(0, 255, (500, 4, 32, 32, 3), dtype=np.uint8)
    monkeypatch.setattr(near.clips, "split_frames", lambda *_: frames)
    library = Retriever(model, Gallery.in_memory(features(1, 30)[1]))
    part = near.near_present(library, "test", 5)
    assert (
        len(part.texts) == 5 and len(part.gallery) == 35 and part.gallery.ids[-1] == f"near {part.unit[-1]}"
    )
    other = scoring.over(library, part)
    assert other.gallery is part.gallery and scoring.over(library, sets.Sets("a", [], [])) is library
    found = scoring.score_sets(library, [part], (None,), "test", MatchOdds({"head": 1.0}))[part.name]
    assert (
        found[scoring.CHANCE].shape == (5,)
        and ((found[scoring.CHANCE] > 0) & (found[scoring.CHANCE] < 1)).all()
    )


def test_visitors_write_of_their_own_clip():
    rng = random.Random(0)
    for name in validation_sets.VISITORS:
        part = validation_sets.visitors(name, SCENES, range(40), rng)
        assert 30 < len(part.texts) == len(part.unit) and part.name in validation_sets.QUIET
    brief = validation_sets.visitors("brevity", SCENES, range(40), rng).texts
    assert np.mean([len(words_of(text)) for text in brief]) < 5
    foreign = validation_sets.topics(50, rng).texts
    assert len(set(foreign)) == 50 and validation_sets.mistyped(SCENES, range(20), rng).texts


def test_what_is_absent_was_taken_out_with_its_equals():
    _, half = halves(len(SCENES))
    part = test_sets.absent(SCENES, half)
    assert part.without is not None and part.without.shape == (len(part.texts), len(SCENES))
    assert all(part.without[q, clip] for q, clip in enumerate(part.unit))
    assert (part.without.sum(dim=1) <= len(SCENES) // 10).all()


def test_alterations_are_what_they_are_called():
    rng = random.Random(0)
    text = "a red boat rises at sea"
    for _ in range(50):
        typed = spoiling.mistyped(text, rng)
        assert abs(len(typed) - len(text)) <= 1
    assert sorted(words_of(spoiling.shuffled(text, rng))) == sorted(words_of(text))
    frame = spoiling.rebuilt("a chef slices onions in a kitchen", rng).split()
    assert frame[0] == "a" and set(frame) - {"a", "in"} <= {
        w for word in spoiling.WORDS for w in word.split()
    }
    assert all(sentences.FAR) and len(set(sentences.FAR)) == len(sentences.FAR)
    assert len(test_sets.shifted(SCENES, range(9), rng).texts) == 9


def test_fresh_queries_are_fresh_and_repeat():
    one, two = (sets.fresh(SCENES, 20, np.random.default_rng(seed)) for seed in (0, 1))
    assert one != two and one == sets.fresh(SCENES, 20, np.random.default_rng(0))
    assert len(sets.fresh_scenes(5, np.random.default_rng(0))) == 5


# --- pictures ----------------------------------------------------------------------------------------------------


def test_pictures_are_valid_svg_with_every_line():
    kinds = {key: [[0.0, 0.0], [0.2, 0.7], [1.0, 1.0]] for key in ("near", "gallery-absent")}
    p = {"familiar": np.linspace(0, 1, 101).tolist()}
    curves = {"roc": {"A: knn": kinds, "B: <energy>": kinds}, "p": p, "n": 200, "m": 200}
    drawn = figures.pictures(curves)
    assert set(drawn) == {"roc-near", "roc-gallery-absent", "p-values"}
    found = {name: xml.fromstring(figures.svg(figure)) for name, figure in drawn.items()}
    lines = {name: len(root.findall(".//{*}polyline")) for name, root in found.items()}
    assert lines == {"roc-near": 3, "roc-gallery-absent": 3, "p-values": 2}
    assert len(found["p-values"].findall(".//{*}polygon")) == 1, "the band"
    assert "B: <energy>" in "".join(found["roc-near"].itertext())


# --- all of it ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["open-set", "published"])
def test_everything_is_measured_on_a_small_gallery(monkeypatch, form):
    """And what is drawn decides nothing, whatever comes out."""
    shown = [
        captions.canonical(scene).text for scene in world.split("test")[:80]
    ]  # half of it has candidates enough
    model = tiny_model(config=replace(BOTH, form=form, dataset="storybook"))
    gallery = Gallery.in_memory(features(1, len(shown))[1], captions=shown)
    frames = np.random.default_rng(0).integers(0, 255, (500, 4, 32, 32, 3), dtype=np.uint8)
    monkeypatch.setattr(near.clips, "split_frames", lambda *_: frames)
    for name, value in (("REPLICATES", 20), ("REFERENCE", 60), ("DRAW", 20)):
        monkeypatch.setattr(measurement, name, value)
    monkeypatch.setattr(
        test_sets, "adversarial", lambda *_: sets.Sets("adversarial", ["boat red"] * 3, [0, 1, 2])
    )
    results, curves, weights = measurement.measure(Retriever(model, gallery), None, 12, 2)
    detectors = {row["detector"] for row in results["detectors"]}
    assert {
        "relative",
        "contrast",
        "residual",
        "knn",
        "A + B + G",
        f"{form} gap".removeprefix(f"{form} "),
    } <= detectors
    assert (scoring.CHANCE in detectors) == (form == "open-set"), (
        "the published form has no odds without queries"
    )
    assert set(weights["familiar"]) <= set(TEXT_SCORES) and set(weights["match"]) <= set(GALLERY_SCORES)
    calm = results["flagged % of what should not be"]
    assert {sets.ORDINARY, sets.PRESENT} <= set(calm) and ("denied" in calm[sets.PRESENT]) == (
        form == "open-set"
    )
    assert set(results["false alarms"]) == {"familiar, new scenes", "familiar", "match"}
    assert any(row["comparison"].startswith("P against") for row in results["comparisons"]) == (
        form == "open-set"
    )
    assert command.sentence(results) and set(figures.pictures(curves)) == {
        "roc-near",
        "roc-gallery-absent",
        "p-values",
    }
    assert json.dumps(results)
