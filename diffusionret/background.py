"""Background: texts about what a drawn world does not hold, or that say nothing of it.

What is compared with the training captions alone only learns how far a query is from them. Beside a background one can
ask whether it is nearer to something else.
"""

from __future__ import annotations

import random

from .datasets.storybook.words import words

TEMPLATES = ("{}", "a {}", "the {} again", "a video of a {}", "what a {}")


def background_texts() -> list[str]:
    """A short text for every training word that asks for what the world lacks, or that says nothing."""
    rng = random.Random("background")
    return [
        rng.choice(TEMPLATES).format(word.word)
        for kind in ("lacks", "empty")
        for word in words(split="train", kind=kind)
    ]
