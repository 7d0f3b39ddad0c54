"""Metrics: known figures, the tie policy, slow twins and invariances."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from diffusionret import metrics as M

SHARED = Path(__file__).parents[2] / "shared"
PARITY = Path(__file__).parent / "parity"
MATRICES = SHARED / "realdata" / "similarity"
needs_matrices = pytest.mark.skipif(not MATRICES.exists(), reason="real matrices are not here")


def recalls(metrics: M.RetrievalMetrics) -> list[float]:
    return [round(r, 1) for r in (metrics.R1, metrics.R5, metrics.R10)]


def check(metrics: M.RetrievalMetrics, figures: dict[str, float]) -> None:
    names = dict(MdR="MedianR", MnR="MeanR")
    for name, value in asdict(metrics).items():
        assert value == pytest.approx(figures[names.get(name, name)], abs=2e-5), name


# -- known figures -------------------------------------------------------------------------------------


def test_parity_with_one_caption_a_video() -> None:
    figures = json.loads((PARITY / "figures.json").read_text())["figures"]
    similarity = np.load(PARITY / "arrays.npz")["metric_similarity"]
    check(M.retrieval_metrics(similarity), figures["metric_t2v"])
    check(M.retrieval_metrics(similarity.T), figures["metric_v2t"])


def test_parity_with_several_captions_a_video() -> None:
    figures = json.loads((PARITY / "figures.json").read_text())["figures"]
    similarity = np.load(PARITY / "arrays.npz")["multi_similarity"]
    owner = np.repeat(np.arange(6), np.diff([0, *figures["multi_cuts"]]))
    check(M.retrieval_metrics(similarity, owner), figures["multi_t2v"])
    check(M.retrieval_metrics(M.best_captions(similarity, owner)), figures["multi_v2t"])
    among_all = M.retrieval_metrics(similarity.T, M.captions_of_videos(owner))
    assert among_all.MnR > figures["multi_v2t"]["MeanR"]


@needs_matrices
def test_known_figures_of_real_matrices() -> None:
    video = np.load(MATRICES / "msrvtt_video_matrix.npy")
    titles = np.load(MATRICES / "msrvtt_titles_matrix.npy")
    t2v, v2t = M.retrieval_metrics(video), M.retrieval_metrics(video.T)
    assert recalls(t2v) == [48.0, 73.0, 82.9] and round(t2v.R50, 1) == 95.1
    assert t2v.MdR == 2 and t2v.MnR == pytest.approx(13.129, abs=5e-4)
    assert recalls(v2t) == [45.6, 74.1, 82.7] and round(v2t.R50, 1) == 97.1
    assert v2t.MdR == 2 and v2t.MnR == pytest.approx(8.680, abs=5e-4)
    assert recalls(M.retrieval_metrics(titles)) == [29.7, 55.8, 66.6]
    assert recalls(M.retrieval_metrics(0.73 * video + 0.27 * titles)) == [49.1, 74.8, 83.0]
    assert recalls(M.retrieval_metrics(M.dual_softmax(video))) == [52.8, 78.0, 85.8]
    low, high = M.bootstrap_interval(M.ranks(video), "R1")[1:]
    assert 44.5 < low < 45.5 and 50.5 < high < 51.5  # one standard error is 1.6 points


# -- ranks ---------------------------------------------------------------------------------------------


def test_ties_get_their_mean_rank() -> None:
    similarity = np.array([[1.0, 3, 3, 0], [2, 2, 2, 2], [0, 1, 2, 3], [5, 5, 4, 4]])
    np.testing.assert_array_equal(M.ranks(similarity), [3, 2.5, 2, 3.5])
    by_scipy = np.diag(stats.rankdata(-similarity, axis=1))
    np.testing.assert_array_equal(M.ranks(similarity), by_scipy)


def test_the_best_of_several_targets_counts() -> None:
    row = np.array([[0.1, 0.9, 0.5, 0.7]])
    assert M.ranks(row, [[0, 2]]) == 3 and M.ranks(row, [[0, 3, 2]]) == 2 and M.ranks(row, [[0]]) == 4
    assert M.ranks(np.array([[0.9, 0.9, 0.5]]), [[0, 1]]) == 1  # two right answers do not harm each other
    assert M.ranks(np.zeros((1, 5)), [[0, 1]]) == 2
    assert M.ranks(row, [[3, 3]]) == 2


def test_infinities_are_scores() -> None:
    low, high = -np.inf, np.inf
    similarity = np.array([[low, 0.0, 1.0], [high, high, 0.0], [low, low, low]])
    np.testing.assert_array_equal(M.ranks(similarity), [3, 1.5, 2])


def test_torch_and_numpy_agree() -> None:
    similarity = torch.randn(20, 20, generator=torch.Generator().manual_seed(0), requires_grad=True)
    plain = similarity.detach().numpy()
    assert (
        M.retrieval_metrics(similarity) == M.retrieval_metrics(plain) == M.retrieval_metrics(plain.tolist())
    )
    targets = torch.arange(20).flip(0)
    np.testing.assert_array_equal(M.ranks(similarity, targets), M.ranks(plain, targets.numpy()))
    np.testing.assert_array_equal(M.ranks(similarity.bfloat16()), M.ranks(similarity.bfloat16().float()))
    np.testing.assert_array_equal(M.ranks((10 * plain).astype(int)), M.ranks(np.trunc(10 * plain)))


def test_wrong_input_is_refused() -> None:
    bad = np.zeros((4, 4))
    bad[2, 1] = np.nan
    square = np.zeros((4, 4))
    for function in (M.ranks, M.retrieval_metrics, M.dual_softmax, lambda s: M.qb_norm(s, square)):
        with pytest.raises(ValueError, match="row 2"):
            function(bad)
    with pytest.raises(ValueError, match="shape"):
        M.ranks(np.zeros(4))
    with pytest.raises(ValueError, match="say the target"):
        M.ranks(np.zeros((4, 5)))
    with pytest.raises(ValueError, match="3 targets for 4"):
        M.ranks(square, [0, 1, 2])
    for targets in ([0, 1, 2, 4], [0, 1, 2, -1], [0, 1, 2, 0.5]):
        with pytest.raises(ValueError, match="query 3 is not an index"):
            M.ranks(square, targets)
    with pytest.raises(ValueError, match="Query 1 has no target"):
        M.ranks(square, [[0], [], [1], [2]])
    with pytest.raises(ValueError, match="Video 1 has no caption"):
        M.best_captions(np.zeros((3, 3)), [0, 0, 2])
    for owner in ([0, 1, 3], [0, 1, -1], [0.0, 1.0, 2.0]):
        with pytest.raises(ValueError, match="indices of 3 videos"):
            M.best_captions(np.zeros((3, 3)), owner)
    with pytest.raises(ValueError, match="2 video indices"):
        M.best_captions(np.zeros((3, 3)), [0, 0])


scores = st.integers(-3, 3).map(float) | st.sampled_from([np.inf, -np.inf])
matrices = hnp.arrays(float, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=scores)


def draw_targets(data: st.DataObject, shape: tuple[int, int]) -> list[list[int]]:
    one = st.lists(st.integers(0, shape[1] - 1), min_size=1, max_size=3, unique=True)
    return data.draw(st.lists(one, min_size=shape[0], max_size=shape[0]))


@settings(max_examples=200, deadline=None)
@given(st.data(), matrices)
def test_ranks_equal_sorting(data: st.DataObject, similarity: np.ndarray) -> None:
    targets = draw_targets(data, similarity.shape)
    found = M.ranks(similarity, targets)
    np.testing.assert_allclose(found, reference.ranks_by_sorting(similarity, targets), rtol=1e-12)
    metrics = M.retrieval_metrics(similarity, targets)
    for k in (1, 5, 10, 50):
        assert getattr(metrics, f"R{k}") == pytest.approx(reference.recall(found, k))


@settings(max_examples=100, deadline=None)
@given(st.data(), matrices, st.integers(0, 2**32 - 1))
def test_ranks_ignore_the_order_of_gallery_and_queries(data, similarity: np.ndarray, seed: int) -> None:
    targets = draw_targets(data, similarity.shape)
    rng = np.random.default_rng(seed)
    queries, gallery = (rng.permutation(n) for n in similarity.shape)
    place = np.argsort(gallery)
    moved = [[int(place[t]) for t in targets[q]] for q in queries]
    before, after = M.ranks(similarity, targets), M.ranks(similarity[queries][:, gallery], moved)
    np.testing.assert_array_equal(after, before[queries])


@settings(max_examples=100, deadline=None)
@given(st.data(), matrices, st.integers(1, 5), st.integers(-20, 20))
def test_ranks_ignore_monotone_transforms_of_a_row(
    data, similarity: np.ndarray, scale: int, shift: int
) -> None:
    targets = draw_targets(data, similarity.shape)
    np.testing.assert_array_equal(M.ranks(scale * similarity + shift, targets), M.ranks(similarity, targets))
    np.testing.assert_array_equal(M.ranks(np.exp2(similarity), targets), M.ranks(similarity, targets))


@settings(max_examples=100, deadline=None)
@given(matrices)
def test_single_targets_have_the_mean_rank_of_their_ties(similarity: np.ndarray) -> None:
    every = np.repeat(similarity, similarity.shape[1], axis=0)
    targets = np.tile(np.arange(similarity.shape[1]), len(similarity))
    expected = stats.rankdata(-similarity, axis=1).ravel()
    np.testing.assert_array_equal(M.ranks(every, targets), expected)


def test_a_constant_matrix_is_chance() -> None:
    metrics = M.retrieval_metrics(np.ones((100, 100)))
    assert metrics.R1 == 0 and metrics.R10 == 0 and metrics.MnR == 50.5


def test_both_protocols_agree_with_one_caption_a_video() -> None:
    rng = np.random.default_rng(0)
    similarity, owner = rng.normal(size=(30, 30)), rng.permutation(30)
    pooled = M.ranks(M.best_captions(similarity, owner))
    np.testing.assert_array_equal(pooled, M.ranks(similarity.T, M.captions_of_videos(owner)))


# -- intervals -----------------------------------------------------------------------------------------


def test_statistics_are_the_fields() -> None:
    assert list(M.STATISTICS) == [f.name for f in fields(M.RetrievalMetrics)]
    assert M.RetrievalMetrics.from_ranks([1, 2, 6, 51]) == M.RetrievalMetrics(25, 50, 75, 75, 4, 15)


def test_interval_of_a_mean_is_the_normal_one() -> None:
    values = np.random.default_rng(1).normal(5, 2, size=400)
    interval = M.bootstrap_interval(values, lambda v: float(v.mean()), resamples=4000)
    half = 1.96 * values.std() / 20
    assert interval.estimate == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.03)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.03)
    assert interval == M.bootstrap_interval(values, lambda v: float(v.mean()), resamples=4000)
    assert interval != M.bootstrap_interval(values, lambda v: float(v.mean()), resamples=4000, seed=1)
    narrow = M.bootstrap_interval(values, lambda v: float(v.mean()), level=0.5)
    assert interval.low < narrow.low < narrow.high < interval.high


def test_groups_are_drawn_whole() -> None:
    ranks = np.repeat([1.0, 2.0], 50).repeat(4)
    groups = np.arange(100).repeat(4)
    alone = M.bootstrap_interval(ranks, "R1")
    together = M.bootstrap_interval(ranks, "R1", groups=groups)
    assert alone.estimate == together.estimate == 50
    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(2, rel=0.15)
    for chosen in M._resamples(5, ["b", "a", "b", "c", "a"], 20, seed=0):
        counts = np.bincount(chosen, minlength=5)
        assert counts[0] == counts[2] and counts[1] == counts[4]
        assert counts[0] + counts[1] + counts[3] == 3


def test_pairing_removes_what_both_share() -> None:
    rng = np.random.default_rng(2)
    before = rng.integers(1, 30, size=500)
    after = np.where(rng.random(500) < 0.1, 1, before)
    gain = M.paired_bootstrap(before, after, "R1")
    assert gain.estimate == pytest.approx(100 * ((after == 1).mean() - (before == 1).mean()))
    assert gain.low > 0
    apart = [M.bootstrap_interval(r, "R1") for r in (before, after)]
    assert gain.high - gain.low < max(i.high - i.low for i in apart) * 1.3
    swapped = M.paired_bootstrap(after, before, "R1")
    assert swapped == pytest.approx((-gain.estimate, -gain.high, -gain.low))
    assert M.paired_bootstrap(before, before, "MnR") == (0, 0, 0)


def test_wrong_samples_are_refused() -> None:
    for wrong in ([], [1.0, np.nan], [[1.0]]):
        with pytest.raises(ValueError, match="finite"):
            M.bootstrap_interval(wrong, "R1")
    with pytest.raises(ValueError, match="Unknown statistic"):
        M.bootstrap_interval([1.0], "R2")
    with pytest.raises(ValueError, match="level"):
        M.bootstrap_interval([1.0], "R1", level=95)
    with pytest.raises(ValueError, match="resample"):
        M.bootstrap_interval([1.0], "R1", resamples=0)
    with pytest.raises(ValueError, match="groups"):
        M.bootstrap_interval([1.0, 2.0], "R1", groups=[0])
    with pytest.raises(ValueError, match="differ in number"):
        M.paired_bootstrap([1.0], [1.0, 2.0])


# -- test-time normalisation ---------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3])
def test_qb_norm_ranks_as_the_paper_does(k: int) -> None:
    rng = np.random.default_rng(3)
    similarity, bank = rng.normal(size=(30, 20)) / 4, rng.normal(size=(4, 20)) / 4
    found = M.qb_norm(similarity, bank, beta=20, k=k)
    slow = np.array(reference.dynamic_inverted_softmax(similarity.tolist(), bank.tolist(), beta=20, k=k))
    np.testing.assert_allclose(found, np.log(slow) / 20, atol=1e-12)
    same = (found == similarity).all(axis=1)
    assert same.any() and not same.all()


def test_qb_norm_demotes_a_hub() -> None:
    rng = np.random.default_rng(4)
    similarity, bank = 0.3 * np.eye(20), rng.normal(0, 0.05, size=(50, 20))
    similarity[:, 7] += 0.35
    bank[:, 7] += 0.35
    assert M.retrieval_metrics(similarity).R1 == 5
    assert M.retrieval_metrics(M.qb_norm(similarity, bank)).R1 == 100
    with pytest.raises(ValueError, match="Galleries differ"):
        M.qb_norm(similarity, bank[:, :5])
    for wrong in (dict(beta=0), dict(k=0)):
        with pytest.raises(ValueError, match="qb_norm needs"):
            M.qb_norm(similarity, bank, **wrong)


def test_normalisations_survive_logits_but_not_infinities() -> None:
    with pytest.raises(ValueError, match="Infinite similarity in row 0"):
        M.dual_softmax([[-np.inf, 1.0]])
    logits = 100 * np.random.default_rng(5).normal(size=(6, 6))
    assert np.isfinite(M.dual_softmax(logits)).all() and np.isfinite(M.qb_norm(logits, logits)).all()


def test_dual_softmax_shares_every_item_among_queries() -> None:
    similarity = torch.rand(7, 5, generator=torch.Generator().manual_seed(0))
    expected = similarity * (10 * similarity).softmax(dim=0)
    np.testing.assert_allclose(M.dual_softmax(similarity, 10), expected, rtol=1e-5)
