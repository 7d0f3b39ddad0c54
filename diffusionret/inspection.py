"""Inspection: is a query inside what the system knows? The reports of queries, over a model and a gallery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .encoders import TextFeatures
from .generation import BATCH, Denoising, Generation
from .generators import Generator
from .matching import Candidates, Matcher
from .ood.conformal import ALPHA
from .ood.detector import Detector
from .ood.report import Answer, Neighbour, Report, Stability, WordEffect, rule_of
from .ood.scores import Scores, gallery_scores, generator_scores
from .query import check_queries, leave_one_out
from .reading import Reader, Reading
from .results import Settings
from .trajectory import Trajectory

WORDS = 16  # words of a query that are left out at a time


class Inspector:
    """Makes the reports of queries, scored as they were for the calibration, whatever a search is set to."""

    def __init__(self, matcher: Matcher, generation: Generation) -> None:
        """matcher, generation: of one model and one gallery."""
        self.matcher, self.generation, self.model = matcher, generation, matcher.model
        self.reader = Reader.open(self.model)

    @cached_property
    def detector(self) -> Detector:
        """The calibration that fits this model and this gallery, read once."""
        return Detector.open(self.model, self.matcher.gallery)

    # --- inspections ------------------------------------------------------------------------------------

    @torch.no_grad()
    def reports(self, texts: Sequence[str], alpha: float, exact: bool = False) -> list[Report]:
        """Reports of a batch, with neighbours and stability, without the effect of single words.

        alpha, exact: as in `Retriever.inspect`. Raises ValueError for alpha out of range, a text that is too long, or
        an empty gallery.
        """
        if not 0 < alpha < 1:
            raise ValueError(f"alpha is {alpha}: it must lie between 0 and 1.")
        check_queries(texts, blank=True)
        _ = self.matcher.reach  # raises for an empty gallery
        readings = [self.reader.read(text, exact) for text in texts]
        scored = [reading for reading in readings if not rule_of(reading)]
        reports = iter(self._full_reports(scored, alpha) if scored else [])
        return [
            self.detector.ruled(reading, rule, alpha) if (rule := rule_of(reading)) else next(reports)
            for reading in readings
        ]

    def word_effects(self, report: Report) -> Iterator[tuple[WordEffect, ...]]:
        """The p-values of a query without each of its words, as far as the model reads it, more and more of them.

        report: of a query to which no rule applies.
        """
        parts = leave_one_out(report.query, report.truncated)
        words, shorter = [word for word, _ in parts], [rest for _, rest in parts]
        kept = [i for i, rest in enumerate(shorter) if not rule_of(self.reader.read(rest, exact=True))]
        effects = [WordEffect(word, None, None) for word in words]
        if not kept:
            yield tuple(effects)
        for start in range(0, len(kept), WORDS):
            part = kept[start : start + WORDS]
            answers = self._answers([shorter[i] for i in part])
            for i, (familiar, match) in zip(part, answers, strict=True):
                effects[i] = WordEffect(words[i], familiar.p_value, match.p_value)
            yield tuple(effects)

    @torch.no_grad()
    def _answers(self, texts: Sequence[str]) -> list[tuple[Answer, Answer]]:
        """Whether queries are familiar and whether each has a match."""
        text = self.model.encode_text(texts)
        candidates = self.matcher.candidates(text)
        trajectory = self.trajectory(text, candidates) if self.detector.needs_generator else None
        return self.detector.answers(self._scores(texts, text, candidates.similarity, trajectory))

    @torch.no_grad()
    def search_reports(
        self,
        readings: Sequence[Reading],
        text: TextFeatures,
        candidates: Candidates,
        trajectory: Trajectory | None,
        settings: Settings,
    ) -> list[Report | None]:
        """What a search says of its queries: the two answers, no more; None where nothing is calibrated.

        readings: of queries that can be read. text, candidates: of these. trajectory, settings: of the search, whose
        seeds serve here too where they are the calibrated ones.
        """
        if not self.detector.calibrated:
            return [None] * len(readings)
        trajectory = self.calibrated_part(trajectory, settings)
        if trajectory is None and self.detector.needs_generator:
            trajectory = self.trajectory(text, candidates)
        reports = self._reports(readings, text, candidates.similarity, trajectory)
        return [
            self.detector.ruled(reading, rule) if (rule := rule_of(reading)) else report
            for reading, report in zip(readings, reports, strict=True)
        ]

    @torch.no_grad()
    def part_reports(self, readings: Sequence[Reading], text: TextFeatures) -> list[Report | None]:
        """What a search within a part of the gallery says of its queries: whether they are familiar, which depends on
        no gallery; None where that is not calibrated. Arguments as in `search_reports`."""
        detector = self.detector.of_part
        if detector.reference is None:
            return [None] * len(readings)
        texts = [reading.searched for reading in readings]
        scores = detector.reference.scores(texts, text.cls)
        return [
            detector.ruled(reading, rule)
            if (rule := rule_of(reading))
            else detector.report(reading.searched, answers, self.model.cut(reading.searched), reading=reading)
            for reading, answers in zip(readings, detector.answers(scores), strict=True)
        ]

    # --- scores -----------------------------------------------------------------------------------------

    @torch.no_grad()
    def scores(
        self,
        texts: Sequence[str],
        without: Bool[Tensor, "text video"] | None = None,
        forms: Sequence[str | None] = (None,),
    ) -> Scores:
        """Every score by name, [text]; arguments, returns and what is raised as in `Retriever.scores`."""
        check_queries(texts)
        parts = []
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            text = self.model.encode_text(batch)
            candidates = self.matcher.candidates(text)
            if without is not None:
                candidates = self._without(candidates, without[start : start + BATCH])
            part = self._scores(batch, text, candidates.similarity, None)
            for form in forms if self.model.generators else ():
                trajectory = self.trajectory(text, candidates, self.model.choose(form))
                scores = generator_scores(trajectory)
                part |= {name if form is None else f"{form} {name}": score for name, score in scores.items()}
            parts.append(part)
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def trajectory(
        self, text: TextFeatures, candidates: Candidates, generator: Generator | None = None
    ) -> Trajectory:
        """The trajectory by which the generator's scores are calibrated. generator: the one that answers when None."""
        count, steps, seed, seeds = self.detector.protocol
        return self.generation.trajectory(
            generator or self.model.choose(),
            text,
            candidates.positions[:, :count],
            Denoising(steps, seed, seeds),
            candidates.token_weights,
        )

    def calibrated_part(self, trajectory: Trajectory | None, settings: Settings) -> Trajectory | None:
        """What `trajectory` would give, where a search's own trajectories hold it and an answer needs it; else None."""
        if trajectory is None or not self.detector.needs_generator:
            return None
        candidates, steps, seed, seeds = self.detector.protocol
        same = (settings.candidates, settings.steps, settings.seed) == (candidates, steps, seed)
        if not same or not settings.seeds >= seeds > 1 or trajectory.form != self.model.forms[0]:
            return None
        x, x0, x0_raw = (states[:, :seeds] for states in (trajectory.x, trajectory.x0, trajectory.x0_raw))
        return replace(trajectory, x=x, x0=x0, x0_raw=x0_raw)

    def _without(self, candidates: Candidates, without: Bool[Tensor, "text video"]) -> Candidates:
        """The candidates with some videos put last, the rest in its order."""
        positions, similarity, weights = candidates
        last = without.gather(1, positions).long().sort(dim=1, stable=True)
        kept = slice(0, max(self.detector.protocol.candidates, 1))
        if bool(last.values[:, kept].any()):
            raise ValueError("Too few videos are left to be candidates.")
        return Candidates(positions.gather(1, last.indices), similarity.gather(1, last.indices), weights)

    def _full_reports(self, readings: Sequence[Reading], alpha: float) -> list[Report]:
        """Reports of texts that no rule stops, with neighbours and stability."""
        text = self.model.encode_text([reading.searched for reading in readings])
        candidates = self.matcher.candidates(text)
        trajectory = self.trajectory(text, candidates) if self.model.generators else None
        reports = self._reports(readings, text, candidates.similarity, trajectory, alpha)
        reference = self.detector.reference
        if reference is not None:
            near = [tuple(Neighbour(*pair) for pair in row) for row in reference.nearest(text.cls)]
            reports = [replace(report, neighbours=row) for report, row in zip(reports, near, strict=True)]
        if trajectory is not None:
            rows = zip(reports, stability(trajectory), strict=True)
            reports = [replace(report, stability=row) for report, row in rows]
        return reports

    def _reports(
        self,
        readings: Sequence[Reading],
        text: TextFeatures,
        similarity: Float[Tensor, "text kept"],
        trajectory: Trajectory | None,
        alpha: float = ALPHA,
    ) -> list[Report]:
        """Reports of texts that no rule stops. trajectory: of the calibrated protocol; None where nothing needs it."""
        texts = [reading.searched for reading in readings]
        scores = self._scores(texts, text, similarity, trajectory)
        answers = self.detector.answers(scores, alpha)
        top = similarity[:, : self.detector.protocol.candidates].tolist()
        return [
            self.detector.report(
                reading.searched,
                answers[q],
                self.model.cut(reading.searched),
                reading=reading,
                scores={name: float(score[q]) for name, score in scores.items()},
                similarities=tuple(top[q]),
            )
            for q, reading in enumerate(readings)
        ]

    def _scores(
        self,
        texts: Sequence[str],
        text: TextFeatures,
        similarity: Float[Tensor, "text kept"],
        trajectory: Trajectory | None,
    ) -> Scores:
        reference, protocol = self.detector.reference, self.detector.protocol
        scores = {} if reference is None else reference.scores(texts, text.cls)
        scale = float(self.model.towers.logit_scale.exp().clamp(max=100.0))
        scores |= gallery_scores(similarity[:, : protocol.candidates], scale)
        return scores if trajectory is None else scores | generator_scores(trajectory)


def stability(trajectory: Trajectory) -> list[Stability]:
    """How a query's trajectories from different seeds agree, one entry a query. trajectory: of several seeds."""
    scores = generator_scores(trajectory)
    return [
        Stability(
            trajectory.x.shape[1],
            1 - float(scores["disagreement"][q]),
            -float(scores["gap"][q]),
            float(scores["entropy"][q]),
            float(scores["settling"][q]),
        )
        for q in range(trajectory.candidates.shape[0])
    ]
