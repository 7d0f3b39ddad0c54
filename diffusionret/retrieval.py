"""The Retriever: a sentence in, ranked videos and the generated distribution out. The one inference path."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from .checkpoint import load_model
from .combination import Judgement, Request, ask, candidates_of, similarity_of_parts
from .description import Describer, Description
from .encoders import TextFeatures, VideoFeatures
from .example import check_example, example_features
from .gallery import Gallery
from .generation import BATCH, Generation
from .generators import Generator, OpenSetGenerator
from .generators.match import ABSENT, match_of
from .generators.openset import Answers
from .inspection import Inspector
from .matching import Candidates, Matcher, text_row
from .model import DiffusionRet
from .ood.conformal import ALPHA
from .ood.detector import Detector
from .ood.report import Report, in_batch, rule_of
from .ood.scores import Scores
from .query import check_number, check_queries, check_query
from .ranking import Ranking
from .reading import Reading
from .results import Hit, SearchResult, Settings
from .similarity import mean_frame
from .trajectory import Trajectory

MOST_SEEDS = 1024  # of one answer
MOST_CAPTIONS = 100  # of one description


class Retriever:
    """A model and a gallery, ready for questions. Safe to call from several threads.

    matcher finds candidates, generation draws trajectories over them, inspector says whether a query is inside what the
    system knows.
    """

    def __init__(
        self,
        model: DiffusionRet,
        gallery: Gallery,
        device: str | torch.device | None = None,
        absent: float = ABSENT,
    ) -> None:
        """device: where to compute; None leaves the model where it is. absent: the share of queries, in (0, 1), that is
        expected to have no match: a prior of p(match).

        Raises ValueError where the gallery was made with another model, or `absent` is out of range.
        """
        gallery.check(model)
        self.model = model.eval() if device is None else model.to(device).eval()
        self.gallery = gallery
        self.matcher = Matcher(self.model, gallery)
        self.generation = Generation(self.model, self.matcher)
        self.inspector = Inspector(self.matcher, self.generation, absent)
        self._ranking = Ranking(self.matcher)

    @classmethod
    def open(
        cls, gallery: str | Path | None = None, model: str | Path | None = None, device: str = "auto"
    ) -> Retriever:
        """From names, as the command line and the app take them.

        gallery: a folder made by `index`; None for the bundled one. model: see `load_model`; None for the
        one that the gallery was indexed with. device: "auto" (CUDA where present), "cpu" or "cuda".
        """
        opened = Gallery.bundled() if gallery is None else Gallery.open(gallery)
        return cls(load_model(model or opened.model_name, device), opened)

    @classmethod
    def bundled(cls, device: str = "auto") -> Retriever:
        """The bundled model and gallery."""
        return cls.open(device=device)

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self.model.device

    @property
    def generates(self) -> bool:
        """Whether the model has a generator; without one the ranking is by similarity only."""
        return bool(self.model.generators)

    def search(
        self,
        text: str,
        k: int = 10,
        candidates: int = 32,
        steps: int | None = None,
        seed: int = 0,
        seeds: int | None = None,
        form: str | None = None,
        exact: bool = False,
        within: Sequence[str] | None = None,
        per_file: bool = False,
    ) -> SearchResult:
        """The `k` best spans of videos for a sentence; a short video is one span.

        per_file: `k` counts files. The hits then are the best spans, as many as the larger of `k` and `candidates`, and
        of each further file up to the `k`-th the best one; `SearchResult.files` groups them.
        candidates: how many of the most similar videos the generator weighs, clamped to the gallery. steps:
        of denoising, at most those of the generator's training. seed, seeds: the noise; the same for every
        query, with several seeds (seed, seed + 1, ...) boost and probability are means over them. None: as many as
        the generator's config says; of a model without one they mean nothing. form: the name of the
        generator, "published" or "open-set"; None for the one that the model answers with. exact: whether the text is
        searched for as it stands; else words that are surely typing errors are corrected (see reading.py). within: ids
        of the videos to search, as if the others were not there; None for all. The verdict is then about this
        part; the p-value of a match is calibrated for the whole gallery and left out.
        Raises ValueError with one sentence for a text that is empty or longer than query.py allows, for an empty
        gallery, for an empty or unknown `within` and for settings out of range.
        """
        return self.search_many([text], k, candidates, steps, seed, seeds, form, exact, within, per_file)[0]

    def search_many(
        self,
        texts: Sequence[str],
        k: int = 10,
        candidates: int = 32,
        steps: int | None = None,
        seed: int = 0,
        seeds: int | None = None,
        form: str | None = None,
        exact: bool = False,
        within: Sequence[str] | None = None,
        per_file: bool = False,
    ) -> list[SearchResult]:
        """As `search`, for many sentences; timings are an even share of their batch's."""
        check_queries(texts)
        generator = self.model.choose(form) if self.generates or form else None
        part = None if within is None else self._positions(within)
        settings = self._settings(k, candidates, steps, seed, seeds, generator, part)
        clock = _Clock()
        readings = [self.read(text, exact) for text in texts]
        read = clock.done("read", len(texts))
        readable = [reading for reading in readings if not reading.unreadable]
        results = []
        for start in range(0, len(readable), BATCH):
            batch = readable[start : start + BATCH]
            results += self._search_batch(batch, settings, generator, part, per_file)
        for result in results:
            total = read["total"] + result.timings["total"]
            result.timings.update(read | {"total": total})
        found = iter(results)
        return [
            self._unreadable(reading, settings) if reading.unreadable else next(found) for reading in readings
        ]

    def read(self, text: str, exact: bool = False) -> Reading:
        """What is read of a query's words, without searching. exact: as in `search`.

        Raises ValueError for a text that is longer than query.py allows.
        """
        return self.inspector.reader.read(check_query(text, blank=True), exact)

    @torch.no_grad()
    def denoise(
        self,
        texts: Sequence[str],
        candidates: Int[Tensor, "text candidate"],
        steps: int | None = None,
        seed: int = 0,
        seeds: int = 1,
        schedule: str | None = None,
        eta: float = 0.0,
        form: str | None = None,
    ) -> Trajectory:
        """Trajectories of sentences over chosen videos, whatever a search would have chosen.

        texts: read as `search` reads them with `exact`. candidates: positions in the gallery. schedule: the trained
        one when None; another one is respaced from as many steps. eta: 0 deterministic, 1 ancestral. form, steps, seed,
        seeds: as in `search`, with equal noise.
        Raises NoGenerator for a model without one, ValueError for settings out of range.
        """
        generator = self.model.choose(form)
        check_queries(texts)
        settings = self._settings(1, candidates.shape[1], steps, seed, seeds, generator)
        denoising = replace(settings.denoising, schedule=schedule, eta=eta)
        readings = [self.read(text, exact=True) for text in texts]
        asked = ask(self.model, readings)
        text = asked.text
        matched = candidates_of(self.matcher, asked)
        known = None
        if isinstance(generator, OpenSetGenerator):
            judged = self.inspector.judge_at(generator, asked, candidates, matched)
            answers, usual = judged.answers, self.inspector.judge(asked, matched) or judged
            scores = self.inspector.text_scores(readings, text, matched, usual)
            none = self.inspector.chance_of_none(scores)
            assert none is not None  # a match head has its say at least
            known = answers, none.to(answers.none)
        return self.generation.trajectory(generator, text, candidates, denoising, matched, known)

    @torch.no_grad()
    def candidates(self, text: str, k: int = 32) -> list[Hit]:
        """The `k` videos that are most similar to a sentence, read as `search` reads it with `exact`: what a search
        lets its generator weigh, without sampling.

        k: at least 1, clamped to the gallery.

        Returns hits in the order of similarity, which is their score: no boost, no probability, and rank is base_rank.
        Raises ValueError with one sentence for a text that is empty or longer than query.py allows, for an empty
        gallery and for a k out of range.
        """
        check_queries([text])
        k = self._settings(k, 1, None, 0, None).k
        asked = ask(self.model, [self.read(text, exact=True)])
        return self._ranking.best(asked.text, candidates_of(self.matcher, asked), 0, [], [], k, judged=0)

    @torch.no_grad()
    def similar(self, id: str, k: int = 10) -> list[Hit]:
        """The `k` videos most like the span `id`, its own video left out, by the cosine of pooled features.

        k: at least 1, clamped to the other videos. Returns hits, most similar first, of each video its best span.
        Raises ValueError for an unknown id and for a k out of range.
        """
        position = self.gallery.position(id)
        k = min(check_number("k", k, 1), self.gallery.file_count - 1)
        rows = zip(*self.matcher.neighbours(position, k), strict=True)
        return [
            self._ranking.hit(int(i), rank, rank, float(s), 0.0, None, f)
            for rank, (i, s, f) in enumerate(rows, 1)
        ]

    @torch.no_grad()
    def search_video(
        self,
        example: VideoFeatures | str | os.PathLike[str],
        k: int = 10,
        within: Sequence[str] | None = None,
        per_file: bool = False,
    ) -> list[Hit]:
        """The `k` spans of videos most like a picture or a short clip, by the cosine of pooled features.

        example: a file, read within the limits of `example.py`, or its features [1 frame dim] as `example_features`
        makes them. within: ids of the videos to search, None for all. per_file: `k` counts files; the hits then are
        the `k` best spans, and of each further file up to the `k`-th the best one. Whether there is a match is not
        said: nothing is calibrated for it.
        Raises ValueError with one sentence for a file that cannot be read or is too large or too long, for an empty
        gallery, for an empty or unknown `within` and for a k out of range.
        """
        part = None if within is None else self._positions(within)
        k = min(check_number("k", k, 1), self.matcher.reach if part is None else len(part))
        features = self.example(example)
        direction = normalize(mean_frame(features)[0], dim=-1)
        near = self.matcher.nearest(direction, part)
        order, similarity = near.positions[0].tolist(), near.similarity[0].tolist()
        best = self._ranking.of_files(order, k, k) if per_file else range(k)
        frames = self.matcher.moments(direction, torch.tensor([order[i] for i in best]))
        return [
            self._ranking.hit(order[i], i + 1, i + 1, similarity[i], 0.0, None, f)
            for i, f in zip(best, frames, strict=True)
        ]

    @torch.no_grad()
    def describe(self, video: VideoFeatures | str | os.PathLike[str], k: int = 3) -> list[Description]:
        """The `k` captions that fit a video best, by the similarity that a search ranks by.

        video: the id of a span of the gallery, else an example as `search_video` takes it. The captions are those that
        the model's calibration keeps of its training, without one those of the gallery, a span's own left out.
        Raises ValueError as `search_video`, for a k out of range and where no caption is known.
        """
        k = check_number("k", k, 1, MOST_CAPTIONS)
        if isinstance(video, str) and video in self.gallery:
            position = self.gallery.position(video)
            features = self.gallery.features(torch.tensor([position]))
            return self._describer.describe(features, k, self.gallery.captions[position])
        return self._describer.describe(self.example(video), k)

    @cached_property
    def _describer(self) -> Describer:
        reference = self.detector.reference
        texts = self.gallery.captions if reference is None else reference.texts
        return Describer(self.model, [text for text in texts if text])

    def example(self, example: VideoFeatures | str | os.PathLike[str]) -> VideoFeatures:
        """The features [1 frame dim] of a picture or a short clip, on the CPU. Raises as `search_video`."""
        if not isinstance(example, VideoFeatures):
            return example_features(self.model, example)
        check_example(example, self.model.config.clip.embed_dim)
        return VideoFeatures(example.frames.float().cpu(), example.mask.cpu())

    # --- is the question inside what the system knows? --------------------------------------------------

    @property
    def detector(self) -> Detector:
        """The calibration that fits this model and this gallery, read once."""
        return self.inspector.detector

    @detector.setter
    def detector(self, detector: Detector) -> None:
        self.inspector.detector = detector

    def inspect(
        self, text: str, alpha: float = ALPHA, exact: bool = False, within: Sequence[str] | None = None
    ) -> Report:
        """Whether a query is familiar to the model and whether this gallery holds a match, and why.

        alpha: false alarms accepted among ordinary queries, in (0, 1). exact, within: as in `search`. An odd query
        raises nothing: what has no words gets a rule instead of scores. Raises ValueError for a query longer than
        query.py allows, an empty gallery, an empty or unknown `within`, or alpha out of range.
        """
        *_, report = self.inspect_steps(text, alpha, exact, within)
        return report

    def inspect_steps(
        self, text: str, alpha: float = ALPHA, exact: bool = False, within: Sequence[str] | None = None
    ) -> Iterator[Report]:
        """As `inspect`, as it grows: the report without the effect of single words, then with more and more of them,
        so that a reader sees what there is, and a reader who has left costs no more."""
        part = None if within is None else self._positions(within)
        (report,) = self.inspector.reports([text], alpha, exact, part)
        yield report
        if not report.rule and self.detector.calibrated:
            for words in self.inspector.word_effects(report):
                yield replace(report, words=words)

    def inspect_many(self, texts: Sequence[str], alpha: float = ALPHA) -> list[Report]:
        """As `inspect`, for a batch, without the effect of single words.

        `in_batch` of each answer says what is flagged at the false discovery rate `alpha` over the whole batch
        (Benjamini and Hochberg), where `flagged` looks at one query alone.
        """
        return in_batch([report for part in self.inspect_parts(texts, alpha) for report in part], alpha)

    def inspect_parts(self, texts: Sequence[str], alpha: float = ALPHA) -> Iterator[list[Report]]:
        """As `inspect_many`, part by part, so that a long batch can show how far it is and be stopped; what is found
        in the batch as a whole is left to `in_batch`. Every text is checked before the first part."""
        check_queries(texts, blank=True)
        for start in range(0, len(texts), BATCH):
            yield self.inspector.reports(texts[start : start + BATCH], alpha)

    def scores(
        self,
        texts: Sequence[str | Reading],
        without: Bool[Tensor, "text video"] | None = None,
        forms: Sequence[str | None] = (None,),
    ) -> Scores:
        """Every score of ood/scores.py by name, [text]; those of the text need its calibration.

        texts: taken as they stand, or readings, with all that these weigh.
        without: videos that are taken out of the gallery for a text. forms: names of generators, None for the one that
        answers; the scores of a named one carry its name in front, as "open-set gap". Raises ValueError where fewer
        videos are left than the calibration takes for candidates, and for texts as `search`.
        """
        return self.inspector.scores(texts, without, forms)

    # --- the parts of a search --------------------------------------------------------------------------

    def _settings(
        self,
        k: int,
        candidates: int,
        steps: int | None,
        seed: int,
        seeds: int | None,
        generator: Generator | None = None,
        part: Int[Tensor, " video"] | None = None,
    ) -> Settings:
        size = self.matcher.reach if part is None else min(self.matcher.reach, len(part))
        config = generator.config if generator else None
        if seeds is None:
            seeds = config.seeds if config else 1
        if steps is None:
            steps = config.usual_steps if config else 1
        return Settings(
            k=min(check_number("k", k, 1), size),
            candidates=min(check_number("candidates", candidates, 1), size),
            steps=check_number("steps", steps, 1, config.steps if config else None),
            seed=check_number("seed", seed, 0, 2**63 - 1),
            seeds=check_number("seeds", seeds, 1, MOST_SEEDS),
        )

    def _positions(self, ids: Sequence[str]) -> Int[Tensor, " video"]:
        """Where videos stand in the gallery, in its order, each once."""
        if not ids:
            raise ValueError("There is nothing to search within: choose at least one video.")
        return torch.tensor(sorted({self.gallery.position(id) for id in ids}))

    @torch.no_grad()
    def _search_batch(
        self,
        readings: Sequence[Reading],
        settings: Settings,
        generator: Generator | None,
        part: Int[Tensor, " video"] | None,
        per_file: bool,
    ) -> list[SearchResult]:
        clock = _Clock()
        asked = ask(self.model, readings)
        text = asked.text
        clock.lap("encode")
        candidates = candidates_of(self.matcher, asked, part)
        clock.lap("match")
        positions = candidates.positions[:, : settings.candidates]
        usual = self.inspector.judge(asked, candidates, part)
        judged = self._judged(generator, asked, positions, candidates, usual, part)
        answers = None if judged is None else judged.answers
        clock.lap("generate")
        reports, none = self.inspector.search_reports(
            readings, text, candidates, usual or judged, whole=part is None
        )
        clock.lap("ood")
        boost = probability = known = trajectory = None
        if generator is not None and answers is not None and none is not None:
            known = answers, none.to(answers.none)
            match = match_of(known[1], answers.match, answers.none, answers.choice)
            probability = match.probability.cpu()
            boost = generator.config.alpha * probability
        elif generator is not None:  # its boost is a sample
            trajectory = self.generation.trajectory(
                generator, text, positions, settings.denoising, candidates
            )
            boost, probability = generator.boost(trajectory, generator.config.alpha), trajectory.shares
            clock.lap("draw")
        if asked.parts is not None and known is None:
            boost = self._with_similarity_of_parts(asked, candidates, boost)
        ruled = [bool(rule_of(reading)) for reading in readings]  # of which no number is shown
        hits = [
            self._ranking.best(
                text_row(text, q),
                candidates,
                q,
                [] if boost is None or ruled[q] else boost[q].tolist(),
                [] if probability is None or ruled[q] else probability[q].tolist(),
                settings.k,
                settings.candidates if per_file else None,
                # What the match head did not judge never comes before what it did.
                None if known is None or ruled[q] else positions.shape[1],
            )
            for q in range(len(readings))
        ]
        timings = clock.done("rank", len(readings))
        return [
            SearchResult(
                query=readings[q].query,
                reading=readings[q],
                hits=hits[q],
                draw=None
                if ruled[q]
                else self._draw(generator, text, positions, candidates, settings, known, trajectory, q),
                form="" if generator is None or ruled[q] else generator.form,
                ood=reports[q],
                truncated=_cut(self.model, readings[q].searched, reports[q]),
                timings=dict(timings),
                settings=settings,
            )
            for q in range(len(readings))
        ]

    def _judged(
        self,
        generator: Generator | None,
        asked: Request,
        positions: Int[Tensor, "text candidate"],
        candidates: Candidates,
        usual: Judgement | None,
        part: Int[Tensor, " video"] | None,
    ) -> Judgement | None:
        """What the match head says of these candidates; None where another generator answers. usual: of the usual
        number of them."""
        if not isinstance(generator, OpenSetGenerator):
            return None
        if usual is not None and usual.answers.choice.shape == positions.shape:
            return usual
        return self.inspector.judge_at(generator, asked, positions, candidates, part)

    def _with_similarity_of_parts(
        self, asked: Request, candidates: Candidates, boost: Float[Tensor, "text candidate"] | None
    ) -> Float[Tensor, "text kept"]:
        """The boosts of all that candidates keep, where parts are weighed by similarity."""
        assert asked.parts is not None
        added = similarity_of_parts(self.matcher, asked.parts, candidates.positions)
        if boost is not None:
            added[:, : boost.shape[1]] += boost.to(added)
        return added

    def _draw(
        self,
        generator: Generator | None,
        text: TextFeatures,
        positions: Int[Tensor, "text candidate"],
        candidates: Candidates,
        settings: Settings,
        known: tuple[Answers, Tensor] | None,
        trajectory: Trajectory | None,
        q: int,
    ) -> Callable[[], Trajectory] | None:
        """What draws the trajectory of query `q` of a batch when it is first read; None without a generator."""
        if generator is None:
            return None
        if trajectory is not None:
            part = _one_query(trajectory, q)
            return lambda: part
        assert known is not None
        one = slice(q, q + 1)
        weights = candidates.token_weights
        few = Candidates(
            candidates.positions[one], candidates.similarity[one], None if weights is None else weights[one]
        )
        mine = Answers(*(part[one] for part in known[0])), known[1][one]
        row, place = text_row(text, q), positions[one]
        return lambda: self.generation.trajectory(generator, row, place, settings.denoising, few, mine)

    def _unreadable(self, reading: Reading, settings: Settings) -> SearchResult:
        """The result of a query of which no word can be read: no ranking, for it would be noise."""
        detector = self.detector
        report = detector.ruled(reading, rule_of(reading)) if detector.calibrated else None
        return SearchResult(
            query=reading.query,
            reading=reading,
            hits=[],
            draw=None,
            form="",
            ood=report,
            truncated="",
            timings={"total": 0.0},
            settings=settings,
        )


class _Clock:
    """Milliseconds of the parts of a search."""

    def __init__(self) -> None:
        self.start = self.last = time.perf_counter()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name], self.last = 1000 * (now - self.last), now

    def done(self, name: str, queries: int) -> dict[str, float]:
        """The last part, then all of them and their total, a query."""
        self.lap(name)
        return {k: v / queries for k, v in {**self.laps, "total": 1000 * (self.last - self.start)}.items()}


def _cut(model: DiffusionRet, text: str, report: Report | None) -> str:
    """The end of a text that the model does not read, from the report where it says so already."""
    return model.cut(text) if report is None or report.rule else report.truncated


def _one_query(trajectory: Trajectory, q: int) -> Trajectory:
    """The part of a batch's trajectory that belongs to query `q`; the query axis stays."""
    x, x0, x0_raw = (v[..., q : q + 1, :] for v in (trajectory.x, trajectory.x0, trajectory.x0_raw))
    return replace(trajectory, candidates=trajectory.candidates[q : q + 1], x=x, x0=x0, x0_raw=x0_raw)
