"""Split-conformal p-values, and calibration files that know what they were made for.

A score says how unusual a query is, larger = more unusual. Its p-value compares it with the scores of n
calibration queries: for a query drawn like them, P(p <= alpha) <= alpha on average over calibration sets
(Bates et al., "Testing for outliers with conformal p-values", 2104.08279, section 2). Queries are compared with
those of about as many words, so that this holds of short ones and of long ones (Vovk, Lindsay, Nouretdinov and
Gammerman 2003, "Mondrian confidence machine"). It is neither the probability that a query is out of distribution nor a
promise to detect one that is.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

ALPHA = 0.05  # false alarms that are accepted among ordinary queries, for each of the two answers
LEAST = 20  # calibration queries, below which a p-value of 5 % does not exist
LENGTHS = (1, 2, 4, 8)  # fewest words of a group of queries: 1, 2 to 3, 4 to 7, 8 and more


class StaleCalibration(ValueError):
    """The calibration was made for something else; the message says for what, and what to run."""


def p_values(
    calibration: Float[np.ndarray, " calibration"], scores: Float[np.ndarray, " query"]
) -> Float[np.ndarray, " query"]:
    """p = (1 + #{calibration scores >= score}) / (n + 1), in [1 / (n + 1), 1]. Ties count as larger.

    Raises ValueError where a score is NaN or the calibration is empty.
    """
    ordered = np.sort(np.asarray(calibration, dtype=float))
    scores = np.asarray(scores, dtype=float)
    if not len(ordered) or np.isnan(ordered).any() or np.isnan(scores).any():
        raise ValueError("A p-value needs calibration scores, and no score may be NaN.")
    n = len(ordered)
    return (1 + n - np.searchsorted(ordered, scores, side="left")) / (n + 1)


def threshold(calibration: Float[np.ndarray, " calibration"], alpha: float) -> float:
    """The least score that is flagged at `alpha` (p <= alpha); infinite where n is too small for that alpha."""
    ordered = np.sort(np.asarray(calibration, dtype=float))
    larger = math.floor(alpha * (len(ordered) + 1) + 1e-9) - 1  # so many calibration scores may be as large
    if larger < 0:
        return math.inf
    # Just above the next smaller calibration score.
    return float(np.nextafter(ordered[-1 - larger], np.inf)) if larger < len(ordered) else -math.inf


def benjamini_hochberg(p: Float[np.ndarray, " query"], level: float) -> Bool[np.ndarray, " query"]:
    """Which of a batch's p-values are discoveries at the false discovery rate `level`, in (0, 1).

    Benjamini and Hochberg 1995; valid for conformal p-values that share one calibration set (2104.08279,
    theorem 2), and for those of several that are independent of each other, as groups of lengths are. All p up to the
    largest p_(i) with p_(i) <= level * i / m are discoveries.
    """
    p = np.asarray(p, dtype=float)
    ordered = np.sort(p)
    below = np.flatnonzero(ordered <= level * np.arange(1, len(p) + 1) / max(len(p), 1) + 1e-12)
    return p <= ordered[below[-1]] if len(below) else np.zeros(len(p), dtype=bool)


def say_p(p: float, n: int) -> str:
    """A p-value for reading: the least one that n scores allow is a bound, never 0."""
    least = 1 / (n + 1)
    return f"p ≤ {_digits(least)}" if p <= least + 1e-12 else f"p = {_digits(p)}"


def _digits(p: float) -> str:
    return f"{p:.2f}" if p >= 0.095 else f"{p:.3f}" if p >= 0.00095 else f"{p:.1e}"


def lengths(words: Int[np.ndarray, " query"], least: int = LEAST) -> tuple[int, ...]:
    """The fewest words of each group of queries, in ascending order. A group of fewer than `least` queries is one with
    the next shorter group, the shortest one with the next longer."""
    bounds = list(LENGTHS)
    for bound in LENGTHS[:0:-1]:
        place = bounds.index(bound)
        above = bounds[place + 1] if place + 1 < len(bounds) else math.inf
        if ((words >= bound) & (words < above)).sum() < least:
            bounds.remove(bound)
    if len(bounds) > 1 and (words < bounds[1]).sum() < least:
        del bounds[1]
    return tuple(bounds)


def say_length(least: int, most: float) -> str:
    """A range of numbers of words, for reading; "" for all."""
    if most == math.inf:
        return f"{least} words or more" if least > 1 else ""
    if least == most:
        return "1 word" if least == 1 else f"{least} words"
    return f"{least} to {most} words"


class Group(NamedTuple):
    """Calibration queries of about one length. scores [n]: in ascending order. length: in words, "" of all queries."""

    scores: np.ndarray
    length: str


@dataclass(frozen=True)
class Calibration:
    """The scores of the calibration queries, how a score is made, and what all of it was made for.

    scores [n]: in any order. words [n]: how many words each of these queries has. weights: the score is this weighted
    sum of named scores (see scores.py). made_for: what must not have changed since, names with plain values. about:
    more that a reader wants to know. arrays: what the scores are computed with.
    """

    scores: Float[np.ndarray, " n"]
    words: Int[np.ndarray, " n"]
    weights: dict[str, float]
    made_for: dict[str, Any]
    about: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @property
    def n(self) -> int:
        return len(self.scores)

    @cached_property
    def groups(self) -> dict[int, Group]:
        """The calibration queries by `lengths`: by the fewest words that a group has."""
        bounds = lengths(self.words)
        found = {}
        for place, least in enumerate(bounds):
            most = bounds[place + 1] - 1 if place + 1 < len(bounds) else math.inf
            held = (self.words <= most) & (self.words >= least if place else True)
            found[least] = Group(np.sort(self.scores[held]), say_length(least, most))
        return found

    def like(self, words: int) -> Group:
        """The calibration queries that a query of so many words is compared with."""
        return self.groups[max((least for least in self.groups if least <= words), default=min(self.groups))]

    @property
    def null(self) -> str:
        """What the calibration queries are: "ordinary" ones, or "unrelated" ones, about other things."""
        return self.about.get("null", "ordinary")

    def p_value(self, score: float, words: int) -> float:
        """The p-value of a query of so many words, beside those of its length. A small one says that it is more unusual
        than ordinary queries are, or that it matches better than unrelated ones do."""
        sign = -1.0 if self.null == "unrelated" else 1.0
        return float(p_values(sign * self.like(words).scores, np.array([sign * score]))[0])

    def save(self, file: Path) -> None:
        """Write one safetensors file, which appears whole or not at all."""
        from safetensors.numpy import save

        file.parent.mkdir(parents=True, exist_ok=True)
        notes = {"weights": self.weights, "made_for": self.made_for, "about": self.about}
        part = file.with_suffix(".part")
        # The order of the keys is fixed, so that the same calibration is the same file.
        # The format holds rows after rows: an array in another order would come back transposed.
        arrays = {name: np.ascontiguousarray(array) for name, array in self.arrays.items()}
        order = np.argsort(self.scores, kind="stable")
        content = {"scores": self.scores[order], "words": self.words[order].astype(np.int32), **arrays}
        part.write_bytes(save(content, {"calibration": json.dumps(notes, sort_keys=True)}))
        part.replace(file)

    @classmethod
    def load(cls, file: Path, made_for: dict[str, Any], remedy: str) -> Calibration:
        """The calibration in `file`, if it was made for `made_for`.

        remedy: the command that makes it anew. Raises FileNotFoundError where there is none, StaleCalibration
        where it was made for something else, ValueError where it is not readable.
        """
        from safetensors import SafetensorError, safe_open

        if not file.is_file():
            raise FileNotFoundError(f"There is no calibration in {file.parent.name}: run `{remedy}`.")
        try:
            with safe_open(file, framework="numpy") as opened:
                notes = json.loads((opened.metadata() or {})["calibration"])
                arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (no mapping)
            scores, words = arrays.pop("scores"), arrays.pop("words")
            calibration = cls(scores, words, notes["weights"], notes["made_for"], notes["about"], arrays)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            # The app says it on its page, which is not told where things lie.
            where = f"{file.parent.name}/{file.name}"
            raise ValueError(f"{where} is not a readable calibration: run `{remedy}`.") from error
        then = calibration.made_for
        changed = sorted(
            name for name in then.keys() | made_for.keys() if then.get(name) != made_for.get(name)
        )
        if changed:
            raise StaleCalibration(
                f"The calibration in {file.parent.name} was made for another {' and '.join(changed)}: run `{remedy}`."
            )
        return calibration
