"""Retrieval metrics: ranks with a policy for ties, recalls, bootstrap intervals, and test-time normalisation.

Similarities are matrices [query, gallery] of real numbers, numpy or torch, larger = more similar.
The functions never assume one caption a video: `targets` says what each query looks for.

    text to video   retrieval_metrics(similarity, video_of_caption)
    video to text   retrieval_metrics(best_captions(similarity, video_of_caption))    as published
                    retrieval_metrics(similarity.T, captions_of_videos(video_of_caption))

The published protocol for several captions a video ranks a video's best caption among the best
captions of the other videos, so its ranks end at the number of videos. The last line ranks it among
all captions, which is harder; with one caption a video the two agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Statistic = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class RetrievalMetrics:
    """R1 to R50: percent of queries whose rank is at most that; MdR, MnR: median and mean rank, best 1."""

    R1: float
    R5: float
    R10: float
    R50: float
    MdR: float
    MnR: float

    @classmethod
    def from_ranks(cls, ranks: Any) -> RetrievalMetrics:
        """The metrics of ranks [query]. An even number of queries has the middle of two as its median."""
        values = _finite(ranks, "ranks")
        return cls(**{name: statistic(values) for name, statistic in STATISTICS.items()})


def recall_at(k: float) -> Statistic:
    """The statistic R@k: percent of ranks that are at most k."""
    return lambda ranks: 100 * int(np.count_nonzero(np.asarray(ranks) <= k)) / len(ranks)


STATISTICS: dict[str, Statistic] = {
    "R1": recall_at(1),
    "R5": recall_at(5),
    "R10": recall_at(10),
    "R50": recall_at(50),
    "MdR": lambda ranks: float(np.median(ranks)),
    "MnR": lambda ranks: float(np.mean(ranks)),
}


def ranks(similarity: Any, targets: Any = None) -> np.ndarray:
    """The rank, from 1, of the right answer to every query: float64 [query].

    `targets[i]` is the gallery index that query i looks for, or several of which the highest-scored
    counts; without targets query i looks for item i, and the matrix must be square.

    Ties: the rank is the one expected when ties are broken at random. With one target that is the
    mean rank of the tied items; k tied targets among w tied wrong answers expect w / (k + 1) of them
    ahead. A constant matrix thus gets chance level and no order of the gallery helps.

    Infinities are ordinary scores: +inf beats every number, -inf (say, "never compared") loses to
    every number, and equal infinities tie.

    Raises ValueError for a NaN (naming the first row that holds one), a matrix that is not
    two-dimensional or without entries, and targets that are missing or out of range.
    """
    scores = _matrix(similarity)
    rows, wanted = _targets(targets, *scores.shape)
    starts = np.searchsorted(rows, np.arange(len(scores)))
    found = scores[rows, wanted]
    best = np.maximum.reduceat(found, starts)
    tied_targets = np.add.reduceat(found == best[rows], starts)
    tied = (scores == best[:, None]).sum(axis=1) - tied_targets
    ahead = (scores > best[:, None]).sum(axis=1)
    return 1 + ahead + tied / (tied_targets + 1)


def retrieval_metrics(similarity: Any, targets: Any = None) -> RetrievalMetrics:
    """R@1, 5, 10, 50 in percent, median and mean rank. Arguments, ties and errors as in `ranks`."""
    return RetrievalMetrics.from_ranks(ranks(similarity, targets))


def captions_of_videos(video_of_caption: Any, videos: int | None = None) -> list[np.ndarray]:
    """The captions of every video: the targets of video to text from those of text to video.

    `video_of_caption` [caption] are indices of videos, `videos` their number (default: the largest
    index and one). Raises ValueError for an index out of range and for a video without a caption,
    which cannot be a query.
    """
    owner = _array(video_of_caption)
    count = int(owner.max()) + 1 if videos is None else videos
    if owner.dtype.kind not in "iu" or owner.min() < 0 or owner.max() >= count:
        raise ValueError(f"video_of_caption must hold indices of {count} videos.")
    found = [np.flatnonzero(owner == video) for video in range(count)]
    for video, captions in enumerate(found):
        if not len(captions):
            raise ValueError(f"Video {video} has no caption.")
    return found


def best_captions(similarity: Any, video_of_caption: Any) -> np.ndarray:
    """Video-to-text similarities as published: [video, video] from [caption, video].

    Entry (v, w) is the similarity of video v to the caption of video w that it likes best. Its
    diagonal holds the right answers. Raises ValueError as `ranks` and `captions_of_videos` do.
    """
    scores = _matrix(similarity)
    if len(_array(video_of_caption)) != len(scores):
        raise ValueError(f"{len(_array(video_of_caption))} video indices for {len(scores)} captions.")
    captions = captions_of_videos(video_of_caption, scores.shape[1])
    return np.stack([scores[own].max(axis=0) for own in captions], axis=1)


# -- intervals ---------------------------------------------------------------------------------------


class Interval(NamedTuple):
    """A figure with the ends of its confidence interval."""

    estimate: float
    low: float
    high: float


def bootstrap_interval(
    values: Any,
    statistic: str | Statistic,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    groups: Any = None,
) -> Interval:
    """Percentile bootstrap interval (Efron 1979) of a statistic of `values` [query], for instance ranks.

    `statistic` maps an array to a number or is one of the names in STATISTICS. `level` in (0, 1) is
    the coverage. `groups` [query] names the cluster of each value, for instance its video: clusters
    are then drawn whole, since captions of one video succeed and fail together. Raises ValueError for
    empty or non-finite values, groups of another length, an unknown statistic or a level out of range.
    """
    data = _finite(values, "values")
    return _percentiles(_statistic(statistic), [data], level, resamples, seed, groups)


def paired_bootstrap(
    ranks_before: Any,
    ranks_after: Any,
    statistic: str | Statistic = "R1",
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    groups: Any = None,
) -> Interval:
    """Interval of statistic(after) - statistic(before) where both saw the same queries, in the same order.

    Every resample takes the same queries from both, so what they share cancels. A positive
    difference is a gain for recalls and a loss for MdR and MnR. Otherwise as `bootstrap_interval`.
    """
    before, after = _finite(ranks_before, "ranks_before"), _finite(ranks_after, "ranks_after")
    if len(before) != len(after):
        raise ValueError(f"Paired values differ in number: {len(before)} and {len(after)}.")
    return _percentiles(_statistic(statistic), [after, before], level, resamples, seed, groups)


def _percentiles(
    statistic: Statistic, samples: list[np.ndarray], level: float, resamples: int, seed: int, groups: Any
) -> Interval:
    """The interval of statistic(first) - statistic(second), or of statistic(first) where it is alone."""
    if not 0 < level < 1:
        raise ValueError(f"level is a coverage between 0 and 1, not {level}.")
    if resamples < 1:
        raise ValueError(f"At least one resample is needed, not {resamples}.")

    def figure(chosen: np.ndarray | slice) -> float:
        first, *second = (statistic(sample[chosen]) for sample in samples)
        return first - second[0] if second else first

    drawn = [figure(chosen) for chosen in _resamples(len(samples[0]), groups, resamples, seed)]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(figure(slice(None))), float(low), float(high))


def _resamples(n: int, groups: Any, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Indices of one resample after another, drawn with replacement: queries, or whole groups of them."""
    rng = np.random.default_rng(seed)
    if groups is None:
        for _ in range(resamples):
            yield rng.integers(n, size=n)
        return
    labels = np.asarray(_array(groups))
    if labels.shape != (n,):
        raise ValueError(f"groups must name one group for each of {n} values, not have shape {labels.shape}.")
    _, group, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(sizes)[:-1])
    for _ in range(resamples):
        yield np.concatenate([members[g] for g in rng.integers(len(members), size=len(members))])


def _statistic(statistic: str | Statistic) -> Statistic:
    if callable(statistic):
        return statistic
    if statistic not in STATISTICS:
        raise ValueError(
            f"Unknown statistic {statistic!r}: choose {', '.join(STATISTICS)} or pass a function."
        )
    return STATISTICS[statistic]


# -- test-time normalisation ---------------------------------------------------------------------------
# Both look at more than the query at hand: report them in rows of their own, apart from plain figures.


class Reliability(NamedTuple):
    """Probabilities in bins of equal width over [0, 1], empty ones left out: the mean probability, the share that came
    true and the number of each [bin]; error: their mean distance, weighted by number (expected calibration error).
    """

    probability: np.ndarray
    frequency: np.ndarray
    count: np.ndarray
    error: float


def reliability(probability: Any, truth: Any, bins: int = 10) -> Reliability:
    """How often what is said with a probability is true. Guo et al. 2017 (1706.04599), section 2."""
    probability, truth = _array(probability).ravel(), _array(truth).astype(float).ravel()
    which = np.minimum((probability * bins).astype(int), bins - 1)
    count = np.bincount(which, minlength=bins)
    there = count > 0
    mean = np.bincount(which, probability, bins)[there] / count[there]
    frequency = np.bincount(which, truth, bins)[there] / count[there]
    return Reliability(
        mean, frequency, count[there], float(np.average(np.abs(mean - frequency), weights=count[there]))
    )


def qb_norm(similarity: Any, querybank_similarity: Any, beta: float = 20.0, k: int = 1) -> np.ndarray:
    """QB-Norm with the dynamic inverted softmax (Bogolin et al., CVPR 2022, arXiv 2112.12777, eq. 4-5).

    `similarity` [query, gallery] and `querybank_similarity` [bank, gallery], of queries that are not
    under test, in the same units. A gallery item is active when it is among the `k` best of some bank
    query: a possible hub. Queries whose best item is active are normalised by the bank, the others
    stay as they are.

    The paper's exp(beta s) / sum_bank exp(beta s_bank) is returned as its logarithm over beta, that is
    s - logsumexp(beta s_bank) / beta: the same ranking of every row without overflow. float64, in the
    units of the similarity; compare within a row only. Raises ValueError for NaN and infinities, galleries of
    different size, an empty bank, `beta` not positive or `k` less than 1.
    """
    scores, bank = _bounded(similarity), _bounded(querybank_similarity)
    if scores.shape[1] != bank.shape[1]:
        raise ValueError(
            f"Galleries differ: {scores.shape[1]} items for the queries, {bank.shape[1]} for the bank."
        )
    if beta <= 0 or k < 1:
        raise ValueError(f"qb_norm needs beta > 0 and k >= 1, not {beta} and {k}.")
    active = np.zeros(bank.shape[1], dtype=bool)
    active[np.argsort(-bank, axis=1, kind="stable")[:, :k]] = True
    peak = bank.max(axis=0)
    hubness = peak + np.log(np.exp(beta * (bank - peak)).sum(axis=0)) / beta
    normalised = active[scores.argmax(axis=1)]
    return np.where(normalised[:, None], scores - hubness, scores)


def dual_softmax(similarity: Any, temperature: float = 100.0) -> np.ndarray:
    """Dual softmax at test time: similarity * softmax(temperature * similarity) over the queries (axis 0).

    It uses all test queries together (Cheng et al. 2021, arXiv 2109.04290). [query, gallery] in and
    out, float64. Raises ValueError for NaN and infinities.
    """
    scores = _bounded(similarity)
    share = np.exp(temperature * (scores - scores.max(axis=0)))
    return scores * (share / share.sum(axis=0))


# -- what comes in -------------------------------------------------------------------------------------


def _array(values: Any) -> np.ndarray:
    """Numpy view of a numpy array, a torch tensor on any device, or a sequence."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":  # numpy has no such type; float32 holds it exactly
            values = values.float()
        values = values.numpy()
    return np.asarray(values)


def _matrix(similarity: Any) -> np.ndarray:
    scores = _array(similarity)
    if scores.ndim != 2 or not scores.size:
        raise ValueError(
            f"A similarity matrix is [query, gallery] and not empty; this one has shape {scores.shape}."
        )
    bad = np.isnan(scores).any(axis=1)
    if bad.any():
        raise ValueError(f"NaN similarity in row {int(bad.argmax())} ({int(bad.sum())} rows have one).")
    return scores


def _bounded(similarity: Any) -> np.ndarray:
    scores = _matrix(similarity).astype(float)
    if not np.isfinite(scores).all():  # a softmax over infinities has no value
        raise ValueError(f"Infinite similarity in row {int(np.isinf(scores).any(axis=1).argmax())}.")
    return scores


def _finite(values: Any, name: str) -> np.ndarray:
    data = _array(values).astype(float)
    if data.ndim != 1 or not data.size or not np.isfinite(data).all():
        raise ValueError(f"{name} must be a non-empty vector of finite numbers.")
    return data


def _targets(targets: Any, queries: int, gallery: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (query, target), sorted by query."""
    if targets is None:
        if queries != gallery:
            raise ValueError(f"{queries} queries and {gallery} gallery items: say the target of each query.")
        return np.arange(queries), np.arange(queries)
    if len(targets) != queries:
        raise ValueError(f"{len(targets)} targets for {queries} queries.")
    each: Sequence[np.ndarray] = [np.unique(_array(target)) for target in targets]
    for query, wanted in enumerate(each):
        if not wanted.size:
            raise ValueError(f"Query {query} has no target.")
        if wanted.dtype.kind not in "iu" or wanted[0] < 0 or wanted[-1] >= gallery:
            raise ValueError(
                f"Target {wanted.tolist()} of query {query} is not an index into {gallery} items."
            )
    return np.repeat(np.arange(queries), [len(wanted) for wanted in each]), np.concatenate(each)
