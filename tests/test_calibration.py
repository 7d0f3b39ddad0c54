"""Conformal p-values against their definition, and calibration files that refuse to be used for something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusionret.ood.conformal import (
    Calibration,
    StaleCalibration,
    benjamini_hochberg,
    p_values,
    say_p,
    threshold,
)

REMEDY = "python -m diffusionret calibrate"
# Few distinct values, so that ties are common.
scores = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=40).map(np.array)


@given(scores, scores)
def test_p_values_are_their_definition(calibration, queries):
    found = p_values(calibration, queries)
    slow = [(1 + sum(c >= q for c in calibration)) / (len(calibration) + 1) for q in queries]
    assert found.tolist() == pytest.approx(slow)
    assert (found >= 1 / (len(calibration) + 1)).all() and (found <= 1).all()


@given(scores, scores, st.sampled_from([0.01, 0.05, 0.1, 0.2, 0.5, 0.9]))
def test_the_threshold_flags_what_the_p_value_flags(calibration, queries, alpha):
    flagged = p_values(calibration, queries) <= alpha + 1e-12
    assert ((queries >= threshold(calibration, alpha)) == flagged).all()


def test_one_percent_needs_99_scores():
    assert p_values(np.zeros(98), np.array([1.0]))[0] > 0.01
    assert p_values(np.zeros(99), np.array([1.0]))[0] == pytest.approx(0.01)
    assert threshold(np.arange(98.0), 0.01) == np.inf


def test_a_query_drawn_like_the_calibration_is_flagged_at_most_alpha_of_the_time():
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(2000, 100))  # in each row 99 calibration scores and one query
    for alpha in (0.01, 0.05, 0.2):
        rate = np.mean([p_values(row[1:], row[:1])[0] <= alpha for row in drawn])
        assert rate == pytest.approx(alpha, abs=3 * np.sqrt(alpha / 2000))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.sampled_from([0.05, 0.1, 0.5]))
def test_benjamini_hochberg_is_its_definition(p, level):
    found = benjamini_hochberg(np.array(p), level)
    ordered = sorted(p)
    passing = [i for i, value in enumerate(ordered, 1) if value <= level * i / len(p) + 1e-12]
    cut = ordered[passing[-1] - 1] if passing else -1
    assert found.tolist() == [value <= cut for value in p]


def test_benjamini_hochberg_by_hand():
    p = np.array([0.041, 0.001, 0.9, 0.008, 0.039])
    assert benjamini_hochberg(p, 0.05).tolist() == [False, True, False, True, False]
    assert benjamini_hochberg(np.array([]), 0.05).tolist() == []


def test_nan_and_nothing_are_refused():
    for calibration, queries in (([], [1.0]), ([1.0], [np.nan]), ([np.nan], [1.0])):
        with pytest.raises(ValueError, match="NaN"):
            p_values(np.array(calibration), np.array(queries))


def test_the_least_p_value_is_a_bound():
    assert say_p(1 / 1001, 1000) == "p ≤ 0.001"
    assert say_p(2 / 1001, 1000) == "p = 0.002"
    assert say_p(0.5, 1000) == "p = 0.50"


def calibration(**made_for) -> Calibration:
    return Calibration(
        np.array([2.0, 1.0, 3.0]), {"knn": 1.0}, made_for, {"queries": "three"}, {"mean": np.arange(4.0)}
    )


def test_a_calibration_survives_the_disk(tmp_path: Path):
    file = tmp_path / "new" / "text.safetensors"
    calibration(model="a", candidates=32).save(file)
    back = Calibration.load(file, dict(model="a", candidates=32), REMEDY)
    assert back.scores.tolist() == [1, 2, 3] and back.n == 3
    assert back.weights == {"knn": 1.0} and back.about == {"queries": "three"}
    assert back.arrays["mean"].tolist() == [0, 1, 2, 3]
    assert [f.name for f in file.parent.iterdir()] == [file.name]
    first = file.read_bytes()
    calibration(candidates=32, model="a").save(file)
    assert file.read_bytes() == first


def test_a_stale_one_is_refused_and_says_why(tmp_path: Path):
    file = tmp_path / "text.safetensors"
    calibration(model="a", candidates=32).save(file)
    with pytest.raises(StaleCalibration, match=f"another candidates and gallery: run `{REMEDY}`"):
        Calibration.load(file, dict(model="a", candidates=16, gallery="b"), REMEDY)


def test_a_missing_and_a_broken_one_say_what_to_do(tmp_path: Path):
    file = tmp_path / "text.safetensors"
    with pytest.raises(FileNotFoundError, match="no calibration"):
        Calibration.load(file, {}, REMEDY)
    file.write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    with pytest.raises(ValueError, match="not a readable calibration"):
        Calibration.load(file, {}, REMEDY)
