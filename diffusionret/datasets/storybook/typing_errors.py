"""Typing errors: a letter dropped, doubled, exchanged with its neighbour or hit beside the key."""

from __future__ import annotations

import random
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from .words import held_out_words_in, words

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
SHORTEST, LONG = 4, 8  # letters of a word that gets an error, and of one that may get two


@cache
def english() -> frozenset[str]:
    """Words that an error must not make: those of the word file and of the dictionary that symspellpy ships."""
    own = {part for word in words() for form in (word.word, *word.forms) for part in form.split()}
    spec = find_spec("symspellpy")
    if spec is None or spec.origin is None:
        return frozenset(own)
    file = Path(spec.origin).with_name("frequency_dictionary_en_82_765.txt")
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    return frozenset(own | {line.split()[0] for line in lines})


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
    meant = {
        form
        for word in words()
        if word.kind == "says"
        for form in (word.word, *word.forms)
        for form in form.split()
    }
    places = [
        i
        for i, word in enumerate(spoken)
        if len(word) >= SHORTEST and word.isalpha() and word.lower() in meant
    ]
    for _ in range(attempts if places else 0):
        i = rng.choice(places)
        word = _err(spoken[i], rng)
        if len(spoken[i]) >= LONG and rng.random() < 0.5:
            word = _err(word, rng)
        if (
            word.lower() != spoken[i].lower()
            and word.lower() not in english()
            and not held_out_words_in(word)
        ):
            return " ".join([*spoken[:i], word, *spoken[i + 1 :]])
    return None
