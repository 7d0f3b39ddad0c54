"""Two calibrated answers about a query: is it familiar to the model, and does this gallery hold a match?

Both are p-values against ordinary queries (conformal.py) of a weighted sum of scores (scores.py). The detector holds
the calibration files that fit a model and a gallery; report.py words its answers.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor

from ..gallery import BUNDLED as BUNDLED_GALLERY
from ..gallery import SAMPLED, Gallery, fingerprint, sample
from ..hub import BUNDLED as MODELS
from ..model import DiffusionRet
from ..reading import ADVICE, Reading
from .conformal import ALPHA, Calibration, StaleCalibration, p_values
from .report import MISSING, PART, Answer, Report, verdict
from .scores import GENERATOR_SCORES, TEXT_SCORES, Reference, Scores, combine

FAMILIAR, MATCH = "familiar.safetensors", "match.safetensors"
# The scores of a detector for which no other was chosen on validation data.
PLAIN = {"familiar": {"knn": 1.0}, "match": {"similarity": 1.0}}


class Protocol(NamedTuple):
    """What the scores of a gallery depend on besides the query; clamped to the gallery and the model."""

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
    def of_part(self) -> Detector:
        """What holds within a part of the gallery too: whether a query is familiar, if that depends on no gallery."""
        familiar = self.familiar
        if familiar is not None and not familiar.weights.keys() <= set(TEXT_SCORES):
            familiar = None
        notes = {name: note for name, note in self.notes.items() if name == "familiar"}
        return Detector(self.protocol, familiar, None, notes | {"match": PART}, self.gallery)

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
        return Report(
            query, familiar, match, cell, sentence, advice,
            truncated=truncated, band=self.band, gallery=self.gallery, **more,
        )  # fmt: skip

    def ruled(self, reading: Reading, rule: str, alpha: float = ALPHA) -> Report:
        """The report of a query to which a rule applies: no score, no p-value, both flagged."""
        answer = Answer(alpha=alpha, flagged=True, note=rule)
        return Report(
            reading.searched,
            answer,
            answer,
            "outside",
            rule,
            ADVICE,
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
