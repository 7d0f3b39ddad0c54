"""Two calibrated answers about a query: is it familiar to the model, and does this gallery hold a match?

Both are p-values against ordinary queries (conformal.py) of a weighted sum of scores (scores.py). The detector holds
the calibration files that fit a model and a gallery; report.py words its answers.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ..gallery import BUNDLED as BUNDLED_GALLERY
from ..gallery import SAMPLED, Gallery, fingerprint, sample
from ..hub import BUNDLED as MODELS
from ..model import DiffusionRet
from ..reading import ADVICE, Reading
from .conformal import ALPHA, Calibration, StaleCalibration
from .report import MISSING, Answer, Report, without_odds
from .scores import Reference, Scores, combine, word_counts
from .verdict import PLAIN_HEAD, MatchOdds, Verdict

FAMILIAR, MATCH, ODDS = "familiar.safetensors", "match.safetensors", "odds.json"
# The scores of a detector for which no other was chosen on validation data.
PLAIN = {"familiar": {"knn": 1.0}, "match": {"similarity": 1.0}}


class Protocol(NamedTuple):
    """What the scores of a gallery depend on besides the query; clamped to the gallery. The noise serves the scores of
    the generator, which are measured and decide nothing."""

    candidates: int = 32
    steps: int = 50
    seed: int = 0
    seeds: int = 5


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
        odds: MatchOdds | None = None,
    ) -> None:
        """odds: of a match, by which verdicts are given; None where nothing is fitted, so that none can be."""
        self.protocol, self.familiar, self.match = protocol, familiar, match
        self.notes = notes or {}
        self.gallery = gallery
        self.odds = odds

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
        odds = match_odds(model, parts["familiar"], parts["match"])
        return cls(protocol, **parts, notes=notes, gallery=wanted["match"]["gallery"], odds=odds)

    @property
    def calibrated(self) -> bool:
        """Whether there is anything to say: a calibration, one that was refused, or the odds of a match."""
        return (
            self.familiar is not None or self.match is not None or bool(self.notes) or self.odds is not None
        )

    @cached_property
    def reference(self) -> Reference | None:
        """The training captions, None where the text is not calibrated."""
        return None if self.familiar is None else Reference.from_arrays(self.familiar.arrays)

    @cached_property
    def needed(self) -> frozenset[str]:
        """The scores, by name, that the answers and the odds are made of."""
        weighed = [self.familiar, self.match, self.odds]
        return frozenset(
            part for by in weighed if by is not None for name in by.weights for part in name.split("*")
        )

    def note(self, name: str) -> str:
        """Why there is no answer of this name."""
        return self.notes.get(name, MISSING[name])

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
        values = combine(scores, calibration.weights).tolist()
        words = word_counts(scores).tolist()
        return [_answer(calibration, *pair, alpha) for pair in zip(values, words, strict=True)]

    def report(
        self,
        query: str,
        answers: tuple[Answer, Answer],
        none: float | None,
        absent: float,
        truncated: str = "",
        reading: Reading | None = None,
        scores: dict[str, float] | None = None,
        **more: Any,
    ) -> Report:
        """The report of one scored query.

        none: p(nothing in the gallery matches), None where it is not known. absent: the share of queries without a
        match that it assumes. reading, scores: of the query, as in `Report`. more: further fields of `Report`.
        """
        familiar, match = answers
        verdict = None
        if self.odds is not None and none is not None:
            unknown = reading is not None and bool(reading.unknown)
            rest = reading is not None and reading.rest
            verdict = self.odds.verdict(none, absent, bool(familiar.flagged), unknown, rest)
            parts = np.array([(scores or {}).get("parts", 0.0)])
            verdict = replace(verdict, kept=self.odds.kept(parts).item())
            match = replace(match, flagged=verdict.kind == "none")
        return Report(
            query, familiar, match, verdict or without_odds(familiar, match),
            truncated=truncated, reading=reading, scores=scores, band=self.band, gallery=self.gallery, **more,
        )  # fmt: skip

    def ruled(self, reading: Reading, rule: str, alpha: float = ALPHA) -> Report:
        """The report of a query to which a rule applies: no number at all, both flagged."""
        answer = Answer(alpha=alpha, flagged=True, note=rule)
        return Report(
            reading.query,
            answer,
            answer,
            Verdict("unreadable", rule, ADVICE),
            rule,
            reading=reading,
            gallery=self.gallery,
        )

    @property
    def band(self) -> tuple[tuple[float, ...], ...] | None:
        """Similarities of the candidates of unrelated queries: 5, 50 and 95 %, [3 candidate]."""
        if self.match is None or "band" not in self.match.arrays:
            return None
        return tuple(tuple(row) for row in self.match.arrays["band"].astype(float).tolist())


def _answer(calibration: Calibration, score: float, words: int, alpha: float) -> Answer:
    """The answer of a query with this score and so many words."""
    group = calibration.like(words)
    p = calibration.p_value(score, words)
    flagged = (p <= alpha + 1e-12) != (calibration.null == "unrelated")
    return Answer(
        score, p, len(group.scores), alpha, flagged, calibration.null, words=words, length=group.length
    )


# --- what a calibration is made for, and where it lies ----------------------------------------------------


def make_protocol(model: DiffusionRet, gallery: Gallery) -> Protocol:
    """The protocol's defaults, clamped to the gallery, and as many steps as the generator takes for an answer."""
    usual = Protocol()
    steps = model.choose().config.usual_steps if model.forms else usual.steps
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


def head_made_for(model: DiffusionRet) -> dict[str, Any]:
    """What the odds of a match head depend on."""
    return text_made_for(model) | {"generator": generator_digest(model)}


def odds_file(model: DiffusionRet) -> Path | None:
    """Where the odds of a model's match head lie; None for a model without a name."""
    return MODELS / model.config.name / ODDS if model.config.name else None


def match_odds(
    model: DiffusionRet, familiar: Calibration | None, match: Calibration | None
) -> MatchOdds | None:
    """The odds of a match: of the model's head, fitted where they were; else those that this gallery's queries gave."""
    if model.config.form == "open-set":
        file = odds_file(model)
        fitted = MatchOdds.load(file, head_made_for(model)) if file and familiar is not None else None
        return fitted or PLAIN_HEAD
    stored = match.about.get("odds") if match is not None else None
    return MatchOdds.from_dict(stored) if stored else None


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
