"""Calibrate the two answers about a query: what is familiar, once a model; what matches, once a gallery.

Familiar: training captions, one a video, are kept for reference; ordinary captions that training never saw
calibrate, of the drawn world beside queries as people type them. Match: captions, or typed queries, of one half of the
gallery's videos calibrate, those of the other half are measured. All are read as a search reads them.
Where neither captions nor typed queries tell what the videos show, unrelated queries give the null "not about
this gallery", which controls false claims of a match instead of false alarms.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from .background import background_texts
from .datasets.storybook import captions, queries, truth, world
from .gallery import BUNDLED as BUNDLED_GALLERY
from .hub import BUNDLED as MODELS
from .lexicon import Lexicon
from .model import DiffusionRet
from .odds import gallery_odds, storybook_odds
from .ood.conformal import ALPHA, LEAST, Calibration
from .ood.detector import (
    PLAIN,
    Detector,
    familiar_files,
    head_made_for,
    make_protocol,
    match_files,
    match_made_for,
    odds_file,
    text_made_for,
)
from .ood.report import rule_of
from .ood.scores import Reference, combine, word_counts
from .placement import Placement, fit
from .query import MOST_CHARACTERS, check_query, words_of
from .reading import Reader, Reading
from .retrieval import Retriever
from .tables import read_lines, read_table, read_utf8

REFERENCE, ORDINARY, UNRELATED = 4000, 1000, 400  # captions kept, queries that calibrate, queries of the bank
MOST_OMITTED = 0.8  # an ordinary query leaves each fact out with a probability up to this
WEIGHTS = "detector.json"  # beside a model: the scores chosen on validation data, by analysis/ood
Say = Callable[[str], None]


class Query(NamedTuple):
    """An ordinary query, and the position in the gallery of the video that it was written for."""

    text: str
    position: int


# --- ordinary queries of the bundled world --------------------------------------------------------------


def ordinary_caption(scene: world.Scene, rng: random.Random) -> captions.Caption:
    """A caption as people may type it: from full sentences to a few words, all equally likely."""
    return captions.write(scene, rng, rng.uniform(0.0, MOST_OMITTED))


def storybook_training_captions(count: int) -> list[str]:
    """Captions of training clips, one a family of clips, as their scenes are drawn for training."""
    rng = random.Random("reference captions")
    texts = []
    for family in range(count):
        scenes, _ = world.family(random.Random(f"train storybook 0 {family}"))
        texts.append(ordinary_caption(rng.choice(scenes), rng).text)
    return texts


def storybook_ordinary_captions(split: str = "calibration") -> list[captions.Caption]:
    """One caption a clip of a split that training never showed."""
    rng = random.Random(f"ordinary captions {split}")
    return [ordinary_caption(scene, rng) for scene in world.split(split)]


def with_queries(texts: Sequence[str], name: str) -> list[str]:
    """Texts of which every second is a query as people type it, of a clip that training never saw where the texts are
    of such. name: "train" or a split of clips."""
    rng = random.Random(f"queries beside captions {name}")
    scenes = world.split("calibration") if name != "train" else [
        scene for i in range(len(texts) // 4) for scene in world.family(random.Random(f"train storybook 4 {i}"))[0]
    ]  # fmt: skip
    return [queries.write(rng.choice(scenes), rng).text if i % 2 else text for i, text in enumerate(texts)]


def storybook_ordinary_texts() -> list[str]:
    """Captions and queries that training never had, by which the bundled model is calibrated."""
    return with_queries([caption.text for caption in storybook_ordinary_captions()], "calibration")


def storybook_reference() -> list[str]:
    """Captions and queries as training had them, by which the bundled model knows what is familiar."""
    return with_queries(storybook_training_captions(REFERENCE), "train")


def storybook_queries(texts: Sequence[str]) -> list[Query] | None:
    """Ordinary queries for a gallery of Storybook clips, known by their canonical captions; None for others. Every
    second one is as people type them."""
    scenes = {captions.canonical(scene).text: scene for scene in world.split("test")}
    if not texts or any(caption not in scenes for caption in texts):
        return None
    rng = random.Random("gallery queries")
    return [
        Query((typed_query if i % 2 else ordinary_caption)(scenes[caption], rng).text, i)
        for i, caption in enumerate(texts)
    ]


def typed_query(scene: world.Scene, rng: random.Random) -> queries.Query:
    """A query as people type it that is true of the scene."""
    while not truth.fits(query := queries.write(scene, rng), scene):
        pass
    return query


def searched(retriever: Retriever, texts: Sequence[str]) -> list[Reading]:
    """What a search reads of texts, without those that it does not score."""
    readings = [retriever.read(text) for text in texts]
    return [reading for reading in readings if not rule_of(reading)]


# --- calibrating ----------------------------------------------------------------------------------------


def reference_of(model: DiffusionRet, texts: Sequence[str]) -> Reference:
    """The reference of training captions, for a model of the drawn world beside a background. Repeated ones count
    once."""
    texts = list(dict.fromkeys(" ".join(text.split()) for text in texts))
    background = encode(model, background_texts()) if model.config.dataset == "storybook" else None
    return Reference.make(texts, encode(model, texts), background)


@torch.no_grad()
def encode(model: DiffusionRet, texts: Sequence[str], batch: int = 256) -> torch.Tensor:
    """End tokens of texts [text dim], on the CPU."""
    parts = [
        model.encode_text(texts[start : start + batch]).cls.cpu() for start in range(0, len(texts), batch)
    ]
    return torch.cat(parts)


def calibrate_text(
    model: DiffusionRet,
    training: Sequence[str],
    ordinary: Sequence[str],
    about: str,
    weights: dict[str, float],
) -> Calibration:
    """What is familiar. training: captions that the model has seen; ordinary: none that it has.

    about: where they come from. Raises ValueError where they are too few.
    """
    if len(training) < LEAST or len(ordinary) < LEAST:
        raise ValueError(
            f"Calibration needs at least {LEAST} training captions and {LEAST} others, not {len(training)} and "
            f"{len(ordinary)}."
        )
    arrays = reference_of(model, training).arrays()
    # Read back from what is stored, so that half precision is calibrated too.
    scores = Reference.from_arrays(arrays).scores(ordinary, encode(model, ordinary))
    words = np.array([max(len(words_of(text)), 1) for text in ordinary])
    return Calibration(
        combine(scores, weights).numpy(), words, weights, text_made_for(model), {"queries": about}, arrays
    )


def halves(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Two random halves of `count` videos, always the same: one calibrates, one is measured."""
    order = np.random.default_rng(0).permutation(count)
    return np.sort(order[: (count + 1) // 2]), np.sort(order[(count + 1) // 2 :])


def calibrate_match(
    retriever: Retriever,
    known: Sequence[Query],
    unrelated: Sequence[str],
    about: str,
    weights: dict[str, float],
) -> Calibration:
    """What a match looks like in this gallery.

    known: ordinary queries, one a video, of which every other calibrates; where there are none, `unrelated` queries
    do, as the other null. Raises ValueError where there are too few of either.
    """
    protocol = retriever.detector.protocol
    made_for = match_made_for(retriever.model, retriever.gallery, protocol)
    arrays = {}
    if unrelated:
        arrays["band"] = similarity_band(retriever, unrelated)
    if not known:
        if len(unrelated) < LEAST:
            raise ValueError(
                "This gallery has no captions to calibrate with: add a captions.csv and index again, or pass "
                "--queries, a CSV with the columns video and query."
            )
        scores = retriever.scores(searched(retriever, unrelated), forms=())
        about_bank = {"queries": about, "null": "unrelated"}
        return Calibration(
            combine(scores, weights).numpy(), word_counts(scores), weights, made_for, about_bank, arrays
        )
    read = [(retriever.read(query.text), query.position) for query in known]
    read = [(reading, position) for reading, position in read if not rule_of(reading)]
    if len(read) < 2 * LEAST:
        raise ValueError(f"Calibration needs queries for at least {2 * LEAST} videos, not {len(read)}.")
    odds = {}
    if retriever.model.config.form != "open-set":
        odds = {"odds": asdict(gallery_odds(retriever, read))}
    calibrating, measured = halves(len(read))
    scores = retriever.scores([reading for reading, _ in read], forms=())
    values, words = combine(scores, weights).numpy(), word_counts(scores)
    calibration = Calibration(
        values[calibrating],
        words[calibrating],
        weights,
        made_for,
        {"queries": about, "null": "ordinary"},
        arrays,
    )
    p = [calibration.p_value(float(values[i]), int(words[i])) for i in measured]
    outcome = {"flagged": sum(each <= ALPHA + 1e-12 for each in p), "of": len(measured), "alpha": ALPHA}
    return replace(calibration, about=calibration.about | odds | {"measured": outcome})


def similarity_band(retriever: Retriever, unrelated: Sequence[str]) -> np.ndarray:
    """5, 50 and 95 % of the similarities at every rank, over unrelated queries: float32 [3 candidate]."""
    rows = [report.similarities for report in retriever.inspect_many(unrelated)]
    return np.quantile(np.array([row for row in rows if row]), (0.05, 0.5, 0.95), axis=0).astype(np.float32)


def chosen_weights(model: DiffusionRet) -> dict[str, dict[str, float]]:
    """The weights that analysis/ood chose for this very model on validation data, else the plain ones."""
    file = MODELS / model.config.name / WEIGHTS
    if model.config.name and file.is_file():
        chosen = json.loads(file.read_text(encoding="utf-8"))
        if chosen["made_for"] == text_made_for(model):
            return chosen["weights"]
    return PLAIN


def run_calibration(
    retriever: Retriever,
    typed: Sequence[Query] = (),
    training: Sequence[str] = (),
    say: Say = lambda line: None,
) -> Detector:
    """Calibrate a model and a gallery, write both files beside the gallery (or the bundled model), and use them.

    typed: queries for videos of the gallery, instead of its captions. training: captions that the model was
    trained on, for a model that is not the bundled one; one in five of them calibrates.
    """
    model, gallery = retriever.model, retriever.gallery
    if gallery.folder is None:
        raise ValueError("A gallery in memory has no place for its calibration: index it into a folder.")
    protocol = make_protocol(model, gallery)
    detector = retriever.detector = Detector(protocol)
    weights = chosen_weights(model)
    storybook = model.config.dataset == "storybook"
    unrelated: list[str] = []
    if training or storybook:
        say("1 of 2: familiar queries")
        if training:
            shuffled = list(dict.fromkeys(training))
            random.Random("training captions").shuffle(shuffled)
            cut = min(len(shuffled) // 5, ORDINARY)
            ordinary, seen, about = shuffled[:cut], shuffled[cut : cut + REFERENCE], "one in five captions"
        else:
            seen = storybook_reference()
            ordinary = storybook_ordinary_texts()
            about = "Storybook captions and queries of clips outside training"
        ordinary = [reading.searched for reading in searched(retriever, ordinary)]
        calibration = calibrate_text(model, seen, ordinary, about, weights["familiar"])
        # A gallery fits one model only, so that with the bundled one goes the bundled model.
        save_beside_model = gallery.folder == BUNDLED_GALLERY.resolve() and not training
        files = familiar_files(gallery, model)
        calibration.save(files[-1] if save_beside_model else files[0])
        detector = retriever.detector = Detector(detector.protocol, calibration, detector.match)
        if save_beside_model and model.config.form == "open-set" and (file := odds_file(model)):
            say("and the odds of a match")
            storybook_odds(model, Reference.from_arrays(calibration.arrays)).save(file, head_made_for(model))
        unrelated = seen[:: max(len(seen) // UNRELATED, 1)][:UNRELATED]
    say("2 of 2: matches in this gallery")
    known, about = list(typed), "typed queries"
    if not known:
        drawn = storybook_queries(gallery.captions) if storybook else None
        known = drawn or [Query(text[:MOST_CHARACTERS], i) for i, text in enumerate(gallery.captions) if text]
        about = (
            "Storybook captions and queries of the gallery's clips"
            if drawn
            else "captions of the gallery's videos"
        )
    calibration = calibrate_match(
        retriever, known, unrelated, about if known else "training captions", weights["match"]
    )
    calibration.save(match_files(gallery)[0])
    retriever.detector = Detector.open(model, gallery)
    return retriever.detector


def calibrate_words(retriever: Retriever) -> Placement | None:
    """From which cosine on the bundled model's place of an unknown word is claimed, written beside the model and used.

    None, and nothing is written, for another model, which knows no words of this world or is not ours to write beside.
    """
    model, gallery = retriever.model, retriever.gallery
    bundled = gallery.folder is not None and gallery.folder == BUNDLED_GALLERY.resolve()
    if model.config.dataset != "storybook" or not bundled:
        return None
    placement = fit(model, Lexicon.bundled())
    placement.save()
    retriever.inspector.reader = Reader.open(model)
    return placement


# --- what people write ----------------------------------------------------------------------------------------


def read_captions(file: Path) -> list[str]:
    """Captions, one a line, cut where a query would have to end. Raises ValueError for what is no UTF-8."""
    return [line[:MOST_CHARACTERS] for line in read_lines(file)]


def read_queries(file: Path, ids: Sequence[str]) -> list[Query]:
    """Typed known-item queries: a CSV with the columns `video` (its id or file name) and `query`.

    Raises ValueError with file and line for what is no such table, for videos that the gallery does not have and for
    queries that are too long.
    """
    positions = {id: i for i, id in enumerate(ids)}
    queries: dict[int, str] = {}
    for line, row in read_table(file, read_utf8(file), ("video", "query")):
        id = row["video"] if row["video"] in positions else Path(row["video"]).stem
        if id not in positions:
            raise ValueError(
                f"{file}, line {line}: the gallery does not have the video {row['video']!r}; "
                "`python -m diffusionret list --gallery FOLDER` names those it has."
            )
        if text := row["query"].strip():
            try:
                check_query(text)
            except ValueError as error:
                raise ValueError(f"{file}, line {line}: {error}") from None
            queries.setdefault(positions[id], text)  # one query a video
    return [Query(text, position) for position, text in sorted(queries.items())]
