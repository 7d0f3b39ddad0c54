"""The sets of the test."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from diffusionret import Retriever
from diffusionret.calibrate import halves
from diffusionret.datasets import read
from diffusionret.datasets.storybook import captions, world

from . import sentences
from .near import near, near_present
from .sets import SHIFTED, SHIFTS, Sets, captions_of, matches, ordinary
from .spoiling import WORDS, gibberish, long, mistyped, rebuilt, shuffled

# Name and place below a folder of public annotations, and split.
REAL = (("msrvtt", "msrvtt", "test"), ("msvd", "msvd", "test"), ("activitynet", "activitynet", "test"),
        ("didemo", "didemo", "test"))  # fmt: skip


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
        near_present(retriever, "test", size),
        near(scenes, size),
        absent(scenes, half),
        Sets(
            "nonsense", [shuffled(c.text, rng) for _, c in captions_of(scenes, half, 2, rng)][:size], numbers
        ),
        Sets("far, rebuilt", [rebuilt(text, rng) for text in (far * size)[:size]], numbers),
        Sets("far", far, list(range(len(far)))),
        Sets("abstract", list(sentences.ABSTRACT), list(range(len(sentences.ABSTRACT)))),
        Sets("languages", list(sentences.LANGUAGES), list(range(len(sentences.LANGUAGES)))),
        Sets("gibberish", [gibberish(rng) for _ in range(100)], list(range(100))),
        Sets("too long", [long(scenes, half, rng) for _ in range(100)], list(range(100))),
        adversarial(retriever, rng),
    ]
    return [replace(part, unit=part.unit[: len(part.texts)]) for part in sets]


def shifted(scenes: Sequence[world.Scene], clips: Sequence[int] | np.ndarray, rng: random.Random) -> Sets:
    """Typing errors, keywords and another style of writing, in equal parts: should not be flagged."""
    texts, units = [], []
    for i, (clip, caption) in enumerate(captions_of(scenes, clips, 1, rng)):
        other = captions.write(scenes[clip], rng, 0.4, style="sketchbook").text
        texts.append((mistyped(caption.text, rng), " ".join(caption.facts.values()), other)[i % len(SHIFTS)])
        units.append(clip)
    return Sets(SHIFTED, texts, units)


def absent(scenes: Sequence[world.Scene], clips: Sequence[int] | np.ndarray) -> Sets:
    """Ordinary captions of the gallery, with every clip of which they are true taken out of it.

    Captions that are true of many are left out, so that the gallery stays nearly the same.
    """
    pairs = captions_of(scenes, clips, 2, random.Random("ood absent"))
    fits = matches([c for _, c in pairs], scenes)
    few = (fits.sum(dim=1) <= len(scenes) // 10).tolist()
    kept = [i for i, keep in enumerate(few) if keep]
    return Sets("gallery-absent", [pairs[i][1].text for i in kept], [pairs[i][0] for i in kept], fits[kept])


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
