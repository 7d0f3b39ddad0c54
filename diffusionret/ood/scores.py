"""How unusual a query is: scores of the text, of the gallery's answer, and of the generator.

Every score is one number a query, larger = more unusual. A: the text alone, p(query) and trivial baselines. B: how
well the gallery's videos match. G: what the generator does with its candidates, p(candidates | query); it denoises
a distribution over candidates and says nothing of p(query), so G is measured beside A and B, not assumed.

Cross entropy ignores a constant added to x0, so its level, its maximum and its energy mean nothing: G looks at
differences between candidates, or at softmax(100 x0) before the clamp, the temperature of training.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from ..query import words_of
from ..reading import Reading
from ..trajectory import Trajectory, agreement, gap, path_length, settled, sharp_entropy

NEIGHBOUR = 10  # which nearest training caption the distance is taken to
COMPONENTS = 24  # of the mixture
CONTRAST = 20.0  # sharpness of the contrast with a background
NEW = 0.3  # least share of unknown words, two or more, of a query of mostly new words
RETAINED = 0.999  # of the captions' variance: a reference keeps the principal axes that hold so much


# --- A: the text alone ----------------------------------------------------------------------------------


def neighbour_distance(cosine: Float[Tensor, "query caption"], k: int = NEIGHBOUR) -> Float[Tensor, " query"]:
    """1 - cosine, in [0, 2], to the k-th nearest caption (Sun et al. 2022)."""
    return 1 - cosine.topk(min(k, cosine.shape[1]), dim=1).values[:, -1]


def mahalanobis(
    x: Float[Tensor, "query dim"], mean: Float[Tensor, " dim"], whiten: Float[Tensor, "dim dim"]
) -> Float[Tensor, " query"]:
    """Distance to the mean in units of standard deviations: -log of a Gaussian p(query), up to monotone maps.

    whiten: W with W W' the precision (Lee et al. 2018; shrunk covariance, Ledoit and Wolf 2004).
    """
    return ((x - mean) @ whiten).norm(dim=1)


def contrast(
    inside: Float[Tensor, "query caption"], outside: Float[Tensor, "query text"]
) -> Float[Tensor, " query"]:
    """How much nearer a query is to a background than to the training captions: the log of the ratio of mean
    exp(CONTRAST * cosine) (NegLabel, Jiang et al. 2024, in logarithms). inside, outside: cosines with either."""
    each = [(CONTRAST * cosine).logsumexp(dim=1) - math.log(cosine.shape[1]) for cosine in (inside, outside)]
    return each[1] - each[0]


def residual(place: Float[Tensor, "query axis"]) -> Float[Tensor, " query"]:
    """How much of a centred direction lies off the principal axes of the training captions, in [0, 1] (the residual of
    ViM, Wang et al. 2022). place: along these axes."""
    return (1 - place.square().sum(dim=1)).clamp(min=0).sqrt()


def mixture_surprise(
    x: Float[Tensor, "query dim"],
    centres: Float[Tensor, "component dim"],
    log_share: Float[Tensor, " component"],
) -> Float[Tensor, " query"]:
    """-log p(query), up to a constant, of Gaussians that share one covariance: an explicit density of queries.

    x, centres: whitened, as `mahalanobis` does it.
    """
    squared = torch.cdist(x, centres) ** 2
    return -(log_share - squared / 2).logsumexp(dim=1)


def unseen_share(texts: Sequence[str], vocabulary: Counter[str]) -> Float[Tensor, " query"]:
    """Share in [0, 1] of a text's words that no training caption holds; 1 for a text without words."""
    shares = []
    for words in map(words_of, texts):
        shares.append(sum(w not in vocabulary for w in words) / len(words) if words else 1.0)
    return torch.tensor(shares, dtype=torch.float64)


def length_surprise(texts: Sequence[str], lengths: Counter[int]) -> Float[Tensor, " query"]:
    """-log of the share of training captions with as many words (add-one smoothing)."""
    total = lengths.total() + len(lengths) + 1
    counts = [lengths[len(words_of(text))] + 1 for text in texts]
    return -torch.tensor(counts, dtype=torch.float64).div(total).log()


class Bigrams(Counter[tuple[str, str]]):
    """Pairs of words in a row, with how often each occurs. Made once: what is counted of all of them is kept."""

    @cached_property
    def before(self) -> Counter[str]:
        """How often a word is followed by another."""
        counts = Counter[str]()
        for (first, _), count in self.items():
            counts[first] += count
        return counts

    @cached_property
    def kinds(self) -> int:
        """How many words follow another, unknown ones counted as one."""
        return len({second for _, second in self}) + 1


def bigram_surprise(texts: Sequence[str], bigrams: Bigrams) -> Float[Tensor, " query"]:
    """Mean over its words of -log p(word | word before), from training captions, add-one smoothing."""
    before, kinds, scores = bigrams.before, bigrams.kinds, []
    for pairs in map(_pairs, texts):
        logs = [math.log((before[first] + kinds) / (bigrams[first, second] + 1)) for first, second in pairs]
        scores.append(sum(logs) / len(logs))
    return torch.tensor(scores, dtype=torch.float64)


def _pairs(text: str) -> list[tuple[str, str]]:
    words = ["<", *words_of(text), ">"]
    return list(itertools.pairwise(words))


# --- B: what the gallery answers ------------------------------------------------------------------------
# similarity [query candidate]: of the most similar videos, in descending order.


def dissimilarity(similarity: Float[Tensor, "query candidate"]) -> Float[Tensor, " query"]:
    """- similarity of the best video, in [-1, 1]."""
    return -similarity[:, 0]


def lack_of_margin(similarity: Float[Tensor, "query candidate"]) -> Float[Tensor, " query"]:
    """- how far the best video is ahead of the second; 0 where there is one video only."""
    return similarity[:, min(1, similarity.shape[1] - 1)] - similarity[:, 0]


def lack_of_spread(similarity: Float[Tensor, "query candidate"]) -> Float[Tensor, " query"]:
    """- how far the best video is ahead of the mean of the candidates."""
    return similarity.mean(dim=1) - similarity[:, 0]


def energy(similarity: Float[Tensor, "query candidate"], scale: float) -> Float[Tensor, " query"]:
    """- logsumexp(scale * similarity) / scale (Liu et al. 2020). scale: the logit scale of the model."""
    return -(scale * similarity).logsumexp(dim=1) / scale


def lack_of_confidence(similarity: Float[Tensor, "query candidate"], scale: float) -> Float[Tensor, " query"]:
    """1 - the largest share of softmax(scale * similarity) (Hendrycks and Gimpel 2017), in [0, 1)."""
    return 1 - (scale * similarity).softmax(dim=1)[:, 0]


# --- all of them by name --------------------------------------------------------------------------------

BACKGROUND_SCORES = ("relative", "contrast")  # of a reference with a background
TEXT_SCORES = ("knn", "mahalanobis", "mixture", "residual", *BACKGROUND_SCORES, "bigram", "unseen", "length")
GALLERY_SCORES = ("similarity", "margin", "spread", "energy", "softmax")
GENERATOR_SCORES = ("gap", "entropy", "disagreement", "path", "settling")
HEAD_SCORES = ("head",)  # the log odds, by the match head, that nothing in the gallery matches
CERTAIN = (
    6.0  # log odds beyond which a head is as sure as it can be: sets of many matches would pull at a logistic
)
Scores = dict[str, Tensor]  # name -> float64 [query]


@dataclass(frozen=True)
class Reference:
    """What is kept of the training captions, at most one a video.

    texts [caption]. bank [caption axis]: centred directions of their end tokens, along axes [dim axis], the principal
    ones that hold RETAINED of them; centre [dim]: what was taken off. whiten [dim dim], centres [component dim],
    log_share [component] and narrow [dim dim] describe the directions before centring: one Gaussian around centre,
    and a mixture with a covariance of its own (`narrow` whitens it). background [text dim]: directions of texts about
    other things, away [dim dim] whitens them; None where there are none.
    """

    texts: Sequence[str]
    bank: Tensor
    axes: Tensor
    centre: Tensor
    whiten: Tensor
    centres: Tensor
    log_share: Tensor
    narrow: Tensor
    background: Tensor | None = None
    away: Tensor | None = None
    vocabulary: Counter[str] = field(init=False)
    lengths: Counter[int] = field(init=False)
    bigrams: Bigrams = field(init=False)

    def __post_init__(self) -> None:
        words = [words_of(text) for text in self.texts]
        object.__setattr__(self, "vocabulary", Counter(word for sentence in words for word in sentence))
        object.__setattr__(self, "lengths", Counter(map(len, words)))
        object.__setattr__(self, "bigrams", Bigrams(pair for text in self.texts for pair in _pairs(text)))

    @classmethod
    def make(
        cls,
        texts: Sequence[str],
        end_tokens: Float[Tensor, "caption dim"],
        background: Float[Tensor, "text dim"] | None = None,
    ) -> Reference:
        """From training captions and their end tokens (`TextFeatures.cls`). background: end tokens of texts about other
        things, None for none."""
        from sklearn.cluster import KMeans

        x = normalize(end_tokens.cpu().double(), dim=-1)
        clusters = KMeans(min(COMPONENTS, len(x)), n_init=1, random_state=0).fit(x.numpy())  # pyright: ignore[reportArgumentType]  # declared by its default, "auto"
        centres = torch.from_numpy(clusters.cluster_centers_).double()
        label = torch.from_numpy(clusters.labels_).long()
        share = torch.bincount(label, minlength=len(centres)) / len(x)
        bank = normalize(x - x.mean(dim=0), dim=-1)
        axes = _principal_axes(bank)
        other = None if background is None else normalize(background.cpu().double(), dim=-1)
        return cls(
            texts=list(texts),
            bank=bank @ axes,
            axes=axes,
            centre=x.mean(dim=0),
            whiten=_whitening(x - x.mean(dim=0)),
            centres=centres,
            log_share=share.clamp_min(1e-12).log(),
            narrow=_whitening(x - centres[label]),
            background=other,
            away=None if other is None else _whitening(other - other.mean(dim=0)),
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """As arrays for a file, half precision where that loses nothing of use."""
        text = zlib.compress("\n".join(self.texts).encode(), 9)
        arrays = {"texts": np.frombuffer(text, dtype=np.uint8)}
        for name in ("bank", "axes", "whiten", "narrow", "background", "away"):
            if (value := getattr(self, name)) is not None:
                arrays[name] = value.half().contiguous().numpy()  # as a file would give it back
        for name in ("centre", "centres", "log_share"):
            arrays[name] = getattr(self, name).float().numpy()
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Reference:
        """The inverse of `arrays`, in float32."""
        tensors = {n: torch.from_numpy(a.astype(np.float32)) for n, a in arrays.items() if n != "texts"}
        return cls(texts=zlib.decompress(arrays["texts"].tobytes()).decode().split("\n"), **tensors)

    def place(self, end_tokens: Float[Tensor, "query dim"]) -> Float[Tensor, "query axis"]:
        """Where queries lie among the rows of `bank`: centred directions, along its axes."""
        return normalize(self._directions(end_tokens) - self.centre, dim=-1) @ self.axes

    def _directions(self, end_tokens: Tensor) -> Tensor:
        return normalize(end_tokens.to("cpu", self.bank.dtype), dim=-1)

    def scores(
        self,
        texts: Sequence[str],
        end_tokens: Float[Tensor, "query dim"],
        names: Collection[str] = TEXT_SCORES,
    ) -> Scores:
        """The scores of group A, or those of them that are named; without a background not those that need one."""
        x = self._directions(end_tokens)
        centred = normalize(x - self.centre, dim=-1)
        place = centred @ self.axes
        cosine = place @ self.bank.T
        found = {
            "knn": lambda: neighbour_distance(cosine),
            "residual": lambda: residual(place),
            "mahalanobis": lambda: mahalanobis(x, self.centre, self.whiten),
            "mixture": lambda: mixture_surprise(x @ self.narrow, self._narrow_centres, self.log_share),
            "bigram": lambda: bigram_surprise(texts, self.bigrams),
            "unseen": lambda: unseen_share(texts, self.vocabulary),
            "length": lambda: length_surprise(texts, self.lengths),
        }
        if self.away is not None:
            away = self.away
            found["relative"] = lambda: (
                mahalanobis(x, self.centre, self.whiten).square()
                - mahalanobis(x, self._background_mean, away).square()
            )
            found["contrast"] = lambda: contrast(cosine, centred @ self._background_directions.T)
        return {name: score().double() for name, score in found.items() if name in names}

    # What is the same for every query.

    @cached_property
    def _narrow_centres(self) -> Float[Tensor, "component dim"]:
        return self.centres @ self.narrow

    @cached_property
    def _background_mean(self) -> Float[Tensor, " dim"]:
        assert self.background is not None
        return self.background.mean(dim=0)

    @cached_property
    def _background_directions(self) -> Float[Tensor, "text dim"]:
        assert self.background is not None
        return normalize(self.background - self.centre, dim=-1)

    def nearest(self, end_tokens: Float[Tensor, "query dim"], k: int = 5) -> list[list[tuple[str, float]]]:
        """The `k` nearest captions of each query with their distances, 1 - cosine, nearest first."""
        found = (self.place(end_tokens) @ self.bank.T).topk(min(k, len(self.texts)), dim=1)
        rows = zip(found.indices.tolist(), found.values.tolist(), strict=True)
        return [[(self.texts[int(i)], 1 - c) for i, c in zip(*row, strict=True)] for row in rows]


def _principal_axes(bank: Float[Tensor, "caption dim"]) -> Float[Tensor, "dim axis"]:
    """The fewest orthonormal axes that hold RETAINED of the rows' squared norms, the longest first."""
    found = torch.linalg.eigh(bank.T @ bank)
    held = found.eigenvalues.flip(0).cumsum(dim=0) / found.eigenvalues.sum()
    return found.eigenvectors.flip(1)[:, : int((held < RETAINED).sum()) + 1].contiguous()


def _whitening(residuals: Float[Tensor, "caption dim"]) -> Float[Tensor, "dim dim"]:
    """W with W W' the inverse of the shrunk covariance."""
    from sklearn.covariance import LedoitWolf

    precision = LedoitWolf(assume_centered=True).fit(residuals.numpy()).precision_
    return torch.linalg.cholesky(torch.from_numpy(precision))


def gallery_scores(similarity: Float[Tensor, "query candidate"], scale: float) -> Scores:
    """The scores of group B. similarity: of the most similar videos, in descending order."""
    s = similarity.double()
    return {
        "similarity": dissimilarity(s),
        "margin": lack_of_margin(s),
        "spread": lack_of_spread(s),
        "energy": energy(s, scale),
        "softmax": lack_of_confidence(s, scale),
    }


def generator_scores(trajectory: Trajectory) -> Scores:
    """The scores of group G, means over seeds where there are several.

    gap: - how far the winner is ahead of the second. entropy: in nats, of softmax(100 x0), in [0, log candidates].
    path: how far the state travels. settling: share in [0, 1) of the steps after which the leader still changes.
    disagreement: share in [0, 1) of the seeds whose winner is not the most frequent one, of several seeds only.
    """
    x, x0_raw = trajectory.states.double(), trajectory.predictions.double()
    leaders = x0_raw.argmax(dim=-1)  # [step seed query]
    found = {
        "gap": -gap(x0_raw[-1]),
        "entropy": math.log(2) * sharp_entropy(x0_raw[-1]),
        "path": path_length(x),
        "settling": (settled(leaders) - 1).double() / len(leaders),
    }
    found = {name: score.mean(dim=0) for name, score in found.items()}
    if trajectory.has_seeds:
        found["disagreement"] = 1 - agreement(leaders[-1])
    return found


def head_score(none: Float[Tensor, " query"]) -> Float[Tensor, " query"]:
    """The score of a match head's log odds that nothing matches, float64 in [-CERTAIN, CERTAIN]."""
    return none.double().cpu().clamp(-CERTAIN, CERTAIN)


def word_scores(readings: Sequence[Reading]) -> Scores:
    """What is known of the words of queries: words, the logarithm of how many are searched for; lacking, 1 where the
    world lacks what one asks for, else 0; unknown: how many words the model does not know, at most 2; mostly_new: 1
    where two words or more, and at least NEW of all that are searched for, are unknown, else 0."""
    searched = [words_of(reading.searched) for reading in readings]
    words = [math.log(max(len(row), 1)) for row in searched]
    lacking = [float(bool(reading.lacking)) for reading in readings]
    unknown = [float(min(len(reading.unknown), 2)) for reading in readings]
    # Of what is searched for: unknown words of parts say nothing of the others in it.
    new = [len(set(reading.unknown) & set(row)) for reading, row in zip(readings, searched, strict=True)]
    mostly_new = [
        float(count > 1 and count >= NEW * len(row)) for count, row in zip(new, searched, strict=True)
    ]
    named = {"words": words, "lacking": lacking, "unknown": unknown, "mostly_new": mostly_new}
    return {name: torch.tensor(values, dtype=torch.float64) for name, values in named.items()}


def word_counts(scores: Mapping[str, Tensor | np.ndarray]) -> Int[np.ndarray, " query"]:
    """How many words queries have, of `word_scores`."""
    return np.exp(np.asarray(scores["words"])).round().astype(int)


def combine(scores: Scores, weights: dict[str, float]) -> Float[Tensor, " query"]:
    """The weighted sum of named scores. Raises KeyError for a score that is not there."""
    total = torch.zeros((), dtype=torch.float64)
    for name, weight in weights.items():
        total = total + weight * scores[name]
    return total
