"""Fitting the odds of a match: for the bundled world's match head, and for galleries of models without one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from .combination import Judgement, Request, ask, judgement, weighed_similarity
from .datasets.storybook import captions, clips, queries, truth, world
from .datasets.storybook.words import Word, words
from .encoders import VideoFeatures
from .encoding import encode_clips
from .generators import Generator
from .generators.openset import candidate_sets
from .inspection import OWN
from .lexicon import Lexicon
from .model import DiffusionRet
from .ood.scores import Reference, Scores, gallery_scores, word_scores
from .ood.verdict import EVIDENCE, HEAD, MatchOdds, fit
from .pool import Queries, galleries, make_pool, seeded
from .reading import Reader, Reading

if TYPE_CHECKING:
    from .retrieval import Retriever

# Typed queries of each kind that the head's odds are fitted with: of 400, another draw moved both thresholds by 0.03.
PER_KIND = 1200
# Times as many captions: more than two in five, so that they do not pay for the many typed kinds.
CAPTIONS = 12
ABSENT = 0.5  # of them without a match: as much to learn of either
SMALLEST = 30  # videos of the least gallery that they are asked of
BATCH = 100
# Two words that nobody knows beside one of the world.
TOPICS = (
    "{} {} {known}",
    "{known} {} {}",
    "a {} {} {known}",
    "the {} of the {} {known}",
    "{} and {} {known}",
)


class Asked(NamedTuple):
    """A query of a split, what it is true of, and its kind. stranger: whether it is read by who has never heard of the
    split's own words."""

    text: str
    truth: truth.Truth
    kind: str
    stranger: bool = False


def split_queries(split: str, per_kind: int = PER_KIND) -> list[Asked]:
    """Captions of a split's clips, queries as people type them, its own words that training never held, and texts that
    are mostly made of such words."""
    scenes, rng = world.split(split), random.Random(f"odds {split}")
    written = []
    for kind in ("caption", *queries.WEIGHTS):
        wanted = len(written) + per_kind * (CAPTIONS if kind == "caption" else 1)
        while len(written) < wanted:
            scene = rng.choice(scenes)
            if kind == "caption":
                caption = captions.write(scene, rng, rng.random())
                written.append(Asked(caption.text, caption.truth, kind))
                continue
            try:
                query = queries.write(scene, rng, kind)
            except ValueError:  # this scene has none of the kind
                continue
            written.append(Asked(query.text, query.truth, kind))
    for kind in ("says", "lacks"):
        phrases = [
            Asked(
                phrase, truth.Truth(truth.allow(word.facts)), f"{'new ' * stranger}word that {kind}", stranger
            )
            for stranger in (False, True)
            for word in words(split=split, kind=kind)
            for phrase in (word.word, f"a {word.word}", f"show me {word.word}")
        ]
        written += rng.sample(phrases, min(per_kind, len(phrases)))
    written += topics(split, per_kind, rng)
    rng.shuffle(written)  # galleries are as large batch by batch: no kind may meet a few sizes only
    return written


def topics(split: str, count: int, rng: random.Random) -> list[Asked]:
    """Texts of two words of a split, which a stranger has never heard of, and one of the grammar that names no thing:
    in turn about a clip of the split and about what the world lacks."""
    scenes = world.split(split)
    lacking = [word for word in words(split=split, kind="lacks") if word.attribute == "subject"]
    # Who is small beside whom, or does what to whom, is not said by two words side by side.
    saying = [word for word in words(split=split, kind="says") if not {"size", "relation"} & set(word.facts)]
    known = [word for word in words(split="lexicon", kind="says") if "subject" not in word.facts]
    of_clip, of_scene = (
        truth.fit_matrix([asked_of([word]) for word in part], scenes) for part in (saying, known)
    )
    written: list[Asked] = []
    while len(written) < count:
        if len(written) % 2:
            first, second = rng.sample(lacking, 2)
            beside = rng.choice(known)
            meant = [first]
        else:
            scene = rng.randrange(len(scenes))
            beside = rng.choice([word for word, fits in zip(known, of_scene[:, scene], strict=True) if fits])
            fitting = [word for word, fits in zip(saying, of_clip[:, scene], strict=True) if fits]
            subjects = [word for word in fitting if "subject" in word.facts]
            others = [word for word in fitting if "subject" not in word.facts]
            if not subjects or not others:
                continue
            first, second = rng.sample([rng.choice(subjects), rng.choice(others)], 2)
            meant = [first, second, beside]
            # Each may be of another actor, and two may exclude each other.
            if not truth.fits(asked_of(meant), scenes[scene]):
                continue
        text = rng.choice(TOPICS).format(first.word, second.word, known=beside.word)
        written.append(asked_of(meant)._replace(text=text, kind="mostly new words", stranger=True))
    return written


def asked_of(said: Sequence[Word]) -> Asked:
    """What words say together: of each attribute the values that all of them allow. Of no text and kind yet."""
    facts: dict[str, frozenset[str]] = {}
    for word in said:
        facts |= {name: facts.get(name, values) & values for name, values in word.facts.items()}
    return Asked("", truth.Truth(truth.allow(facts)), "")


@torch.no_grad()
def judge_pool(
    openset: Generator,
    model: DiffusionRet,
    request: Request,
    queries: Queries,
    video: VideoFeatures,
    there: Bool[Tensor, "query video"],
    count: int,
) -> tuple[Int[Tensor, "query candidate"], Judgement]:
    """`count` candidates of queries in galleries that hold a part of some clips, the most similar first, and what the
    match head says of them, as a search finds and judges them (`Inspector.judge`).

    request, queries: the same queries; queries with the features of all clips. there: what the gallery of each holds.
    """
    parts = request.parts
    weighed, others = queries.scores, None
    if parts is not None:
        fits = torch.zeros(len(parts.of), queries.scores.shape[1], dtype=torch.bool)
        others = make_pool(model, parts.text, video, fits).queries("t2v", torch.arange(len(parts.of)))
        weighed = weighed + weighed_similarity(others.scores, parts, len(queries.scores))
    chosen = candidate_sets(weighed, there, count)
    chosen = chosen.gather(1, queries.scores.gather(1, chosen).argsort(dim=1, descending=True))
    answers = openset.network(queries.pairs(chosen), queries.scores, "t2v", there)
    if parts is None or others is None:
        return chosen, judgement(answers, None, None)
    of_parts = torch.cat([chosen[parts.of], candidate_sets(others.scores, there[parts.of], OWN)], dim=1)
    order = others.scores.gather(1, of_parts).argsort(dim=1, descending=True)
    found = openset.network(others.pairs(of_parts.gather(1, order)), others.scores, "t2v", there[parts.of])
    odds = found.match.gather(1, order.argsort(dim=1))[:, :count]
    return chosen, judgement(answers, parts, odds)


def pool_scores(
    model: DiffusionRet,
    reference: Reference,
    readings: Sequence[Reading],
    request: Request,
    queries: Queries,
    there: Bool[Tensor, "query video"],
    judged: Judgement,
) -> Scores:
    """Every score that the odds of a match may read, of queries in galleries that hold a part of some clips.

    readings, request, queries, there: as `judge_pool` has them; judged: what it gave.
    """
    count = judged.answers.match.shape[1]
    similarity = queries.scores.masked_fill(~there, -1.0).topk(count, dim=1).values
    return (
        reference.scores([reading.searched for reading in readings], request.text.cls)
        | gallery_scores(similarity, float(model.logit_scale))
        | judged.scores()
        | word_scores(readings)
    )


@torch.no_grad()
def head_scores(
    model: DiffusionRet,
    reference: Reference,
    asked: Sequence[Asked],
    readings: Sequence[Reading],
    video: VideoFeatures,
    scenes: Sequence[world.Scene],
    absent: float = ABSENT,
    smallest: int = SMALLEST,
) -> tuple[Scores, Bool[np.ndarray, " query"]]:
    """The scores that the odds of a match head read, and which queries have no match in the gallery that they were
    asked of: of a random size from `smallest` to all, and as large whether the query has a match in it or not."""
    openset = model.choose("open-set")
    fits = torch.from_numpy(truth.fit_matrix(asked, scenes))
    parts: list[Scores] = []
    empty = []
    for start in range(0, len(asked), BATCH):
        batch = readings[start : start + BATCH]
        given = ask(model, batch)
        rows = fits[start : start + BATCH]
        pool = make_pool(model, given.text, video, rows)
        random_source = seeded(f"odds {start}")
        size = int(smallest * (len(scenes) / smallest) ** float(torch.rand((), generator=random_source)))
        gone = torch.rand(len(batch), generator=random_source) < absent
        own = torch.zeros_like(rows)
        some = rows.any(dim=1)
        pick = (torch.rand(rows.shape, generator=random_source) * rows).argmax(dim=1)
        own[some, pick[some]] = True
        there = galleries(rows, own, gone, size, random_source)
        group = pool.queries("t2v", torch.arange(len(batch)))
        count = min(openset.config.candidates, size)
        _, judged = judge_pool(openset, model, given, group, video, there, count)
        parts.append(pool_scores(model, reference, batch, given, group, there, judged))
        empty.append(~(rows & there).any(dim=1))
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}, torch.cat(empty).numpy()


def storybook_odds(model: DiffusionRet, reference: Reference, cache: Path = clips.CACHE) -> MatchOdds:
    """The odds of the bundled world's match head, fitted on the clips, queries and words of calibration."""
    model = model.eval()
    scenes = world.split("calibration")
    frames = clips.split_frames("calibration", cache, model.config.frames, model.config.clip.image_size)
    asked = split_queries("calibration")
    readings = readings_of(asked, "calibration", Reader.open(model).words)
    scores, empty = head_scores(model, reference, asked, readings, encode_clips(model, frames), scenes)
    return fit(scores, empty, HEAD, [query.kind for query in asked], {"queries": len(asked)})


def readings_of(asked: Sequence[Asked], split: str, most: int) -> list[Reading]:
    """What a search reads of queries. split: whose own words strangers have never heard of. most: words of a text that
    are looked at."""
    knowing = Reader(Lexicon.bundled(), None, most)
    stranger = Reader(Lexicon([row for row in words() if row.split != split]), None, most)
    return [(stranger if query.stranger else knowing).read(query.text) for query in asked]


def gallery_odds(retriever: Retriever, known: Sequence[tuple[Reading, int]]) -> MatchOdds:
    """The odds of a match in a gallery, from similarity alone, for a model without a match head.

    known: queries as a search reads them, and the position of the video that each was written for; each is asked once
    with that video in the gallery and once without it.
    """
    readings = [reading for reading, _ in known]
    without = torch.zeros(len(known), len(retriever.gallery), dtype=torch.bool)
    without[torch.arange(len(known)), torch.tensor([position for _, position in known])] = True
    present, gone = retriever.scores(readings, forms=()), retriever.scores(readings, without, forms=())
    scores = {name: torch.cat([present[name], gone[name]]) for name in EVIDENCE}
    return fit(scores, np.arange(2 * len(known)) >= len(known), EVIDENCE, None, {"queries": len(known)})
