"""Ranking: which videos come first, and what is said of each."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from .encoders import TextFeatures
from .matching import Candidates, Matcher
from .results import Hit


class Ranking:
    """Rankings of one gallery."""

    def __init__(self, matcher: Matcher) -> None:
        self.matcher, self.gallery = matcher, matcher.gallery

    def best(
        self,
        text: TextFeatures,
        candidates: Candidates,
        q: int,
        boost: list[float],
        probability: list[float],
        k: int,
        at_least: int | None = None,
        judged: int | None = None,
    ) -> list[Hit]:
        """The `k` best of query `q` by score, or where `at_least` is given, the best of `k` files and of those spans at
        least so many.

        text: of this query alone. boost, probability: in the order of similarity; they end after the generator's
        candidates, and are empty without a generator. judged: how many are ranked by score, the rest after them as they
        are; None for all.
        """
        order, similarity = candidates.positions[q].tolist(), candidates.similarity[q].tolist()
        boost = boost + [0.0] * (len(similarity) - len(boost))
        score = [s + b for s, b in zip(similarity, boost, strict=True)]
        first = range(len(score) if judged is None else judged)
        best = [*sorted(first, key=lambda i: (-score[i], i)), *range(len(first), len(score))]
        ranks = range(k)
        if at_least is not None:
            ranks = self.of_files([order[i] for i in best], k, max(k, at_least))
        best = [best[rank] for rank in ranks]
        weights = candidates.token_weights
        weights = None if weights is None else weights[q : q + 1]
        frames = self.matcher.best_frames(text, weights, torch.tensor([order[i] for i in best]))
        return [
            self.hit(
                order[i],
                rank + 1,
                i + 1,
                similarity[i],
                boost[i],
                probability[i] if i < len(probability) else None,
                f,
            )
            for rank, i, f in zip(ranks, best, frames, strict=True)
        ]

    def of_files(self, positions: Iterable[int], k: int, at_least: int) -> list[int]:
        """Which ones of videos, best first, are kept, counted from 0: the first `at_least`, then the best of each other
        file up to the `k`-th."""
        kept, files = [], set()
        for rank, position in enumerate(positions):
            file = self.gallery.file(position)
            if len(kept) < at_least or (file not in files and len(files) < k):
                kept.append(rank)
                files.add(file)
            elif len(files) >= k:
                break
        return kept

    def hit(
        self,
        position: int,
        rank: int,
        base_rank: int,
        similarity: float,
        boost: float,
        probability: float | None,
        frame: int,
    ) -> Hit:
        """What is said of a video. position: in the gallery. base_rank: by similarity alone. frame: its best one."""
        gallery = self.gallery
        path, span = gallery.path(position), gallery.spans[position]
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
            path=path,
            poster=gallery.poster(position),
            duration=float(gallery.durations[position]),
            file=path.name if path else gallery.ids[position],
            start=float(span.start),
            end=float(span.end),
            fps=float(gallery.rates[position]),
        )
