"""The Retriever: a sentence in, ranked videos and the generated distribution out. The one inference path."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from .checkpoint import load_model
from .encoders import TextFeatures, VideoFeatures
from .gallery import Gallery
from .generators import Generator
from .model import DiffusionRet
from .ood.conformal import ALPHA
from .ood.detector import Detector, Protocol
from .ood.report import Neighbour, Report, Stability, WordEffect, in_batch, rule_of
from .ood.scores import Scores, gallery_scores, generator_scores
from .query import check_number, check_queries
from .results import Hit, SearchResult, Settings
from .similarity import wti_in_blocks
from .trajectory import Trajectory

# Above this many videos a coarse stage by pooled features keeps KEPT of them.
COARSE_ABOVE = 20_000
KEPT = 1_000
# Videos whose frames' weights are computed together.
BLOCK = 256
MOST_SEEDS = 1024  # of one answer
# Queries that search_many encodes and denoises together; words of a query that are left out at a time.
BATCH, WORDS = 32, 16


class Retriever:
    """A model and a gallery, ready for questions. Safe to call from several threads."""

    def __init__(
        self, model: DiffusionRet, gallery: Gallery, device: str | torch.device | None = None
    ) -> None:
        """device: where to compute; None leaves the model where it is.

        Raises ValueError where the gallery was made with another model.
        """
        gallery.check(model)
        self.model = model.eval() if device is None else model.to(device).eval()
        self.gallery = gallery
        self._video = self._weights = None
        if 0 < len(gallery) <= COARSE_ABOVE:
            self._video = _to(gallery.features(), self.device)
            self._weights = self._video_weights(self._video)
        for generator in self.model.generators.values() if self.device.type == "cpu" else ():
            generator.warm_up()
            if self._video is not None:
                generator.prepare(self._video)

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
    ) -> SearchResult:
        """The `k` best videos for a sentence.

        candidates: how many of the most similar videos the generator weighs, clamped to the gallery. steps:
        of denoising, at most those of the generator's training. seed, seeds: the noise; the same for every
        query, with several seeds (seed, seed + 1, ...) boost and probability are means over them. None: as many as
        the generator's config says; of a model without one they mean nothing. form: the name of the
        generator, "published" or "open-set"; None for the one that the model answers with.
        Raises ValueError with one sentence for a text that is empty or longer than query.py allows, for an empty
        gallery and for settings out of range.
        """
        return self.search_many([text], k, candidates, steps, seed, seeds, form)[0]

    def search_many(
        self,
        texts: Sequence[str],
        k: int = 10,
        candidates: int = 32,
        steps: int | None = None,
        seed: int = 0,
        seeds: int | None = None,
        form: str | None = None,
    ) -> list[SearchResult]:
        """As `search`, for many sentences; timings are an even share of their batch's."""
        check_queries(texts)
        generator = self.model.choose(form) if self.generates or form else None
        settings = self._settings(k, candidates, steps, seed, seeds, generator)
        results = []
        for start in range(0, len(texts), BATCH):
            results += self._search_batch(texts[start : start + BATCH], settings, generator)
        return results

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

        candidates: positions in the gallery. schedule: the trained one when None; another one is respaced from
        as many steps. eta: 0 deterministic, 1 ancestral. form: as in `search`.
        steps, seed, seeds: as in `search`, with equal noise.
        Raises NoGenerator for a model without one, ValueError for settings out of range.
        """
        generator = self.model.choose(form)
        check_queries(texts)
        settings = self._settings(1, candidates.shape[1], steps, seed, seeds, generator)
        return self._generate(generator, self.model.encode_text(texts), candidates, settings, schedule, eta)

    @torch.no_grad()
    def similar(self, id: str, k: int = 10) -> list[Hit]:
        """The `k` videos most like the video `id`, itself left out, by the cosine of pooled features."""
        position = self.gallery.position(id)
        k = min(check_number("k", k, 1), len(self.gallery) - 1)
        pooled = self._directions
        similarity = pooled @ pooled[position]
        similarity[position] = -torch.inf
        found = similarity.sort(descending=True, stable=True)
        indices = found.indices[:k]
        frames = self.gallery.features(indices)
        fit = normalize(frames.frames, dim=-1) @ pooled[position]
        moments = fit.masked_fill(frames.mask == 0, -torch.inf).argmax(dim=-1)
        return [
            self._hit(int(i), rank, rank, float(s), 0.0, None, int(f))
            for rank, (i, s, f) in enumerate(zip(indices, found.values[:k], moments, strict=True), 1)
        ]

    # --- is the question inside what the system knows? --------------------------------------------------

    @cached_property
    def detector(self) -> Detector:
        """The calibration that fits this model and this gallery, read once."""
        return Detector.open(self.model, self.gallery)

    def inspect(self, text: str, alpha: float = ALPHA) -> Report:
        """Whether a query is familiar to the model and whether this gallery holds a match, and why.

        alpha: false alarms accepted among ordinary queries, in (0, 1). An odd query raises nothing: what has no words
        gets a rule instead of scores. Raises ValueError for a query longer than query.py allows, an empty gallery or
        alpha out of range.
        """
        *_, report = self.inspect_steps(text, alpha)
        return report

    def inspect_steps(self, text: str, alpha: float = ALPHA) -> Iterator[Report]:
        """As `inspect`, as it grows: the report without the effect of single words, then with more and more of them,
        so that a reader sees what there is, and a reader who has left costs no more."""
        (report,) = self._inspect([text], alpha)
        yield report
        if not report.rule and self.detector.calibrated:
            for words in self._word_effects(report):
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
            yield self._inspect(texts[start : start + BATCH], alpha)

    @torch.no_grad()
    def scores(
        self,
        texts: Sequence[str],
        without: Bool[Tensor, "text video"] | None = None,
        forms: Sequence[str | None] = (None,),
    ) -> Scores:
        """Every score of ood/scores.py by name, [text]; those of the text need its calibration.

        without: videos that are taken out of the gallery for a text. forms: names of generators, None for the one that
        answers; the scores of a named one carry its name in front, as "open-set gap".
        """
        check_queries(texts)
        parts = []
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            text = self.model.encode_text(batch)
            order, similarity = self._match(text)
            if without is not None:
                left_out = without[start : start + BATCH].gather(1, order)
                last = left_out.long().sort(
                    dim=1, stable=True
                )  # what stays keeps its order, the rest follows
                kept = slice(0, max(self.detector.protocol.candidates, 1))
                if bool(last.values[:, kept].any()):
                    raise ValueError("Too few videos are left to be candidates.")
                order, similarity = order.gather(1, last.indices), similarity.gather(1, last.indices)
            part = self._scores(batch, text, similarity, None)
            for form in forms if self.generates else ():
                found = generator_scores(self._calibrated_walk(text, order, self.model.choose(form)))
                part |= {name if form is None else f"{form} {name}": score for name, score in found.items()}
            parts.append(part)
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    @torch.no_grad()
    def _inspect(self, texts: Sequence[str], alpha: float) -> list[Report]:
        if not 0 < alpha < 1:
            raise ValueError(f"alpha is {alpha}: it must lie between 0 and 1.")
        check_queries(texts, blank=True)
        self._settings(1, 1, 1, 0, 1)  # raises for an empty gallery
        ruled = {i: rule for i, text in enumerate(texts) if (rule := rule_of(text))}
        scored = [text for i, text in enumerate(texts) if i not in ruled]
        reports = iter(self._inspect_scored(scored, alpha) if scored else [])
        return [
            self.detector.ruled(text, ruled[i], alpha) if i in ruled else next(reports)
            for i, text in enumerate(texts)
        ]

    def _inspect_scored(self, texts: Sequence[str], alpha: float) -> list[Report]:
        text = self.model.encode_text(texts)
        order, similarity = self._match(text)
        walk = self._calibrated_walk(text, order) if self.generates else None
        reports = self._reports(texts, text, similarity, walk, alpha)
        reference = self.detector.reference
        if reference is not None:
            near = [tuple(Neighbour(*pair) for pair in row) for row in reference.nearest(text.cls)]
            reports = [replace(report, neighbours=row) for report, row in zip(reports, near, strict=True)]
        if walk is not None:
            reports = [
                replace(report, stability=row) for report, row in zip(reports, _stability(walk), strict=True)
            ]
        return reports

    @torch.no_grad()
    def _word_effects(self, report: Report) -> Iterator[tuple[WordEffect, ...]]:
        """The p-values of a query without each of its words, as far as the model reads it, more and more of them."""
        words = report.query.split()
        words = words[: len(words) - len(report.truncated.split())]
        shorter = [" ".join(words[:i] + words[i + 1 :]) for i in range(len(words))]
        kept = [i for i, rest in enumerate(shorter) if not rule_of(rest)]
        effects = [WordEffect(word, None, None) for word in words]
        if not kept:
            yield tuple(effects)
        for start in range(0, len(kept), WORDS):
            part = kept[start : start + WORDS]
            texts = [shorter[i] for i in part]
            text = self.model.encode_text(texts)
            order, similarity = self._match(text)
            walk = self._calibrated_walk(text, order) if self.detector.needs_generator else None
            answers = self.detector.answers(self._scores(texts, text, similarity, walk))
            for i, (familiar, match) in zip(part, answers, strict=True):
                effects[i] = WordEffect(words[i], familiar.p_value, match.p_value)
            yield tuple(effects)

    def _reports(
        self,
        texts: Sequence[str],
        text: TextFeatures,
        similarity: Float[Tensor, "text kept"],
        walk: Trajectory | None,
        alpha: float = ALPHA,
    ) -> list[Report]:
        """Reports of texts that no rule stops. walk: of the calibrated protocol; None where nothing needs it."""
        scores = self._scores(texts, text, similarity, walk)
        answers = self.detector.answers(scores, alpha)
        top = similarity[:, : self.detector.protocol.candidates].tolist()
        return [
            self.detector.report(
                query,
                answers[q],
                self.model.cut(query),
                scores={name: float(score[q]) for name, score in scores.items()},
                similarities=tuple(top[q]),
            )
            for q, query in enumerate(texts)
        ]

    def _scores(
        self,
        texts: Sequence[str],
        text: TextFeatures,
        similarity: Float[Tensor, "text kept"],
        walk: Trajectory | None,
    ) -> Scores:
        reference, protocol = self.detector.reference, self.detector.protocol
        found = {} if reference is None else reference.scores(texts, text.cls)
        scale = float(self.model.towers.logit_scale.exp().clamp(max=100.0))
        found |= gallery_scores(similarity[:, : protocol.candidates], scale)
        return found if walk is None else found | generator_scores(walk)

    def _calibrated_walk(
        self, text: TextFeatures, order: Int[Tensor, "text kept"], generator: Generator | None = None
    ) -> Trajectory:
        """The trajectory by which the generator's scores are calibrated, whatever a search is set to. generator: the
        one that answers when None."""
        protocol: Protocol = self.detector.protocol
        generator, settings = generator or self.model.choose(), Settings(1, *protocol)
        return self._generate(generator, text, order[:, : protocol.candidates], settings)

    def _calibrated_part(self, trajectory: Trajectory | None, settings: Settings) -> Trajectory | None:
        """What `_calibrated_walk` would give, where a search's own trajectories hold it; else None."""
        if trajectory is None or not self.detector.needs_generator:
            return None
        candidates, steps, seed, seeds = self.detector.protocol
        same = (settings.candidates, settings.steps, settings.seed) == (candidates, steps, seed)
        if not same or not settings.seeds >= seeds > 1 or trajectory.form != self.model.forms[0]:
            return None
        x, x0, x0_raw = (states[:, :seeds] for states in (trajectory.x, trajectory.x0, trajectory.x0_raw))
        return replace(trajectory, x=x, x0=x0, x0_raw=x0_raw)

    def _judge(
        self,
        texts: Sequence[str],
        text: TextFeatures,
        order: Int[Tensor, "text kept"],
        similarity: Float[Tensor, "text kept"],
        walk: Trajectory | None,
    ) -> list[Report | None]:
        """What a search says of its queries: the two answers, no more; None where nothing is calibrated. walk: of the
        calibrated protocol where there is one already."""
        if not self.detector.calibrated:
            return [None] * len(texts)
        if walk is None and self.detector.needs_generator:
            walk = self._calibrated_walk(text, order)
        reports = self._reports(texts, text, similarity, walk)
        rules = [rule_of(query) for query in texts]
        return [
            self.detector.ruled(query, rule) if rule else report
            for query, rule, report in zip(texts, rules, reports, strict=True)
        ]

    # --- the parts of a search --------------------------------------------------------------------------

    def _settings(
        self,
        k: int,
        candidates: int,
        steps: int | None,
        seed: int,
        seeds: int | None,
        generator: Generator | None = None,
    ) -> Settings:
        size = len(self.gallery)
        if not size:
            raise ValueError("The gallery holds no videos: index a folder of videos first.")
        size = size if size <= COARSE_ABOVE else KEPT
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

    @torch.no_grad()
    def _search_batch(
        self, texts: Sequence[str], settings: Settings, generator: Generator | None
    ) -> list[SearchResult]:
        clock = _Clock()
        text = self.model.encode_text(texts)
        clock.lap("encode")
        order, similarity = self._match(text)
        clock.lap("match")
        candidates = order[:, : settings.candidates]
        trajectory = self._generate(generator, text, candidates, settings) if generator else None
        clock.lap("generate")
        boost = probability = no_match = None
        if generator is not None and trajectory is not None:
            boost = generator.boost(trajectory, generator.config.alpha)
            probability, no_match = trajectory.probability, trajectory.no_match
        hits = [
            self._rank(
                _row(text, q),
                order[q],
                similarity[q].tolist(),
                [] if boost is None else boost[q].tolist(),
                [] if probability is None else probability[q].tolist(),
                settings.k,
            )
            for q in range(len(texts))
        ]
        clock.lap("rank")
        reports = self._judge(texts, text, order, similarity, self._calibrated_part(trajectory, settings))
        timings = clock.done("ood", len(texts))
        return [
            SearchResult(
                query=text,
                hits=hits[q],
                trajectory=None if trajectory is None else _one_query(trajectory, q),
                ood=reports[q],
                no_match=None if no_match is None else float(no_match[q]),
                truncated=_cut(self.model, text, reports[q]),
                timings=dict(timings),
                settings=settings,
            )
            for q, text in enumerate(texts)
        ]

    def _match(self, text: TextFeatures) -> tuple[Int[Tensor, "text kept"], Float[Tensor, "text kept"]]:
        """Positions in the gallery and their similarities, most similar first, ties in gallery order; CPU."""
        if self._video is not None:
            scores = self._similarity(text, self._video, self._weights).cpu()
            found = scores.sort(dim=1, descending=True, stable=True)
            return found.indices, found.values
        coarse = normalize(text.cls.cpu(), dim=-1) @ self._directions.T
        kept = coarse.topk(KEPT, dim=1).indices.sort(dim=1).values
        scores = []
        for q, positions in enumerate(kept):
            video = _to(self.gallery.features(positions), self.device)
            scores.append(self._similarity(_row(text, q), video, self._video_weights(video)).cpu())
        found = torch.cat(scores).sort(dim=1, descending=True, stable=True)
        return kept.gather(1, found.indices), found.values

    @cached_property
    def _directions(self) -> Float[Tensor, "video dim"]:
        """Directions of the pooled features, on the CPU: what the coarse stage compares."""
        return normalize(self.gallery.pooled, dim=-1)

    def _video_weights(self, video: VideoFeatures) -> Float[Tensor, "video frame"] | None:
        """How much each frame counts; depends on the video alone, so it is computed once a gallery."""
        if self.model.video_weights is None:
            return None
        with torch.no_grad():
            blocks = zip(video.frames.split(BLOCK), video.mask.split(BLOCK), strict=True)
            return torch.cat([self.model.video_weights.weigh(f, m) for f, m in blocks])

    def _similarity(
        self, text: TextFeatures, video: VideoFeatures, weights: Float[Tensor, "video frame"] | None
    ) -> Float[Tensor, "text video"]:
        """`model.similarity`, with the weights of frames computed beforehand."""
        if weights is not None:
            return wti_in_blocks(text, video, self._token_weights(text), weights)
        blocks = zip(video.frames.split(BLOCK), video.mask.split(BLOCK), strict=True)
        return torch.cat([self.model.similarity(text, VideoFeatures(f, m)) for f, m in blocks], dim=1)

    def _token_weights(self, text: TextFeatures) -> Float[Tensor, "text token"]:
        assert self.model.text_weights is not None
        return self.model.text_weights.weigh(text.tokens, text.mask)

    def _generate(
        self,
        generator: Generator,
        text: TextFeatures,
        candidates: Int[Tensor, "text candidate"],
        settings: Settings,
        schedule: str | None = None,
        eta: float = 0.0,
    ) -> Trajectory:
        """The model's own schedule respaced, the same noise for every query; result on the CPU."""
        if self.device.type == "cpu":
            # All searches come from the same loops, digit for digit, but for those that a first start keeps
            # waiting: loading the compiled loops takes half a second, compiling them several.
            generator.warm_up(wait=True, at_most=1.0)
        count, size = candidates.shape
        noise = torch.stack([_noise(settings.seed + s, size) for s in range(settings.seeds)])
        noise = noise[:, None].expand(-1, count, -1)
        if generator.reads_candidates_only and self._video is not None:  # prepared or not
            video, shown = self._video, candidates.to(self.device)
        else:
            video = self._features(candidates.flatten())
            shown = torch.arange(count * size, device=self.device).view(count, size)
        trajectory = generator.generate(
            text,
            video,
            shown,
            steps=settings.steps,
            schedule=schedule,
            noise=(noise if settings.seeds > 1 else noise[0]).to(self.device),
            eta=eta,
            generator=torch.Generator().manual_seed(settings.seed) if eta else None,
            respace_from=generator.config.steps,
        )
        x, x0, x0_raw = trajectory.x.cpu(), trajectory.x0.cpu(), trajectory.x0_raw.cpu()
        return replace(trajectory, candidates=candidates, x=x, x0=x0, x0_raw=x0_raw)

    def _features(self, positions: Int[Tensor, " video"]) -> VideoFeatures:
        """Features of some videos of the gallery, on the model's device."""
        if self._video is None:
            return _to(self.gallery.features(positions), self.device)
        positions = positions.to(self.device)
        return VideoFeatures(self._video.frames[positions], self._video.mask[positions])

    def _rank(
        self,
        text: TextFeatures,
        order: Int[Tensor, " kept"],
        similarity: list[float],
        boost: list[float],
        probability: list[float],
        k: int,
    ) -> list[Hit]:
        """The `k` best of one query by score. Lists are in the order of similarity; `boost` and `probability`
        end after the candidates (and are empty without a generator)."""
        boost = boost + [0.0] * (len(similarity) - len(boost))
        score = [s + b for s, b in zip(similarity, boost, strict=True)]
        best = sorted(range(len(score)), key=lambda i: (-score[i], i))[:k]
        frames = self._best_frames(text, self._features(order[torch.tensor(best)]))
        return [
            self._hit(
                int(order[i]),
                rank,
                i + 1,
                similarity[i],
                boost[i],
                probability[i] if i < len(probability) else None,
                f,
            )
            for rank, (i, f) in enumerate(zip(best, frames, strict=True), 1)
        ]

    def _best_frames(self, text: TextFeatures, video: VideoFeatures) -> list[int]:
        """The frame of each video that fits one text best: its cosines with the tokens, weighted."""
        if self.model.text_weights is None:
            fit = normalize(video.frames, dim=-1) @ normalize(text.cls[0], dim=-1)
        else:
            tokens = (self._token_weights(text)[..., None] * normalize(text.tokens, dim=-1)).sum(dim=1)
            fit = normalize(video.frames, dim=-1) @ tokens[0]
        return fit.masked_fill(video.mask == 0, -torch.inf).argmax(dim=-1).tolist()

    def _hit(
        self,
        position: int,
        rank: int,
        base_rank: int,
        similarity: float,
        boost: float,
        probability: float | None,
        frame: int,
    ) -> Hit:
        gallery = self.gallery
        return Hit(
            id=gallery.ids[position],
            rank=rank,
            base_rank=base_rank,
            similarity=similarity,
            boost=boost,
            score=similarity + boost,
            probability=probability,
            moment=float(gallery.timestamps[position][frame]),
            caption=gallery.captions[position],
            path=gallery.path(position),
            poster=gallery.poster(position),
            duration=float(gallery.durations[position]),
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


def _noise(seed: int, size: int) -> Float[Tensor, " candidate"]:
    """Drawn on the CPU, so that a seed means the same on every device."""
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def _to(video: VideoFeatures, device: torch.device) -> VideoFeatures:
    return VideoFeatures(video.frames.to(device), video.mask.to(device))


def _stability(walk: Trajectory) -> list[Stability]:
    """How a query's trajectories from different seeds agree, one entry a query."""
    found = generator_scores(walk)
    return [
        Stability(
            walk.x.shape[1],
            1 - float(found["disagreement"][q]),
            -float(found["gap"][q]),
            float(found["entropy"][q]),
            float(found["settling"][q]),
        )
        for q in range(walk.candidates.shape[0])
    ]


def _row(text: TextFeatures, q: int) -> TextFeatures:
    return TextFeatures(text.cls[q : q + 1], text.tokens[q : q + 1], text.mask[q : q + 1])


def _one_query(trajectory: Trajectory, q: int) -> Trajectory:
    """The part of a batch's trajectory that belongs to query `q`; the query axis stays."""
    x, x0, x0_raw = (v[..., q : q + 1, :] for v in (trajectory.x, trajectory.x0, trajectory.x0_raw))
    return replace(trajectory, candidates=trajectory.candidates[q : q + 1], x=x, x0=x0, x0_raw=x0_raw)
