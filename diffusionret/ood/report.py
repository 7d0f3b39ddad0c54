"""What is said of one query: the verdict, the two answers behind it, why, and all of it as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import numpy as np

from ..lexicon import FUNCTION
from ..query import words_of
from ..reading import UNREADABLE, Reading
from ..video import printable
from .conformal import ALPHA, benjamini_hochberg, say_p
from .verdict import Verdict

MISSING = {
    "familiar": "Not calibrated for this model.",
    "match": "Not calibrated for this gallery.",
}
NO_WORDS = "There are no words in this query, so the ranking is a guess."
NOT_MEANT = (
    "A p-value is not the probability of being out of distribution, and some unusual queries go unnoticed."
)


@dataclass(frozen=True)
class Answer:
    """One of the two answers.

    score: larger = more unusual. p_value, n, alpha: against n calibration queries, flagged where p <= alpha; both
    None where `note` says why there is none. null: what the calibration queries are: "ordinary" ones, or
    "unrelated" ones where the gallery has no captions (then a *small* p speaks for a match, and a query that is not
    told apart from them is flagged). in_batch: discovered at the false discovery rate alpha among a batch. words: how
    many the query has. length: that of the calibration queries, in words, "" where it is any.
    """

    score: float | None = None
    p_value: float | None = None
    n: int = 0
    alpha: float = ALPHA
    flagged: bool | None = None
    null: str = "ordinary"
    in_batch: bool | None = None
    note: str = ""
    words: int = 0
    length: str = ""

    @property
    def of_length(self) -> str:
        """The length of the calibration queries, to follow their name."""
        return f" of {self.length}" if self.length else ""

    @property
    def as_unusual(self) -> int | None:
        """How many of the n calibration queries look at least as unusual."""
        return None if self.p_value is None else round(self.p_value * (self.n + 1)) - 1


@dataclass(frozen=True)
class Stability:
    """Stability of the re-ranking over seeds; says nothing about whether the answer is right.

    agreement: share of seeds with the most frequent winner. gap: how far the winner's x0 is ahead of the second.
    entropy: nats of the sharp distribution. settled: share of the steps after which the leader still changed.
    """

    seeds: int
    agreement: float
    gap: float
    entropy: float
    settled: float


class Neighbour(NamedTuple):
    """A training caption, and how far it is: 1 - cosine of centred directions, in [0, 2]."""

    text: str
    distance: float


class WordEffect(NamedTuple):
    """The p-values of the query without this word; None where there is no calibration."""

    word: str
    familiar: float | None
    match: float | None


@dataclass(frozen=True)
class Report:
    """All that is said of one query.

    familiar, match: the two answers; match is flagged exactly where the verdict denies one. verdict: what is said.
    rule: why no score was computed, "" where they were. scores: by name; of a search those that its answers need.
    similarities [candidate] and band (5, 50 and 95 % of unrelated queries, [3 candidate]): of the most similar videos,
    best first; None without a calibration. neighbours, stability and words: by `Retriever.inspect` only. query: as it
    was searched for; reading: what was read of its words. truncated: the end that the model does not read. gallery:
    digest of the gallery.
    """

    query: str
    familiar: Answer
    match: Answer
    verdict: Verdict
    rule: str = ""
    truncated: str = ""
    reading: Reading | None = None
    scores: dict[str, float] | None = None
    neighbours: tuple[Neighbour, ...] = ()
    stability: Stability | None = None
    words: tuple[WordEffect, ...] = ()
    similarities: tuple[float, ...] = ()
    band: tuple[tuple[float, ...], ...] | None = None
    gallery: str = ""

    @property
    def searched(self) -> str:
        """What should be there, without more and less of anything."""
        return self.query if self.reading is None else self.reading.searched

    @property
    def typed(self) -> str:
        """The query before any correction."""
        return self.query if self.reading is None else self.reading.text

    @property
    def said(self) -> str:
        """What is said of its words, for a table; nothing in it can be followed."""
        if self.reading is None:
            return ""
        return " ".join(remark.text for remark in self.reading.remarks if not remark.exact)

    def to_dict(self) -> dict:
        """Plain values, fit for JSON."""
        values = asdict(self)
        values["verdict"] = self.verdict.to_dict()
        values["neighbours"] = [neighbour._asdict() for neighbour in self.neighbours]
        values["words"] = [word._asdict() for word in self.words]
        values["reading"] = None if self.reading is None else self.reading.to_dict()
        return values


def rule_of(reading: Reading) -> str:
    """Why a query cannot be scored, "" where it can: none of its words can be read, or it has none at all."""
    if reading.refusal and reading.refusal != UNREADABLE:
        return reading.refusal
    words = words_of(reading.searched)
    if not words:
        return NO_WORDS
    silent = all(word in FUNCTION or (len(word) == 1 and word.isascii()) for word in words)
    return UNREADABLE if reading.unreadable or silent else ""


def without_odds(familiar: Answer, match: Answer) -> Verdict:
    """What is said where no probability of a match is fitted: what the p-values say, which is less."""
    parts = []
    if familiar.flagged is not None:
        parts.append(
            f"The query is {'unlike' if familiar.flagged else 'like'} those that the model learned from."
        )
    if match.p_value is not None and match.null == "unrelated":
        matches = "does not match clearly better" if match.flagged else "matches clearly better"
        parts.append(f"The best clip {matches} than the best one does for queries about other things.")
    parts += dict.fromkeys(note for note in (familiar.note, match.note) if note)
    return Verdict("unsure", " ".join(parts) or MISSING["match"])


def in_batch(reports: Sequence[Report], alpha: float) -> list[Report]:
    """The reports of a batch, with what stays flagged at the false discovery rate `alpha` over all of them."""
    result = list(reports)
    for name in ("familiar",):  # of matches the verdict speaks, one query at a time
        scored = [i for i, report in enumerate(result) if getattr(report, name).p_value is not None]
        p = np.array([getattr(result[i], name).p_value for i in scored])
        for i, found in zip(scored, benjamini_hochberg(p, alpha), strict=True):
            answer = getattr(result[i], name)
            found = not found if answer.null == "unrelated" else bool(found)
            result[i] = replace(result[i], **{name: replace(answer, in_batch=bool(found))})
    return result


# --- as text ----------------------------------------------------------------------------------------


def as_text(report: Report) -> str:
    """A report for people."""
    lines = [] if report.reading is None else [printable(line) for line in report.reading.lines]
    if report.reading is not None and report.reading.unreadable:
        return "\n".join(lines)
    lines.append(say(report.verdict))
    if report.verdict.advice:
        lines.append(f"Next: {report.verdict.advice}")
    if report.truncated:
        lines.append(f'Not read by the model: "{report.truncated}"')
    if report.rule:
        return "\n".join(lines)
    lines += [f"familiar  {describe(report.familiar)}", f"match     {describe(report.match)}"]
    if report.neighbours:
        lines.append("nearest training captions (1 - cosine):")
        lines += [f"  {neighbour.distance:.3f}  {neighbour.text}" for neighbour in report.neighbours]
    if report.words:
        lines.append("without the word: p familiar, p match")
        lines += [f"  {word.word:16} {_p(word.familiar):>6} {_p(word.match):>6}" for word in report.words]
    if report.stability:
        s = report.stability
        lines.append(
            f"stability of the re-ranking: {s.agreement:.0%} of {s.seeds} seeds agree on the winner, whose x0 is "
            f"{s.gap:.3f} ahead; entropy {s.entropy:.2f} nats; the leader last changed at {s.settled:.0%} of the steps"
        )
    return "\n".join([*lines, f"gallery {report.gallery[:12]}. {NOT_MEANT}"])


def say(verdict: Verdict) -> str:
    """The verdict in one line, with its number where it has one."""
    p = verdict.p_match
    return verdict.sentence if p is None else f"{verdict.sentence} p(match) {percent(p)}"


def percent(p: float) -> str:
    """A probability for reading: never 0 or 100 %."""
    return "< 1 %" if p < 0.01 else "> 99 %" if p > 0.99 else f"{p:.0%}".replace("%", " %")


def describe(answer: Answer) -> str:
    """An answer in one line."""
    if answer.p_value is None or answer.score is None:
        return answer.note
    kind = "ordinary" if answer.null == "ordinary" else "unrelated"
    count = answer.as_unusual if answer.null == "ordinary" else answer.n - (answer.as_unusual or 0)
    looks = "look this unusual" if answer.null == "ordinary" else "match worse"
    kind = f"{kind} queries{answer.of_length}"
    return (
        f"{say_p(answer.p_value, answer.n)}: {count} of {answer.n} {kind} {looks} (score {answer.score:.4g})"
    )


def _p(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
