"""What makes a caption unusual: its words in another order, other words, errors, no words at all."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence

import numpy as np

from diffusionret.datasets.storybook import captions, world
from diffusionret.ood.scores import words_of

from . import sentences

WORDS = [
    word for values in (world.SUBJECTS, world.COLOURS, world.PLACES, world.TIMES, world.SIZES) for word in values
]  # fmt: skip


def foreign(text: str, rng: random.Random) -> str:
    """A caption with one of the world's words replaced by a word of no caption."""
    words = text.split()
    places = [i for i, word in enumerate(words) if word in WORDS] or [len(words) - 1]
    words[rng.choice(places)] = rng.choice(sentences.FOREIGN_WORDS)
    return " ".join(words)


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
