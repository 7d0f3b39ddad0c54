"""Inspection: is a query inside what the system knows? The reports of queries, over a model and a gallery."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .combination import Judgement, Request, ask, candidates_of, judgement
from .encoders import TextFeatures
from .generation import BATCH, Denoising, Generation
from .generators import Generator, OpenSetGenerator
from .generators.match import ABSENT
from .generators.openset import Answers
from .matching import Candidates, Matcher
from .ood.conformal import ALPHA
from .ood.detector import Detector
from .ood.report import Answer, Neighbour, Report, WordEffect, rule_of
from .ood.scores import TEXT_SCORES, Scores, gallery_scores, generator_scores, word_scores
from .ood.stability import stability
from .ood.verdict import PLAIN_HEAD
from .query import check_queries, leave_one_out, words_of
from .reading import Reader, Reading
from .trajectory import Trajectory

PART = "Within a part of the gallery no p-value is calibrated."
OWN = 8  # candidates of its own that a part is judged among
WORDS = 16  # words of a query that are left out at a time


class Inspector:
    """Makes the reports of queries, scored as they were for the calibration, whatever a search is set to."""

    def __init__(self, matcher: Matcher, generation: Generation, absent: float = ABSENT) -> None:
        """matcher, generation: of one model and one gallery. absent: the share of queries without a match that is
        expected, in (0, 1)."""
        if not 0 < absent < 1:
            raise ValueError(
                f"absent is {absent}: the share of queries without a match lies between 0 and 1."
            )
        self.absent = absent
        self.matcher, self.generation, self.model = matcher, generation, matcher.model
        self.reader = Reader.open(self.model)

    @cached_property
    def detector(self) -> Detector:
        """The calibration that fits this model and this gallery, read once."""
        return Detector.open(self.model, self.matcher.gallery)

    # --- inspections ------------------------------------------------------------------------------------

    @torch.no_grad()
    def reports(
        self,
        texts: Sequence[str],
        alpha: float,
        exact: bool = False,
        part: Int[Tensor, " video"] | None = None,
    ) -> list[Report]:
        """Reports of a batch, with neighbours and stability, without the effect of single words.

        alpha, exact: as in `Retriever.inspect`. part: positions of the only videos that are looked at. Raises
        ValueError for alpha out of range, a text that is too long, or an empty gallery.
        """
        if not 0 < alpha < 1:
            raise ValueError(f"alpha is {alpha}: it must lie between 0 and 1.")
        check_queries(texts, blank=True)
        _ = self.matcher.reach  # raises for an empty gallery
        readings = [self.reader.read(text, exact) for text in texts]
        scored = [reading for reading in readings if not rule_of(reading)]
        reports = iter(self._full_reports(scored, alpha, part) if scored else [])
        return [
            self.detector.ruled(reading, rule, alpha) if (rule := rule_of(reading)) else next(reports)
            for reading in readings
        ]

    def word_effects(self, report: Report) -> Iterator[tuple[WordEffect, ...]]:
        """The p-values of a query without each of its words, as far as the model reads it, more and more of them.

        report: of a query to which no rule applies.
        """
        parts = leave_one_out(report.searched, report.truncated)
        words, shorter = [word for word, _ in parts], [rest for _, rest in parts]
        kept = [i for i, rest in enumerate(shorter) if not rule_of(self.reader.look(rest))]
        effects = [WordEffect(word, None, None) for word in words]
        if not kept:
            yield tuple(effects)
        for start in range(0, len(kept), WORDS):
            part = kept[start : start + WORDS]
            answers = self._answers([shorter[i] for i in part], len(words_of(report.searched)))
            for i, (familiar, match) in zip(part, answers, strict=True):
                effects[i] = WordEffect(words[i], familiar.p_value, match.p_value)
            yield tuple(effects)

    @torch.no_grad()
    def _answers(self, texts: Sequence[str], words: int) -> list[tuple[Answer, Answer]]:
        """Whether queries are familiar and whether each has a match, beside queries of so many words: those of a text
        without a word are those of the whole text, so that only the word makes a difference."""
        asked = Request(self.model.encode_text(texts), None)
        candidates = self.matcher.candidates(asked.text)
        judged = self.judge(asked, candidates)
        readings = [self.reader.look(text) for text in texts]
        scores = self.text_scores(readings, asked.text, candidates, judged)
        length = torch.full_like(scores["words"], math.log(max(words, 1)))
        return self.detector.answers(scores | {"words": length})

    def judge(
        self,
        asked: Request,
        candidates: Candidates,
        part: Int[Tensor, " video"] | None = None,
        without: Bool[Tensor, "text video"] | None = None,
    ) -> Judgement | None:
        """What the match head says of the usual number of candidates; None of a model that answers without one.

        part: positions of the only videos that are looked at; without: those that do not count; as for `candidates`.
        """
        generator = self.model.choose() if self.model.generators else None
        if not isinstance(generator, OpenSetGenerator):
            return None
        positions = candidates.positions[:, : generator.config.candidates]
        return self.judge_at(generator, asked, positions, candidates, part, without)

    def judge_at(
        self,
        generator: OpenSetGenerator,
        asked: Request,
        positions: Int[Tensor, "text candidate"],
        candidates: Candidates,
        part: Int[Tensor, " video"] | None = None,
        without: Bool[Tensor, "text video"] | None = None,
    ) -> Judgement:
        """As `judge`, of chosen videos. positions: in the gallery."""
        parts = asked.parts
        if parts is None:
            return judgement(
                self.generation.answers(generator, asked.text, positions, candidates), None, None
            )
        answers = self._in_order(generator, asked.text, positions, candidates)
        row = self.matcher.candidates(parts.text, part)
        if without is not None:
            row = self._without(row, without[parts.of])
        # Among the best of their own, so that the best of the query's are not taken for these.
        chosen = torch.cat([positions[parts.of], row.positions[:, :OWN]], dim=1)
        odds = self._in_order(generator, parts.text, chosen, row).match[:, : positions.shape[1]]
        return judgement(answers, parts, odds)

    def _in_order(
        self,
        generator: OpenSetGenerator,
        text: TextFeatures,
        positions: Int[Tensor, "text candidate"],
        candidates: Candidates,
    ) -> Answers:
        """What the match head says of chosen videos, which it sees the most similar first, as in training."""
        order = self.matcher.similarity(text, positions).sort(dim=1, descending=True, stable=True).indices
        found = self.generation.answers(generator, text, positions.gather(1, order), candidates)
        back = order.argsort(dim=1).to(found.match.device)
        return Answers(found.choice.gather(1, back), found.match.gather(1, back), found.none)

    def chance_of_none(self, scores: Scores) -> Float[Tensor, " text"] | None:
        """p(nothing in the gallery matches) of scored queries, float64; None where nothing is fitted."""
        odds = self.detector.odds or (PLAIN_HEAD if "head" in scores else None)
        return None if odds is None else odds.none(scores, self.absent)

    def search_reports(
        self,
        readings: Sequence[Reading],
        text: TextFeatures,
        candidates: Candidates,
        judged: Judgement | None,
        whole: bool = True,
    ) -> tuple[list[Report | None], Float[Tensor, " text"] | None]:
        """What a search says of its queries: the verdict and the two answers, no more, None where nothing is
        calibrated; and p(nothing in the gallery matches).

        readings: of queries that can be read. text, candidates, judged: of these, the last as `judge` gives it.
        whole: whether the whole gallery is searched; of a part the p-values of matches are not calibrated.
        """
        scores = self.text_scores(readings, text, candidates, judged, self.detector.needed)
        none = self.chance_of_none(scores)
        if not self.detector.calibrated:
            return [None] * len(readings), none
        reports: list[Report | None] = [
            self.detector.ruled(reading, rule) if (rule := rule_of(reading)) else report
            for reading, report in zip(
                readings, self._reports(readings, text, candidates, scores, none), strict=True
            )
        ]
        if not whole:
            reports = [report and replace(report, match=_uncalibrated(report.match)) for report in reports]
        return reports, none

    # --- scores -----------------------------------------------------------------------------------------

    @torch.no_grad()
    def scores(
        self,
        texts: Sequence[str | Reading],
        without: Bool[Tensor, "text video"] | None = None,
        forms: Sequence[str | None] = (None,),
    ) -> Scores:
        """Every score by name, [text]; arguments, returns and what is raised as in `Retriever.scores`."""
        readings = [self.reader.look(text) if isinstance(text, str) else text for text in texts]
        check_queries([reading.searched for reading in readings])
        parts = []
        for start in range(0, len(texts), BATCH):
            batch = readings[start : start + BATCH]
            asked = ask(self.model, batch)
            text = asked.text
            candidates = candidates_of(self.matcher, asked)
            gone = None if without is None else without[start : start + BATCH]
            if gone is not None:
                candidates = self._without(candidates, gone)
            judged = self.judge(asked, candidates, without=gone)
            part = self.text_scores(batch, text, candidates, judged)
            for form in forms if self.model.generators else ():
                trajectory = self.trajectory(text, candidates, self.model.choose(form))
                scores = generator_scores(trajectory)
                part |= {name if form is None else f"{form} {name}": score for name, score in scores.items()}
            parts.append(part)
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def trajectory(
        self,
        text: TextFeatures,
        candidates: Candidates,
        generator: Generator | None = None,
        known: tuple[Answers, Tensor] | None = None,
    ) -> Trajectory:
        """The trajectory by which the generator's scores are calibrated. generator: the one that answers when None.
        known: as in `Generation.trajectory`."""
        count, steps, seed, seeds = self.detector.protocol
        if known is not None:
            count = min(count, known[0].choice.shape[1])
        return self.generation.trajectory(
            generator or self.model.choose(),
            text,
            candidates.positions[:, :count],
            Denoising(steps, seed, seeds),
            candidates,
            known,
        )

    def _without(self, candidates: Candidates, without: Bool[Tensor, "text video"]) -> Candidates:
        """The candidates with some videos put last, as if they were not there, the rest in its order."""
        positions, similarity, weights, _ = candidates
        last = without.gather(1, positions).long().sort(dim=1, stable=True)
        kept = slice(0, max(self.detector.protocol.candidates, 1))
        if bool(last.values[:, kept].any()):
            raise ValueError("Too few videos are left to be candidates.")
        order, there = last.indices, last.values == 0
        return Candidates(positions.gather(1, order), similarity.gather(1, order), weights, there)

    def _full_reports(
        self, readings: Sequence[Reading], alpha: float, part: Int[Tensor, " video"] | None
    ) -> list[Report]:
        """Reports of texts that no rule stops, with neighbours and stability."""
        asked = ask(self.model, readings)
        text = asked.text
        candidates = candidates_of(self.matcher, asked, part)
        judged = self.judge(asked, candidates, part)
        scores = self.text_scores(readings, text, candidates, judged)
        none = self.chance_of_none(scores)
        trajectory = None
        if self.model.generators:
            trajectory = self.trajectory(text, candidates, known=self._known(judged, none))
        reports = self._reports(readings, text, candidates, scores, none, alpha)
        if part is not None:
            reports = [replace(report, match=_uncalibrated(report.match)) for report in reports]
        reference = self.detector.reference
        if reference is not None:
            near = [tuple(Neighbour(*pair) for pair in row) for row in reference.nearest(text.cls)]
            reports = [replace(report, neighbours=row) for report, row in zip(reports, near, strict=True)]
        if trajectory is not None:
            rows = zip(reports, stability(trajectory), strict=True)
            reports = [replace(report, stability=row) for report, row in rows]
        return reports

    def _known(
        self, judged: Judgement | None, none: Float[Tensor, " text"] | None
    ) -> tuple[Answers, Tensor] | None:
        """What a trajectory need not compute: the answers for as many candidates as it has, and p(no match)."""
        if judged is None or none is None:
            return None
        choice, match, head = judged.answers
        count = self.detector.protocol.candidates
        return Answers(choice[:, :count], match[:, :count], head), none.to(head)

    def _reports(
        self,
        readings: Sequence[Reading],
        text: TextFeatures,
        candidates: Candidates,
        scores: Scores,
        none: Float[Tensor, " text"] | None,
        alpha: float = ALPHA,
    ) -> list[Report]:
        """Reports of texts that no rule stops. none: as `chance_of_none` gives it."""
        pairs = self.detector.answers(scores, alpha)
        chances = [None] * len(pairs) if none is None else none.tolist()
        top = _best(candidates, self.detector.protocol.candidates).tolist()
        full = (text.mask != 0).all(dim=1).tolist()  # what is cut fills all that the model reads
        return [
            self.detector.report(
                reading.query,
                pairs[q],
                chances[q],
                self.absent,
                self.model.cut(reading.searched) if full[q] else "",
                reading=reading,
                scores={name: float(score[q]) for name, score in scores.items()},
                similarities=tuple(top[q]),
            )
            for q, reading in enumerate(readings)
        ]

    def text_scores(
        self,
        readings: Sequence[Reading],
        text: TextFeatures,
        candidates: Candidates,
        judged: Judgement | None,
        names: Collection[str] = TEXT_SCORES,
    ) -> Scores:
        """The scores of queries by name, without those of a generator. text, judged: of what they search for, the
        latter as `judge` gives it. names: of the scores of the text that are wanted."""
        reference, protocol = self.detector.reference, self.detector.protocol
        texts = [reading.searched for reading in readings]
        scores = {} if reference is None else reference.scores(texts, text.cls, names)
        scale = float(self.model.towers.logit_scale.exp().clamp(max=100.0))
        scores |= gallery_scores(_best(candidates, protocol.candidates), scale) | word_scores(readings)
        return scores if judged is None else scores | judged.scores()


def _best(candidates: Candidates, count: int) -> Float[Tensor, "text candidate"]:
    """The largest similarities of texts with what counts as held, the largest first."""
    similarity, there = candidates.similarity, candidates.there
    similarity = similarity if there is None else similarity.masked_fill(~there, -1.0)
    return similarity.topk(min(count, similarity.shape[1]), dim=1).values


def _uncalibrated(match: Answer) -> Answer:
    """The answer within a part of a gallery: the verdict holds, the p-value does not."""
    return replace(match, score=None, p_value=None, n=0, note=PART)
