"""Conformal p-values against their definition, and calibration files that refuse to be used for something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusionret.ood.conformal import (
    LENGTHS,
    Calibration,
    StaleCalibration,
    benjamini_hochberg,
    lengths,
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


@given(scores, st.integers(-6, 6).map(float))
def test_one_p_value_is_that_of_many(calibration, query):
    for null, sign in (("ordinary", 1), ("unrelated", -1)):
        found = Calibration(calibration, np.ones(len(calibration), int), {}, {}, {"null": null}, {}).p_value(
            query, 1
        )
        assert found == pytest.approx(p_values(sign * calibration, np.array([sign * query]))[0])


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
        np.array([2.0, 1.0, 3.0]),
        np.array([5, 1, 9]),
        {"knn": 1.0},
        made_for,
        {"queries": "three"},
        {"mean": np.arange(4.0)},
    )


def test_a_calibration_survives_the_disk(tmp_path: Path):
    file = tmp_path / "new" / "text.safetensors"
    calibration(model="a", candidates=32).save(file)
    back = Calibration.load(file, dict(model="a", candidates=32), REMEDY)
    assert back.scores.tolist() == [1, 2, 3] and back.words.tolist() == [1, 5, 9] and back.n == 3
    assert back.weights == {"knn": 1.0} and back.about == {"queries": "three"}
    assert back.arrays["mean"].tolist() == [0, 1, 2, 3]
    assert [f.name for f in file.parent.iterdir()] == [file.name]
    first = file.read_bytes()
    calibration(candidates=32, model="a").save(file)
    assert file.read_bytes() == first


def test_queries_are_compared_with_those_of_their_length():
    words = np.repeat([1, 3, 5, 12], 50)
    scores = np.concatenate([np.arange(50.0) + 100 * i for i in range(4)])
    found = Calibration(scores, words, {}, {}, {}, {})
    assert tuple(found.groups) == (1, 2, 4, 8)
    assert [found.like(n).length for n in (0, 1, 2, 3, 4, 7, 8, 40)] == [
        *("1 word", "1 word", "2 to 3 words", "2 to 3 words"),
        *("4 to 7 words", "4 to 7 words", "8 words or more", "8 words or more"),
    ]
    assert found.p_value(100.0, 1) == 1 / 51 and found.p_value(100.0, 2) == 1.0
    swapped = Calibration(scores, words, {}, {}, {"null": "unrelated"}, {})
    assert swapped.p_value(100.0, 1) == 1.0 and swapped.p_value(100.0, 3) == 2 / 51


@given(st.lists(st.integers(1, 20), min_size=1, max_size=200), st.integers(1, 40))
def test_no_group_of_lengths_is_small_where_one_can_be_large(words, least):
    found = lengths(np.array(words), least)
    sizes = [
        sum(low <= n < high for n in words)
        for low, high in zip((0, *found[1:]), (*found[1:], 99), strict=True)
    ]
    assert sum(sizes) == len(words) and set(found) <= set(LENGTHS) and found[0] == 1
    assert min(sizes) >= min(least, len(words))
    assert lengths(np.array(sorted(words)), least) == found


def test_alarms_are_as_rare_among_short_queries_as_among_long_ones():
    """Scores that grow with brevity: one null for all would flag short queries alone."""
    rng = np.random.default_rng(0)
    words = rng.choice([1, 3, 6, 10], 4000)
    scores = rng.normal(size=4000) + 10.0 / words
    null = Calibration(scores[:2000], words[:2000], {}, {}, {}, {})
    p = np.array(
        [null.p_value(*pair) for pair in zip(scores[2000:].tolist(), words[2000:].tolist(), strict=True)]
    )
    for n in (1, 3, 6, 10):
        of = p[words[2000:] == n]
        assert abs((of <= 0.1).mean() - 0.1) < 0.05, n
    one = p_values(scores[:2000], scores[2000:])
    assert (one[words[2000:] == 1] <= 0.1).mean() > 0.3


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
