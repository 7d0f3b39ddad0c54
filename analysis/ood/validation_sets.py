"""The sets of the validation: kinds of queries that the test does not hold."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from diffusionret.calibrate import halves, ordinary_caption
from diffusionret.datasets.storybook import world
from diffusionret.datasets.storybook.captions import Caption

from . import sentences
from .sets import TERSE, Sets, captions_of, matches, ordinary
from .spoiling import WORDS, foreign


def validation(scenes: Sequence[world.Scene], size: int) -> list[Sets]:
    """Ordinary captions of one half, the same without articles (no alarm, either), and four unusual kinds."""
    half, _ = halves(len(scenes))
    rng = random.Random("ood validation")
    written = [c.text for _, c in captions_of(scenes, half, 1, rng)]
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
