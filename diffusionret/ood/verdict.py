"""The verdict: does this gallery hold a match? One probability, P, and the one sentence that follows from it.

P = p(some video of the gallery matches) is a logistic of scores: of the match head's log odds where the model has such
a head, of similarity beside the rest of the gallery where it has none. Everything that is said or shown of matches
comes from P alone, so that no two things on a page can contradict each other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..generators.match import ABSENT, LEAST, TRAINED_ABSENT, prior_shift
from .scores import Scores

Kind = Literal["match", "unsure", "none", "unreadable"]
# Scores that the logistic reads where the model has a match head; "a*b" is a product. What the head says of a word or
# two is worth less than what it says of a sentence, and what it says of words in an order that training never had less
# than what it says of a caption. So is what it says of words that nobody knows, which must not cost it the trust in
# what it says of all others.
HEAD = (
    *("head", "members", "spread", "knn", "words", "words*head", "words*spread", "bigram", "bigram*head"),
    *("lacking", "lacking*head", "unknown", "unknown*head", "unknown*similarity", "unknown*spread"),
)
STRANGE = ("lacking", "unknown")  # scores that are 0 for queries in words that are known
EVIDENCE = ("similarity", "margin", "spread", "softmax", "energy")  # and where it has none
SENTENCES = {
    "match": "This gallery has what you ask for.",
    "unsure": "This gallery may have what you ask for.",
    "none": "This gallery does not seem to have what you ask for.",
}
ADVICE = {
    "match": "",
    "unsure": "Look at the first clips before trusting them.",
    "none": "Try a shorter or a more general description.",
}
AS_FAR = ", as far as the model knows your words."  # at the end of a claim
# Where the world lacks what a word names, which is said above the verdict, and others name more.
REST = {
    "match": "This gallery has the rest of what you ask for.",
    "unsure": "This gallery may have the rest of what you ask for.",
}
UNFAMILIAR = "The query is unlike those that the model learned from, so this answer is less certain."
# Of calibration queries: with a match and denied, without one and claimed, at most. Visitors write less like training
# than these queries are: what is claimed for them is half as much again, of some kinds three times as much
# (analysis.visitors).
DENIED, CLAIMED = 0.02, 0.04
FEWEST_NEW = 20  # queries of mostly new words, with a match and without one, that two numbers are fitted to
SHARPNESS = (1.0, 1.5, 2.0, 3.0, 4.0)  # that a fit tries


@dataclass(frozen=True)
class Verdict:
    """kind: a match is claimed, hedged ("unsure") or denied ("none"), or the query is "unreadable". sentence, advice:
    in words. p_match: P, None where a rule decided or nothing is fitted. absent: the share of queries without a match
    that P assumes. kept: the share of P, in (0, 1], that more and less of something leave, whatever is assumed."""

    kind: Kind
    sentence: str
    advice: str = ""
    p_match: float | None = None
    absent: float = ABSENT
    kept: float = 1.0

    def to_dict(self) -> dict:
        """Plain values, fit for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class MatchOdds:
    """The log odds that nothing matches: bias + the weighted sum of named scores, or of products of two ("a*b").

    learned: share of the queries without a match among those in known words that it was fitted with, in (0, 1). low,
    high: P below low denies a match, P from high on claims one, 0 <= low <= high <= 1. about: how the fit fared, for a
    reader. sharpness: exponent, at least 1, of the share of P that parts leave. That share is the best one of many
    candidates, and so is its error. mostly_new: factor of these log odds, and what is added to them, where the score of
    this name is not 0. Fitted apart, so that such queries have no weight in the log odds of others; the thresholds are
    of all.
    """

    weights: dict[str, float]
    bias: float = 0.0
    learned: float = TRAINED_ABSENT
    low: float = 0.3
    high: float = 0.6
    about: dict[str, Any] | None = None
    sharpness: float = 1.0
    mostly_new: tuple[float, float] = (1.0, 0.0)

    def log_odds(self, scores: Scores) -> Float[np.ndarray, " query"]:
        """That nothing matches, of queries, at the share `learned` of such. Raises KeyError for a missing score."""
        named = arrays(scores, self.weights)
        weighed = (weight * value(named, name) for name, weight in self.weights.items())
        total = np.asarray(sum(weighed, start=self.bias))
        if "mostly_new" not in scores:
            return total
        factor, more = self.mostly_new
        return np.where(scores["mostly_new"].numpy() > 0, factor * total + more, total)

    def none(self, scores: Scores, absent: float = ABSENT) -> Float[Tensor, " query"]:
        """p(nothing in the gallery matches) of queries, float64 in (0, 1). absent: the share of such queries that is
        expected. With a head the score "parts" is the log share of P that more and less of something leave.
        Raises KeyError for a score that is not there."""
        p = np.exp(-np.logaddexp(0.0, self.log_odds(scores) + prior_shift(absent, self.learned)))
        if "parts" in scores:
            p = p * self.kept(scores["parts"].double().numpy())
        return torch.as_tensor((1 - p).clip(LEAST, 1 - LEAST))

    def kept(self, parts: Float[np.ndarray, " query"]) -> Float[np.ndarray, " query"]:
        """The share of P that more and less of something leave. parts: the score of this name."""
        return np.exp(self.sharpness * parts * ("head" in self.weights))

    def verdict(
        self,
        none: float,
        absent: float = ABSENT,
        unfamiliar: bool = False,
        unknown: bool = False,
        rest: bool = False,
    ) -> Verdict:
        """What is said where nothing matches with probability `none`. unfamiliar, unknown, rest: whether the query is
        unlike those of training, whether the model does not know some of its words, and whether the world lacks what
        one of them names, but not what others do."""
        p = 1 - none
        kind: Kind = "match" if p >= self.high else "unsure" if p >= self.low else "none"
        sentence = REST.get(kind, SENTENCES[kind]) if rest else SENTENCES[kind]
        if unknown and kind == "match":
            sentence = f"{sentence[:-1]}{AS_FAR}"
        return Verdict(kind, f"{sentence} {UNFAMILIAR}" if unfamiliar else sentence, ADVICE[kind], p, absent)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> MatchOdds:
        """What `asdict` gives, as JSON keeps it. Raises TypeError where a field is missing or unknown."""
        factor, more = stored.get("mostly_new", (1.0, 0.0))
        values: dict[str, Any] = {**stored, "mostly_new": (factor, more)}
        return cls(**values)

    def save(self, file: Path, made_for: dict[str, Any]) -> None:
        """Write it as JSON. made_for: what must not have changed when it is read again."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({**asdict(self), "made_for": made_for}, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, file: Path, made_for: dict[str, Any]) -> MatchOdds | None:
        """What `save` wrote; None where there is nothing, or it was made for something else."""
        try:
            stored = json.loads(file.read_text(encoding="utf-8"))
            return cls.from_dict(stored) if stored.pop("made_for") == made_for else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def arrays(scores: Scores, names: Iterable[str]) -> dict[str, Float[np.ndarray, " query"]]:
    """The scores that `value` reads for these names, float64. In NumPy, whose operations on one number cost a tenth."""
    return {part: scores[part].double().numpy() for name in names for part in name.split("*")}


def value(scores: Mapping[str, Float[np.ndarray, " query"]], name: str) -> Float[np.ndarray, " query"]:
    """A score, or the product of two ("a*b"), by name."""
    return math.prod(scores[part] for part in name.split("*"))  # pyright: ignore[reportReturnType]


PLAIN_HEAD = MatchOdds({"head": 1.0, "members": -1.0})  # of a model whose head nobody calibrated further


def fit(
    scores: Scores,
    absent: Bool[np.ndarray, " query"],
    names: tuple[str, ...],
    kinds: list[str] | None = None,
    about: dict[str, Any] | None = None,
) -> MatchOdds:
    """The logistic and its two thresholds.

    scores: of queries of which `absent` have no match in the gallery that they were asked of. names: of the scores that
    it reads. kinds: of the queries; thresholds bound the mean over kinds of the errors, so that no kind is left to pay
    for the others. Raises ValueError where all queries that are not of mostly new words have a match, or none has.
    """
    from sklearn.linear_model import LogisticRegression

    new = (scores["mostly_new"] > 0).numpy() if "mostly_new" in scores else np.zeros(len(absent), dtype=bool)
    # What parts leave is no matter of the logistic: it learns from queries without any.
    plain = (scores["parts"] == 0).numpy() if "parts" in scores else np.ones(len(absent), dtype=bool)
    first = plain & ~new
    if len(set(absent[first])) < 2:
        raise ValueError("Fitting needs queries with a match in the gallery, and queries without one.")
    named = arrays(scores, names)
    x = np.stack([value(named, name) for name in names], axis=1)
    mean, scale = x[first].mean(axis=0), x[first].std(axis=0).clip(min=1e-9)
    model = LogisticRegression(C=10.0, max_iter=1000).fit(((x - mean) / scale)[first], absent[first])
    weights = model.coef_[0] / scale
    # Words that the world lacks have no match whatever the share of such queries is: they say nothing of the prior.
    known = first & np.all([scores[name].numpy() == 0 for name in STRANGE if name in names], axis=0)
    learned = float(absent[known].mean()) if known.any() else 0.5
    odds = MatchOdds(
        dict(zip(names, weights.tolist(), strict=True)),
        float(model.intercept_[0] - weights @ mean),
        learned if 0 < learned < 1 else float(absent[first].mean()),
    )
    new &= plain
    if min((absent & new).sum(), (~absent & new).sum()) >= FEWEST_NEW:
        model = LogisticRegression(C=10.0).fit(odds.log_odds(scores)[new, None], absent[new])
        odds = replace(odds, mostly_new=(float(model.coef_[0, 0]), float(model.intercept_[0])))
    if not plain.all():
        odds = replace(
            odds,
            sharpness=min(
                SHARPNESS, key=lambda s: _log_loss(replace(odds, sharpness=s), scores, absent, ~plain)
            ),
        )
    p = 1 - odds.none(scores).numpy()
    group = np.array(kinds or [""] * len(p))
    low = _quantile(p[~absent], group[~absent], DENIED)
    high = max(1 - _quantile(1 - p[absent], group[absent], CLAIMED), low)
    return replace(odds, low=round(low, 4), high=round(high, 4), about=about)


def _log_loss(odds: MatchOdds, scores: Scores, absent: np.ndarray, chosen: np.ndarray) -> float:
    """Of p(nothing matches) of chosen queries, nats."""
    p = odds.none(scores, odds.learned).numpy()[chosen]
    return float(-np.log(np.where(absent[chosen], p, 1 - p)).mean())


def _quantile(p: np.ndarray, group: np.ndarray, share: float) -> float:
    """The value below which `share` of p lies, every group with the same weight."""
    weight = np.zeros(len(p))
    for name in np.unique(group):
        weight[group == name] = 1 / (group == name).sum()
    order = np.argsort(p)
    below = np.cumsum(weight[order]) / weight.sum()
    return float(np.clip(p[order][min(int(np.searchsorted(below, share)), len(p) - 1)], 0.0, 1.0))
