"""The sets of queries by which unusual-query scores are measured, built on a gallery of the bundled world.

Validation and test share no kind of unusual query and no clip: the clips of the gallery are halved.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffusionret import Retriever
from diffusionret.calibrate import halves, ordinary_caption
from diffusionret.datasets import read
from diffusionret.datasets.storybook import captions, truth, world
from diffusionret.datasets.storybook.captions import Caption
from diffusionret.ood.scores import words_of

from . import sentences

REAL = (("msrvtt", "msrvtt", "test"), ("msvd", "msvd", "test"), ("activitynet", "activitynet", "test"),
        ("didemo", "didemo", "test"))  # fmt: skip
ORDINARY, SHIFTED, TERSE = "in-distribution", "covariate-shifted", "without articles"
PRIMARY = ("near", "gallery-absent")  # the endpoint, fixed beforehand: their mean AUROC
IN_VOCABULARY = ("nonsense", "far, rebuilt")  # shown beside it
WORDS = [
    word for values in (world.SUBJECTS, world.COLOURS, world.PLACES, world.TIMES, world.SIZES) for word in values
]  # fmt: skip


@dataclass(frozen=True)
class Sets:
    """Queries of one kind. unit [query]: what the bootstrap draws (a clip, a scene, else the query itself).

    without: videos taken out of the gallery, bool [query video], None for none.
    """

    name: str
    texts: list[str]
    unit: list[int]
    without: Tensor | None = None

    def first(self, count: int) -> Sets:
        without = None if self.without is None else self.without[:count]
        return Sets(self.name, self.texts[:count], self.unit[:count], without)


def gallery_scenes(shown: Sequence[str]) -> list[world.Scene]:
    """The scenes of clips by the captions that a gallery shows. Raises ValueError for a gallery of anything else."""
    scenes = {captions.canonical(scene).text: scene for scene in world.split("test")}
    if missing := [caption for caption in shown if caption not in scenes]:
        raise ValueError(f"The gallery is none of Storybook: it has no scene {missing[0]!r}.")
    return [scenes[caption] for caption in shown]


def _written(scenes: Sequence[world.Scene], clips: Iterable[int], times: int, rng: random.Random):
    """(clip, caption), `times` of each clip."""
    return [(int(clip), ordinary_caption(scenes[clip], rng)) for clip in clips for _ in range(times)]


def _fits(written: Sequence[Caption], scenes: Sequence[world.Scene]) -> Tensor:
    return torch.from_numpy(truth.fit_matrix(written, scenes))


def ordinary(name: str, scenes: Sequence[world.Scene], clips: Iterable[int], times: int) -> Sets:
    """Ordinary captions of some clips of the gallery."""
    pairs = _written(scenes, clips, times, random.Random(f"{name} ordinary"))
    return Sets(ORDINARY, [c.text for _, c in pairs], [clip for clip, _ in pairs])


# --- validation: kinds that the test does not hold ---------------------------------------------------------


def validation(scenes: Sequence[world.Scene], size: int) -> list[Sets]:
    """Ordinary captions of one half, the same without articles (no alarm, either), and four unusual kinds."""
    half, _ = halves(len(scenes))
    rng = random.Random("ood validation")
    written = [c.text for _, c in _written(scenes, half, 1, rng)]
    terse = [" ".join(w for w in text.split() if w not in ("a", "an", "the")) for text in written]
    return [
        ordinary("validation", scenes, half, 2),
        Sets(TERSE, terse, list(half)),
        altered(scenes, size, rng),
        replaced(scenes, half, size, rng),
        Sets("a foreign word", [foreign(text, rng) for text in written], list(half)),
        Sets("questions", list(sentences.QUESTIONS), list(range(len(sentences.QUESTIONS)))),
    ]


def altered(scenes: Sequence[world.Scene], size: int, rng: random.Random) -> Sets:
    """Captions of clips that training might have shown and that this gallery does not hold."""
    found: list[Caption] = []
    while len(found) < size:
        scene = world.draw_scene(rng)
        if world.trainable(scene):
            caption = ordinary_caption(scene, rng)
            if not _fits([caption], scenes).any():
                found.append(caption)
    return Sets("not in the gallery", [c.text for c in found], list(range(size)))


def replaced(
    scenes: Sequence[world.Scene], clips: Sequence[int] | np.ndarray, size: int, rng: random.Random
) -> Sets:
    """Ordinary captions with two words replaced by any others of the world, whatever their kind."""
    pairs = _written(scenes, clips, 1 + size // len(clips), rng)[:size]
    texts = []
    for _, caption in pairs:
        words = caption.text.split()
        for place in rng.sample(range(len(words)), min(2, len(words))):
            words[place] = rng.choice(WORDS)
        texts.append(" ".join(words))
    return Sets("two words replaced", texts, [clip for clip, _ in pairs])


def foreign(text: str, rng: random.Random) -> str:
    """A caption with one of the world's words replaced by a word of no caption."""
    words = text.split()
    places = [i for i, word in enumerate(words) if word in WORDS] or [len(words) - 1]
    words[rng.choice(places)] = rng.choice(sentences.FOREIGN_WORDS)
    return " ".join(words)


# --- test ------------------------------------------------------------------------------------------------------


def test(retriever: Retriever, scenes: Sequence[world.Scene], size: int, real: Path | None) -> list[Sets]:
    """The sets of the test, in-distribution first. real: a folder of public annotations, where there is one."""
    _, half = halves(len(scenes))
    rng = random.Random("ood test")
    mine = ordinary("test", scenes, half, 4)
    numbers = list(range(size))
    far = (list(sentences.FAR) * size)[:size] if real is None else real_captions(real, size, rng)
    far = list(dict.fromkeys(far))
    sets = [
        mine,
        shifted(scenes, half, rng),
        near(scenes, size),
        absent(scenes, half),
        Sets("nonsense", [shuffled(c.text, rng) for _, c in _written(scenes, half, 2, rng)][:size], numbers),
        Sets("far, rebuilt", [rebuilt(text, rng) for text in (far * size)[:size]], numbers),
        Sets("far", far, list(range(len(far)))),
        Sets("abstract", list(sentences.ABSTRACT), list(range(len(sentences.ABSTRACT)))),
        Sets("languages", list(sentences.LANGUAGES), list(range(len(sentences.LANGUAGES)))),
        Sets("gibberish", [gibberish(rng) for _ in range(100)], list(range(100))),
        Sets("too long", [long(scenes, half, rng) for _ in range(100)], list(range(100))),
        adversarial(retriever, rng),
    ]
    return [replace(part, unit=part.unit[: len(part.texts)]) for part in sets]


SHIFTS = ("a typing error", "keywords", "another style")  # of SHIFTED, in turn


def shifted(scenes: Sequence[world.Scene], clips: Sequence[int] | np.ndarray, rng: random.Random) -> Sets:
    """Typing errors, keywords and another style of writing, in equal parts: should not be flagged."""
    texts, units = [], []
    for i, (clip, caption) in enumerate(_written(scenes, clips, 1, rng)):
        other = captions.write(scenes[clip], rng, 0.4, style="sketchbook").text
        texts.append((mistyped(caption.text, rng), " ".join(caption.facts.values()), other)[i % len(SHIFTS)])
        units.append(clip)
    return Sets(SHIFTED, texts, units)


def near(scenes: Sequence[world.Scene], size: int) -> Sets:
    """Captions that say a composition of words that training never showed, true of no clip here."""
    rng = random.Random("ood near")
    found: list[tuple[int, Caption]] = []
    for number, scene in enumerate(world.split("near")):
        caption = ordinary_caption(scene, rng)
        if says_held_out(caption) and not _fits([caption], scenes).any():
            found.append((number, caption))
    return Sets("near", [c.text for _, c in found][:size], [number for number, _ in found][:size])


def says_held_out(caption: Caption) -> bool:
    """Whether a caption itself says a composition that training never showed."""
    said = caption.facts
    pairs = {(said.get("subject"), said.get("colour")), (said.get("other_subject"), said.get("other_colour"))}
    moves = (said.get("subject"), said.get("motion"))
    return bool(pairs & world.HELD_OUT_COLOURS) or moves in world.HELD_OUT_MOTIONS


def absent(scenes: Sequence[world.Scene], clips: Sequence[int] | np.ndarray) -> Sets:
    """Ordinary captions of the gallery, with every clip of which they are true taken out of it.

    Captions that are true of many are left out, so that the gallery stays nearly the same.
    """
    pairs = _written(scenes, clips, 2, random.Random("ood absent"))
    fits = _fits([c for _, c in pairs], scenes)
    few = (fits.sum(dim=1) <= len(scenes) // 10).tolist()
    kept = [i for i, keep in enumerate(few) if keep]
    return Sets("gallery-absent", [pairs[i][1].text for i in kept], [pairs[i][0] for i in kept], fits[kept])


def shuffled(text: str, rng: random.Random) -> str:
    words = text.replace(",", "").split()
    rng.shuffle(words)
    return " ".join(words)


def rebuilt(text: str, rng: random.Random) -> str:
    """A text of another domain in the world's own words: every content word replaced, the frame kept."""
    frame = {"a", "an", "the", "in", "on", "at", "is", "by", "over", "and", "of", "that", "to"}
    return " ".join(word if word in frame else rng.choice(WORDS) for word in words_of(text))


def mistyped(text: str, rng: random.Random) -> str:
    """One typing error: two letters exchanged, or one left out or doubled."""
    place = rng.choice([i for i in range(len(text) - 1) if text[i].isalpha() and text[i + 1].isalpha()])
    a, b = text[place], text[place + 1]
    return text[:place] + rng.choice((b + a, b, a + a + b)) + text[place + 2 :]


def gibberish(rng: random.Random) -> str:
    words = (
        "".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 9))) for _ in range(rng.randint(2, 8))
    )
    return " ".join(words)


def long(scenes: Sequence[world.Scene], clips: Sequence[int] | np.ndarray, rng: random.Random) -> str:
    """Full captions joined until no model of this size reads them whole."""
    parts = [captions.write(scenes[rng.choice(list(clips))], rng, 0.0).text for _ in range(4)]
    return " and ".join(parts)


def adversarial(retriever: Retriever, rng: random.Random, count: int = 40, rounds: int = 4) -> Sets:
    """Word salads climbed towards a high similarity: the most similar of random changes, round by round."""
    salads = [" ".join(rng.choices(WORDS, k=rng.randint(4, 8))) for _ in range(count)]
    for _ in range(rounds):
        tries = [(i, _changed(salad, rng)) for i, salad in enumerate(salads) for _ in range(4)]
        every = salads + [text for _, text in tries]
        fit = -retriever.scores(every, forms=())["similarity"]
        best = dict(enumerate(range(count)))
        for number, (i, _) in enumerate(tries, count):
            best[i] = number if fit[number] > fit[best[i]] else best[i]
        salads = [every[best[i]] for i in range(count)]
    return Sets("adversarial", salads, list(range(count)))


def _changed(salad: str, rng: random.Random) -> str:
    words = salad.split()
    words[rng.randrange(len(words))] = rng.choice(WORDS)
    return " ".join(words)


def real_captions(folder: Path, size: int, rng: random.Random) -> list[str]:
    """Captions of public benchmarks in equal shares, then our own; benchmarks that cannot be read are left out."""
    found: list[str] = []
    for name, place, split in REAL:
        try:
            texts = sorted(set(read(name, folder / place, split).captions))
        except (OSError, ValueError):
            continue
        found += rng.sample(texts, min(size // 5, len(texts)))
    return [" ".join(text.split()) for text in [*found, *sentences.FAR]][:size]


def fresh(scenes: Sequence[world.Scene], count: int, rng: np.random.Generator) -> list[str]:
    """Independent ordinary queries for a gallery: a clip at random, one of its captions at random."""
    source = random.Random(int(rng.integers(2**62)))
    return [ordinary_caption(scenes[int(i)], source).text for i in rng.integers(len(scenes), size=count)]


def fresh_scenes(count: int, rng: np.random.Generator) -> list[str]:
    """Independent ordinary captions of new scenes."""
    source = random.Random(int(rng.integers(2**62)))
    texts: list[str] = []
    while len(texts) < count:
        scene = world.draw_scene(source)
        if not scene.held_out:
            texts.append(ordinary_caption(scene, source).text)
    return texts
