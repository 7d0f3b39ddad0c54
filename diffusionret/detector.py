"""Two calibrated answers about a query: is it familiar to the model, and does this gallery hold a match?

Both are p-values against ordinary queries (calibration.py) of a weighted sum of scores (ood.py). The detector
holds the calibration files that fit a model and a gallery, and words the answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from .calibration import Calibration, StaleCalibration, benjamini_hochberg, p_values
from .gallery import BUNDLED as BUNDLED_GALLERY
from .gallery import SAMPLED, Gallery, fingerprint, sample
from .hub import BUNDLED as MODELS
from .model import DiffusionRet
from .ood import GENERATOR_SCORES, Reference, Scores, combine, words_of

ALPHA = 0.05  # false alarms that are accepted among ordinary queries, for each of the two answers
FAMILIAR, MATCH = "familiar.safetensors", "match.safetensors"
# The scores of a detector for which no other was chosen on validation data.
PLAIN = {"familiar": {"knn": 1.0}, "match": {"similarity": 1.0}}


class Protocol(NamedTuple):
    """What the scores of a gallery depend on besides the query; clamped to the gallery and the model."""

    candidates: int = 32
    steps: int = 50
    seed: int = 0
    seeds: int = 5


@dataclass(frozen=True)
class Answer:
    """One of the two answers.

    score: larger = more unusual. p_value, n, alpha: against n calibration queries, flagged where p <= alpha; both
    None where `note` says why there is none. null: what the calibration queries are: "ordinary" ones, or
    "unrelated" ones where the gallery has no captions (then a *small* p speaks for a match, and a query that is not
    told apart from them is flagged). in_batch: discovered at the false discovery rate alpha among a batch.
    """

    score: float | None = None
    p_value: float | None = None
    n: int = 0
    alpha: float = ALPHA
    flagged: bool | None = None
    null: str = "ordinary"
    in_batch: bool | None = None
    note: str = ""

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


MISSING = {
    "familiar": "Not calibrated for this model.",
    "match": "Not calibrated for this gallery.",
}
# (sentence, what to do next) by cell: (familiar?, match?).
CELLS = {
    "ordinary": (
        "An ordinary query, and the best clips match it as well as they match ordinary queries.",
        "",
    ),
    "absent": (
        "Understood, but nothing in this gallery looks like it.",
        "Add videos that show it, or describe less of it.",
    ),
    "unusual": (
        "An unusual query with a strong match: the order is less tested.",
        "Look at the first few clips before trusting the order.",
    ),
    "outside": (
        "Outside what the model was trained on: the ranking is a guess.",
        "Rephrase it with words and combinations like those of the nearest training captions.",
    ),
}
NO_WORDS = "There are no words in this query, so the ranking is a guess."


@dataclass(frozen=True)
class Report:
    """All that is said of one query.

    cell: "ordinary", "absent", "unusual" or "outside", "" where an answer is missing. sentence, advice: in words.
    rule: why no score was computed, "" where they were. scores: every score by name. similarities [candidate] and
    band (5, 50 and 95 % of unrelated queries, [3 candidate]): of the most similar videos, best first; None
    without a calibration. neighbours, stability and words: by `Retriever.inspect` only. unknown_words: never seen
    in training. truncated: the end that the model does not read. gallery: digest of the gallery.
    """

    query: str
    familiar: Answer
    match: Answer
    cell: str
    sentence: str
    advice: str
    rule: str = ""
    truncated: str = ""
    unknown_words: tuple[str, ...] = ()
    scores: dict[str, float] | None = None
    neighbours: tuple[Neighbour, ...] = ()
    stability: Stability | None = None
    words: tuple[WordEffect, ...] = ()
    similarities: tuple[float, ...] = ()
    band: tuple[tuple[float, ...], ...] | None = None
    gallery: str = ""

    def to_dict(self) -> dict:
        """Plain values, fit for JSON."""
        values = asdict(self)
        values["neighbours"] = [neighbour._asdict() for neighbour in self.neighbours]
        values["words"] = [word._asdict() for word in self.words]
        return values


class Detector:
    """The calibration of one model and one gallery, as far as there is one.

    familiar, match: None where missing or refused; `notes` says why a file was refused, by the same names.
    """

    def __init__(
        self,
        protocol: Protocol,
        familiar: Calibration | None = None,
        match: Calibration | None = None,
        notes: dict[str, str] | None = None,
        gallery: str = "",
    ) -> None:
        self.protocol, self.familiar, self.match = protocol, familiar, match
        self.notes = notes or {}
        self.gallery = gallery

    @classmethod
    def open(cls, model: DiffusionRet, gallery: Gallery) -> Detector:
        """What is calibrated for this model and gallery. Never raises: what is missing or stale becomes a note."""
        protocol = make_protocol(model, gallery)
        parts: dict[str, Calibration | None] = {"familiar": None, "match": None}
        notes: dict[str, str] = {}
        wanted = {"familiar": text_made_for(model), "match": match_made_for(model, gallery, protocol)}
        places = {"familiar": familiar_files(gallery, model), "match": match_files(gallery)}
        for name, files in places.items():
            for file in files:
                try:
                    parts[name] = Calibration.load(file, wanted[name], remedy(gallery))
                except FileNotFoundError:
                    continue
                except (StaleCalibration, ValueError) as error:
                    notes[name] = str(error)
                else:
                    notes.pop(name, None)
                    break
        return cls(protocol, **parts, notes=notes, gallery=wanted["match"]["gallery"])

    @property
    def calibrated(self) -> bool:
        """Whether there is anything to say: a calibration, or one that was refused."""
        return self.familiar is not None or self.match is not None or bool(self.notes)

    @cached_property
    def reference(self) -> Reference | None:
        """The training captions, None where the text is not calibrated."""
        return None if self.familiar is None else Reference.from_arrays(self.familiar.arrays)

    def note(self, name: str) -> str:
        """Why there is no answer of this name."""
        return self.notes.get(name, MISSING[name])

    @property
    def needs_generator(self) -> bool:
        """Whether an answer depends on the generator."""
        return any(c and c.weights.keys() & set(GENERATOR_SCORES) for c in (self.familiar, self.match))

    # --- answers ----------------------------------------------------------------------------------------

    def answers(self, scores: Scores, alpha: float = ALPHA) -> list[tuple[Answer, Answer]]:
        """(familiar, match) of every query."""
        columns = [
            self._answer(name, calibration, scores, alpha)
            for name, calibration in (("familiar", self.familiar), ("match", self.match))
        ]
        return list(zip(*columns, strict=True))

    def _answer(
        self, name: str, calibration: Calibration | None, scores: Scores, alpha: float
    ) -> list[Answer]:
        count = len(next(iter(scores.values())))
        if calibration is None:
            return [Answer(alpha=alpha, note=self.note(name))] * count
        values = combine(scores, calibration.weights).numpy()
        null = calibration.about.get("null", "ordinary")
        if null == "unrelated":  # a small p: better than nearly all queries that are not about this gallery
            p = p_values(-calibration.scores, -values)
            flagged = p > alpha + 1e-12
        else:
            p = p_values(calibration.scores, values)
            flagged = p <= alpha + 1e-12
        return [
            Answer(float(v), float(q), calibration.n, alpha, bool(f), null)
            for v, q, f in zip(values, p, flagged, strict=True)
        ]

    def report(self, query: str, answers: tuple[Answer, Answer], truncated: str = "", **more: Any) -> Report:
        """The report of one scored query. more: further fields of `Report`."""
        familiar, match = answers
        cell, sentence, advice = verdict(familiar, match)
        unknown = () if self.reference is None else tuple(self.reference.unknown_words(query))
        return Report(
            query, familiar, match, cell, sentence, advice,
            truncated=truncated, unknown_words=unknown, band=self.band, gallery=self.gallery, **more,
        )  # fmt: skip

    def ruled(self, query: str, rule: str, alpha: float = ALPHA) -> Report:
        """The report of a query to which a rule applies: no score, no p-value, both flagged."""
        answer = Answer(alpha=alpha, flagged=True, note=rule)
        advice = "Describe in words what should be seen."
        return Report(query, answer, answer, "outside", rule, advice, rule, gallery=self.gallery)

    @property
    def band(self) -> tuple[tuple[float, ...], ...] | None:
        """Similarities of the candidates of unrelated queries: 5, 50 and 95 %, [3 candidate]."""
        if self.match is None or "band" not in self.match.arrays:
            return None
        return tuple(tuple(row) for row in self.match.arrays["band"].astype(float).tolist())


def rule_of(query: str) -> str:
    """Why a query cannot be scored, "" where it can: it is empty, or holds no letter and no digit."""
    return "" if words_of(query) else NO_WORDS


def verdict(familiar: Answer, match: Answer) -> tuple[str, str, str]:
    """(cell, sentence, what to do next) of two answers."""
    if familiar.flagged is not None and match.flagged is not None:
        cell = (
            ("outside" if match.flagged else "unusual")
            if familiar.flagged
            else ("absent" if match.flagged else "ordinary")
        )
        return cell, *CELLS[cell]
    if familiar.flagged is not None:
        like = "unlike" if familiar.flagged else "like"
        sentence = f"The query is {like} those that the model learned from."
        return "", f"{sentence} {match.note}".strip(), ""
    if match.flagged is not None:
        sentence = "Nothing in this gallery matches well." if match.flagged else "This gallery matches well."
        return "", f"{sentence} {familiar.note}".strip(), ""
    return "", " ".join(dict.fromkeys(n for n in (familiar.note, match.note) if n)), ""


def in_batch(reports: Sequence[Report], alpha: float) -> list[Report]:
    """The reports of a batch, with what stays flagged at the false discovery rate `alpha` over all of them."""
    result = list(reports)
    for name in ("familiar", "match"):
        scored = [i for i, report in enumerate(result) if getattr(report, name).p_value is not None]
        p = np.array([getattr(result[i], name).p_value for i in scored])
        for i, found in zip(scored, benjamini_hochberg(p, alpha), strict=True):
            answer = getattr(result[i], name)
            found = not found if answer.null == "unrelated" else bool(found)
            result[i] = replace(result[i], **{name: replace(answer, in_batch=bool(found))})
    return result


# --- what a calibration is made for, and where it lies ----------------------------------------------------


def make_protocol(model: DiffusionRet, gallery: Gallery) -> Protocol:
    """The protocol's defaults, clamped to the gallery, and as many steps as the generator takes for an answer."""
    usual = Protocol()
    steps = model.generator_config().usual_steps if model.forms else usual.steps
    return Protocol(min(usual.candidates, max(len(gallery), 1)), steps)


def text_made_for(model: DiffusionRet) -> dict[str, Any]:
    """What the text's calibration depends on."""
    return {"model": fingerprint(model)}


def match_made_for(model: DiffusionRet, gallery: Gallery, protocol: Protocol) -> dict[str, Any]:
    """What the gallery's calibration depends on; the sampling of frames is part of the model's fingerprint."""
    return {
        "model": fingerprint(model),
        "generator": generator_digest(model),
        "gallery": gallery_digest(gallery),
        **protocol._asdict(),
    }


def generator_digest(model: DiffusionRet) -> str:
    """A digest of the generator that answers: its form and weights, as saved in half precision; "" without one."""
    if not model.forms:
        return ""
    generator = model.choose()
    digest = hashlib.sha256(generator.form.encode())
    for name, value in sorted(generator.network.state_dict().items()):
        digest.update(name.encode())
        digest.update(sample(value).tobytes())
    return digest.hexdigest()


def gallery_digest(gallery: Gallery) -> str:
    """A digest of which videos a gallery holds and of their features (of some thousand where it is large)."""
    digest = hashlib.sha256("\n".join(gallery.ids).encode())
    pooled: Float[Tensor, "video dim"] = gallery.pooled
    digest.update(pooled[:: max(len(pooled) // SAMPLED, 1)].half().numpy().tobytes())
    return digest.hexdigest()


def familiar_files(gallery: Gallery, model: DiffusionRet) -> list[Path]:
    """Where the text's calibration may lie: with the gallery, or with the model."""
    name = gallery.model_name or model.config.name
    files = [gallery.folder / FAMILIAR] if gallery.folder else []
    return [*files, MODELS / name / FAMILIAR] if name else files


def match_files(gallery: Gallery) -> list[Path]:
    """Where the gallery's calibration lies."""
    return [gallery.folder / MATCH] if gallery.folder else []


def remedy(gallery: Gallery) -> str:
    """The command that calibrates a gallery."""
    command = "python -m diffusionret calibrate"
    bundled = gallery.folder is not None and gallery.folder == BUNDLED_GALLERY.resolve()
    return command if bundled or gallery.folder is None else f"{command} --gallery {gallery.folder.name}"
