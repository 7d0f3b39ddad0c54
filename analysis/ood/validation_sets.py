"""The sets of the validation: kinds of queries that the test does not hold."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from diffusionret import Retriever
from diffusionret.calibrate import halves, ordinary_caption
from diffusionret.datasets.storybook import queries, world
from diffusionret.datasets.storybook.captions import Caption
from diffusionret.datasets.storybook.typing_errors import mistype
from diffusionret.datasets.storybook.words import words

from . import sentences
from .near import near_present
from .sets import TERSE, Sets, captions_of, matches, ordinary
from .spoiling import WORDS, foreign

# As visitors write, by kind of query: none of it is to be noticed.
VISITORS = {
    "style": ("request", "plural", "indefinite", "mostly empty words"),
    "brevity": ("single word", "class word", "keywords"),
}
TYPING = "typing"
QUIET = (TERSE, *VISITORS, TYPING)
NEAR = "near compositions"
_TOPICS = (
    "a {} plays the piano", "the {} eats soup with a spoon", "two {}s sign a contract", "a {} reads the news aloud",
    "someone repairs a {}", "how to cook a {}", "a {} in the office", "the price of a {}",
)  # fmt: skip


def validation(retriever: Retriever, scenes: Sequence[world.Scene], size: int) -> list[Sets]:
    """Ordinary captions of one half, what else should raise no alarm (QUIET), and the unusual kinds."""
    half, _ = halves(len(scenes))
    rng = random.Random("ood validation")
    written = [c.text for _, c in captions_of(scenes, half, 1, rng)]
    terse = [" ".join(w for w in text.split() if w not in ("a", "an", "the")) for text in written]
    return [
        ordinary("validation", scenes, half, 2),
        Sets(TERSE, terse, list(half)),
        *(visitors(name, scenes, half, rng) for name in VISITORS),
        mistyped(scenes, half, rng),
        altered(scenes, size, rng),
        replaced(scenes, half, size, rng),
        Sets("a foreign word", [foreign(text, rng) for text in written], list(half)),
        Sets("questions", list(sentences.QUESTIONS), list(range(len(sentences.QUESTIONS)))),
        topics(size, rng),
        near_present(retriever, "validation", size, NEAR),
    ]


def visitors(
    name: str, scenes: Sequence[world.Scene], clips: Sequence[int] | np.ndarray | range, rng: random.Random
) -> Sets:
    """Queries as visitors type them, one a clip as far as it has one, of the kinds of VISITORS in turn."""
    kinds, texts, units = VISITORS[name], [], []
    for place, clip in enumerate(clips):
        try:
            texts.append(queries.write(scenes[clip], rng, kinds[place % len(kinds)]).text)
        except ValueError:  # this scene has none of the kind
            continue
        units.append(int(clip))
    return Sets(name, texts, units)


def mistyped(
    scenes: Sequence[world.Scene], clips: Sequence[int] | np.ndarray | range, rng: random.Random
) -> Sets:
    """Ordinary captions with a typing error in a word that says something."""
    pairs = [(clip, mistype(c.text, rng)) for clip, c in captions_of(scenes, clips, 1, rng)]
    found = [(clip, text) for clip, text in pairs if text]
    return Sets(TYPING, [text for _, text in found], [clip for clip, _ in found])


def topics(size: int, rng: random.Random) -> Sets:
    """Sentences about what the world lacks, in words that no training text holds."""
    lacking = [word.word for word in words(split="validation", kind="lacks") if "subject" in word.facts]
    texts = [template.format(word) for word in lacking for template in _TOPICS]
    texts = rng.sample(texts, min(size, len(texts)))
    return Sets("foreign topics", texts, list(range(len(texts))))


def altered(scenes: Sequence[world.Scene], size: int, rng: random.Random) -> Sets:
    """Captions of clips that training might have shown and that this gallery does not hold."""
    found: list[Caption] = []
    while len(found) < size:
        scene = world.draw_scene(rng)
        if world.trainable(scene):
            caption = ordinary_caption(scene, rng)
            if not matches([caption], scenes).any():
                found.append(caption)
    return Sets("not in the gallery", [c.text for c in found], list(range(size)))


def replaced(
    scenes: Sequence[world.Scene], clips: Sequence[int] | np.ndarray, size: int, rng: random.Random
) -> Sets:
    """Ordinary captions with two words replaced by any others of the world, whatever their kind."""
    pairs = captions_of(scenes, clips, 1 + size // len(clips), rng)[:size]
    texts = []
    for _, caption in pairs:
        words = caption.text.split()
        for place in rng.sample(range(len(words)), min(2, len(words))):
            words[place] = rng.choice(WORDS)
        texts.append(" ".join(words))
    return Sets("two words replaced", texts, [clip for clip, _ in pairs])
