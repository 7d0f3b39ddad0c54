"""The head's answers to questions, where a share of them loses every clip that fits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from diffusionret import DiffusionRet
from diffusionret.combination import ask
from diffusionret.encoders import VideoFeatures
from diffusionret.generators.match import match_of
from diffusionret.generators.openset import OpenSetNetwork
from diffusionret.generators.standing import hubness, standing
from diffusionret.odds import judge_pool, pool_scores
from diffusionret.ood.report import rule_of
from diffusionret.ood.scores import Reference, Scores
from diffusionret.ood.verdict import MatchOdds
from diffusionret.pool import galleries, make_pool, seeded
from diffusionret.reading import Reader

from .questions import Questions

BATCH = 100


class Answers(NamedTuple):
    """What the head says of queries and their candidates, most similar first.

    choice, odds [query candidate]: logits of which one is meant, log odds that it matches. similarity, match [query
    candidate]: and whether it does. evidence [query candidate number]: what similarity alone tells of each. scores: by
    name, what p(no match) is made of. empty [query]: whether nothing in its gallery matches. clip [query]: the unit of
    intervals.
    """

    choice: Tensor
    odds: Tensor
    similarity: Tensor
    match: Tensor
    evidence: Tensor
    scores: Scores
    empty: Tensor
    clip: np.ndarray

    def some(self, rows: np.ndarray) -> Answers:
        scores = {name: score[rows] for name, score in self.scores.items()}
        choice, odds, similarity, match, evidence = (part[rows] for part in self[:5])
        return Answers(choice, odds, similarity, match, evidence, scores, self.empty[rows], self.clip[rows])

    def shown(self, odds: MatchOdds, absent: float) -> tuple[Tensor, Tensor]:
        """p(match) of the candidates and p(no match) as a search shows them, float64. absent: the share of queries
        without a match that is expected."""
        none = odds.none(self.scores, absent)
        return match_of(none, self.odds.double(), self.scores["head"], self.choice).probability, none


def absences(fits: Tensor, share: float, seed: str) -> Tensor:
    """Which queries lose every clip that fits, bool [query]: so many that with those that nothing fits at all they make
    up the share."""
    some = fits.any(dim=1)
    wanted = max(round(share * len(fits)) - int((~some).sum()), 0)
    order = torch.rand(len(fits), generator=seeded(seed)).masked_fill(~some, 2.0).argsort()
    absent = torch.zeros(len(fits), dtype=torch.bool)
    absent[order[: min(wanted, int(some.sum()))]] = True
    return absent


def held(fits: Tensor, absent: Tensor, seed: str) -> Tensor:
    """What the gallery of each query holds, bool [query clip]: who is absent loses what fits, every other query as many
    clips that do not fit, so that the size of a gallery says nothing."""
    source = seeded(seed)
    rows = []
    for fit, gone in zip(fits, absent, strict=True):
        size = max(int((~fit).sum()), 1)
        rows.append(galleries(fit[None], fit[None], gone[None], size, source)[0])
    return torch.stack(rows)


@torch.no_grad()
def answer(
    model: DiffusionRet,
    reference: Reference,
    questions: Questions,
    video: VideoFeatures,
    share: float,
    seed: str,
) -> Answers:
    """The answers to all questions that can be read, as a search reads them, and whose gallery is as large as the
    number of candidates.

    video: features of the clips. share: of the queries, without a match. seed: names what is drawn.
    """
    openset = model.choose("open-set")
    network = openset.network
    assert isinstance(network, OpenSetNetwork)
    count = min(openset.config.candidates, questions.fits.shape[1])
    reader = Reader.open(model)
    readings = [reader.read(text) for text in questions.texts]
    enough = ((~questions.fits).sum(dim=1) >= count).tolist()
    kept = [row for row, reading in enumerate(readings) if enough[row] and not rule_of(reading)]
    questions, readings = questions.some(np.array(kept)), [readings[row] for row in kept]
    absent = absences(questions.fits, share, f"absent {seed}")
    hubs = hubness(network.bank, video)
    parts: list[tuple[Tensor, ...]] = []
    scores: list[Scores] = []
    for start in range(0, len(questions.texts), BATCH):
        batch = slice(start, start + BATCH)
        fits = questions.fits[batch]
        there = held(fits, absent[batch], f"gallery {seed} {start}")
        request = ask(model, readings[batch])
        queries = make_pool(model, request.text, video, fits).queries("t2v", torch.arange(len(fits)))
        chosen, judged = judge_pool(openset, model, request, queries, video, there, count)
        said = judged.answers
        similarity = queries.scores.gather(1, chosen)
        place = standing(queries.scores, similarity, hubs[chosen], there)
        whole = place.query[:, None].expand(-1, count, -1)
        rank = torch.arange(1, count + 1).log().expand(len(fits), -1)[..., None]
        evidence = torch.cat([10 * similarity[..., None], place.pair, rank, whole], dim=-1)
        parts.append(
            (said.choice, said.match, similarity, fits.gather(1, chosen) & there.gather(1, chosen), evidence)
        )
        scores.append(
            pool_scores(model, reference, readings[batch], request, queries, there, judged)
            | {"empty": ~(fits & there).any(dim=1)}
        )
    joined = {name: torch.cat([part[name] for part in scores]) for name in scores[0]}
    empty = joined.pop("empty")
    choice, odds, similarity, match, evidence = (torch.cat(part) for part in zip(*parts, strict=True))
    return Answers(choice, odds, similarity, match, evidence, joined, empty, questions.clip)
