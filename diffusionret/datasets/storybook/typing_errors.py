"""Typing errors: a letter dropped, doubled, exchanged with its neighbour or hit beside the key."""

from __future__ import annotations

import random
from functools import cache

from .dictionary import english
from .words import held_out_words_in, words

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
SHORTEST, LONG = 4, 8  # letters of a word that gets an error, and of one that may get two


@cache
def _words(kind: str | None = None) -> frozenset[str]:
    """The single words of the word file in all their forms, or of those of a kind."""
    rows = words(kind=kind)
    return frozenset(part for row in rows for form in (row.word, *row.forms) for part in form.split())


def is_word(word: str) -> bool:
    """Whether an error must not make it: a word of the word file or of the dictionary."""
    return word in _words() or word in english()


def _beside(letter: str, rng: random.Random) -> str:
    for row in _ROWS:
        if letter in row:
            place = row.index(letter)
            return rng.choice(row[max(0, place - 1) : place] + row[place + 1 : place + 2])
    return letter


def _err(word: str, rng: random.Random) -> str:
    i = rng.randrange(1, len(word))  # the first letter is seldom wrong
    return rng.choice((
        word[:i] + word[i + 1 :],
        word[:i] + word[i] + word[i:],
        word[: i - 1] + word[i] + word[i - 1] + word[i + 1 :],
        word[:i] + _beside(word[i], rng) + word[i + 1 :],
    ))  # fmt: skip


def mistype(text: str, rng: random.Random, attempts: int = 8) -> str | None:
    """The text with an error in one of its words that say something: one letter from four letters on, two from eight
    on in half of the cases. Never another word of English, nor one that is held out. None where no word is so long.
    """
    spoken = text.split(" ")
    places = [
        i
        for i, word in enumerate(spoken)
        if len(word) >= SHORTEST and word.isalpha() and word.lower() in _words("says")
    ]
    for _ in range(attempts if places else 0):
        i = rng.choice(places)
        word = _err(spoken[i], rng)
        if len(spoken[i]) >= LONG and rng.random() < 0.5:
            word = _err(word, rng)
        if word.lower() != spoken[i].lower() and not is_word(word.lower()) and not held_out_words_in(word):
            return " ".join([*spoken[:i], word, *spoken[i + 1 :]])
    return None
