"""The words of visitors, with what they say of the world: `words.csv`, written by `python -m analysis.words`.

A word says values ("pigeon": a bird), or it asks for something that the world lacks ("horse", "black"), or it says
nothing ("lovely"), perhaps about something ("running": any movement). Words are split as clips are: those of the
grammar itself (lexicon), of training, and those that no training text may hold (validation, calibration, test).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

from .captions import ATTRIBUTES
from .inflection import degrees, gerund_forms, plural

COLUMNS = ("word", "forms", "kind", "facts", "split", "source")
KINDS = ("says", "lacks", "empty")
SPLITS = ("lexicon", "train", "validation", "calibration", "test")
HELD_OUT = ("validation", "calibration", "test")
_SHORTEST = 3  # letters of a word that is looked for inside longer ones, as gull and sea in seagull


@dataclass(frozen=True)
class Word:
    """A row of the file.

    word: lower case; a noun's singular, an adjective, a verb's gerund, the noun of a place, an hour or a weather.
    forms: plural | phrase with its preposition | finite verb | finite verb and participle | comparative, superlative,
    by what the word is.
    kind: "says" values, "lacks" them in the world, or is "empty".
    facts: attribute -> the values that the word allows; none where it lacks. An empty word has no attribute, or the one
    that it is about and leaves open: "running" may be any movement of the world.
    split: one of SPLITS. source: where the word comes from.
    """

    word: str
    forms: tuple[str, ...]
    kind: str
    facts: Mapping[str, frozenset[str]]
    split: str
    source: str

    @property
    def attribute(self) -> str:
        """The attribute that the word is first of all about; "" for an empty word that leaves none open."""
        return next(iter(self.facts), "")


def read(text: str) -> tuple[Word, ...]:
    """The words of a file's text. Raises ValueError, with the line, where a row does not follow the format."""
    rows = csv.reader(text.splitlines())
    if tuple(next(rows, ())) != COLUMNS:
        raise ValueError(f"The word file must begin with the line {','.join(COLUMNS)!r}.")
    return tuple(_word(row, number) for number, row in enumerate(rows, 2))


def _word(row: list[str], number: int) -> Word:
    if len(row) != len(COLUMNS):
        raise ValueError(f"Line {number} of the word file has {len(row)} fields: it needs {len(COLUMNS)}.")
    word, forms, kind, written, split, source = row
    facts = {}
    for part in written.split(";") if written else ():
        attribute, _, values = part.partition("=")
        facts[attribute] = frozenset(values.split("|")) if values else frozenset()
    if kind not in KINDS or split not in SPLITS or not word or word != word.lower():
        raise ValueError(
            f"Line {number} of the word file has a word, kind or split that is none: {word!r}, {kind!r}, {split!r}."
        )
    valued = {bool(values) for values in facts.values()}
    suits = {"says": [{True}], "lacks": [{False}], "empty": [set(), {False}]}[kind]
    if not set(facts) <= set(ATTRIBUTES) or valued not in suits:
        raise ValueError(
            f"Line {number} of the word file: the facts {written!r} do not suit a word that {kind!r}."
        )
    return Word(word, tuple(forms.split("|")) if forms else (), kind, MappingProxyType(facts), split, source)


@cache
def _all() -> tuple[Word, ...]:
    return read(
        (resources.files("diffusionret.datasets.storybook") / "words.csv").read_text(encoding="utf-8")
    )


@cache
def words(
    split: str | None = None, kind: str | None = None, attribute: str | None = None
) -> tuple[Word, ...]:
    """The words of a split, of a kind ("says", "lacks", "empty") and about an attribute, in the file's order.

    None takes all. The grammar's own words are in its order, the plainest first. Raises ValueError for a split or
    a kind that the file does not have, or an attribute that captions do not say.
    """
    for value, options in ((split, SPLITS), (kind, KINDS), (attribute, ATTRIBUTES)):
        if value is not None and value not in options:
            raise ValueError(f"The word file knows no {value!r}: choose {', '.join(options)}.")
    return tuple(
        word
        for word in _all()
        if split in (None, word.split)
        and kind in (None, word.kind)
        and (attribute is None or attribute in word.facts)
    )


def tokens(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, without punctuation; what a hyphen joins are several."""
    return tuple(re.findall(r"[^\W_]+", re.sub(r"['’](?=s?\b)", "", text.lower())))


def inflections(word: Word) -> frozenset[tuple[str, ...]]:
    """Every way to write a word, as tokens: itself, its forms without the preposition, and regular inflections."""
    says = word.attribute
    spoken = {word.word}
    if says in ("subject", "motion", "relation"):
        spoken |= set(word.forms)
    if says in ("motion", "relation"):
        spoken |= gerund_forms(word.word)
    elif says in ("colour", "size", "weather", ""):
        spoken |= degrees(word.word)
    if says not in ("motion", "relation", "direction", ""):
        spoken |= {plural(word.word)}
        spoken |= {word.word[:-1]} if word.word.endswith("s") and not word.word.endswith("ss") else set()
    return frozenset(filter(None, map(tokens, spoken)))


def pieces(vocabulary: Iterable[Word]) -> frozenset[str]:
    """Single words, and plurals, of which English builds longer ones as it does seagull: not verbs."""
    return frozenset(
        form[0]
        for word in vocabulary
        if word.attribute not in ("motion", "relation", "direction", "")
        for form in map(tokens, {word.word, plural(word.word)})
        if len(form) == 1 and len(form[0]) >= _SHORTEST
    )


def parts(text: tuple[str, ...], longest: int, known: Collection[str]) -> set[tuple[str, ...]]:
    """What may be a word in these tokens: every run of up to `longest`, and both halves of a token that is made of
    two of the `known` words."""
    runs = {text[i : i + n] for n in range(1, longest + 1) for i in range(len(text) - n + 1)}
    halves = {
        (half,)
        for token in text
        for cut in range(_SHORTEST, len(token) - _SHORTEST + 1)
        if token[:cut] in known and token[cut:] in known
        for half in (token[:cut], token[cut:])
    }
    return runs | halves


@cache
def _held_out() -> Mapping[tuple[str, ...], str]:
    """Written form -> word, of all words that training may not see."""
    return {form: word.word for word in _all() if word.split in HELD_OUT for form in inflections(word)}


@cache
def _longest() -> int:
    """Words of the longest form that is held out."""
    return max(map(len, _held_out()), default=0)


@cache
def _pieces() -> frozenset[str]:
    return pieces(_all())


def held_out_words_in(text: str) -> list[str]:
    """The words of validation, calibration and test in a text: as they are, inflected, or as part of a compound.

    A part is a word of its own ("sea gull"), or half of a longer one whose other half the file knows ("seagull").
    Sorted, each once; an empty list for a text that training may see.
    """
    table = _held_out()
    return sorted({table[part] for part in parts(tokens(text), _longest(), _pieces()) if part in table})
