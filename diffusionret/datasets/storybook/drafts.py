"""A query in the making: the facts of a clip's actor, and words for them that it then says."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from . import captions, world
from .inflection import plural
from .truth import Truth, allow
from .words import Word, inflections, words

LEXICON = 0.5  # share of values that are said in the grammar's own words where there are others
_ANYTHING = ("something", "anything", "a thing", "some thing")
_SOMEONE = (*_ANYTHING, "someone", "somebody", "anyone")
_ONE = ("one", "a single", "just one", "only one", "1", "exactly one")


@cache
def index() -> Mapping[tuple[str, str], Mapping[bool, Sequence[Word]]]:
    """(attribute, value) -> words that ask for it, by whether they are the grammar's own; what is lacked under ""."""
    table: dict[tuple[str, str], dict[bool, list[Word]]] = defaultdict(lambda: {True: [], False: []})
    for split in ("lexicon", "train"):
        for word in (*words(split=split, kind="says"), *words(split=split, kind="lacks")):
            for name, values in word.facts.items():
                for value in values or ("",):
                    table[name, value][split == "lexicon"].append(word)
    return table


@cache
def names() -> frozenset[str]:
    """All that the word file has in two words, as tokens would stand in a text."""
    return frozenset(" ".join(form) for word in words() for form in inflections(word) if len(form) == 2)


@cache
def empty_words() -> Sequence[str]:
    return [word.word for word in words(split="train", kind="empty")]


@dataclass
class Draft:
    """A query in the making: what it allows so far."""

    rng: random.Random
    row: Mapping[str, str | None]
    allowed: dict[str, frozenset[str]] = field(default_factory=dict)

    def pick(self, name: str, suits: Callable[[Word], bool] = lambda word: True) -> Word | None:
        """A word for the row's value of an attribute, whose facts then hold; None where there is none.

        Words of several values, as classes and shades, come as often as there are such words.
        """
        value = self.row.get(name)
        base = name.removeprefix("other_")
        if value is None:
            return None
        groups = {
            own: [w for w in group if suits(w) and self._is_true(w, name)]
            for own, group in index()[base, value].items()
        }
        own = bool(groups[True]) and (not groups[False] or self.rng.random() < LEXICON)
        if not groups[own]:
            return None
        word = captions.pick(self.rng, groups[True]) if own else self.rng.choice(groups[False])
        self.hold(word, name)
        return word

    def _is_true(self, word: Word, name: str) -> bool:
        role = "other_" if name.startswith("other_") else ""
        return all(
            self.row.get(role + n if role + n in self.row else n) in values
            for n, values in word.facts.items()
        )

    def hold(self, word: Word, name: str) -> None:
        role = "other_" if name.startswith("other_") else ""
        for n, values in word.facts.items():
            key = role + n if n in ("subject", "colour") else n
            self.allowed[key] = self.allowed.get(key, values) & values

    @property
    def truth(self) -> Truth:
        return Truth(allow(self.allowed))


def has_one_value(word: Word) -> bool:
    return all(len(values) <= 1 for values in word.facts.values())


def is_class(word: Word) -> bool:
    return "subject" in word.facts and len(word.facts["subject"]) > 1


def form_of(word: Word, number: int) -> str:
    return word.forms[number] if number < len(word.forms) else word.word


def with_some_article(rng: random.Random, noun: str) -> str:
    """The noun with an article or, as often in a search box, without."""
    draw = rng.random()
    return noun if draw < 0.4 else captions.with_article(noun) if draw < 0.8 else f"the {noun}"


def traits(draft: Draft, role: str = "", share: float = 0.4) -> list[str]:
    """Adjectives: perhaps a size, perhaps a colour, seldom one that says nothing."""
    rng, spoken = draft.rng, []
    if not role and rng.random() < share / 2 and (size := draft.pick("size")):
        spoken.append(size.word)
    if rng.random() < share and (colour := draft.pick(f"{role}colour")):
        spoken.append(colour.word)
    if rng.random() < 0.06 and empty_words():
        spoken.insert(0, rng.choice(empty_words()))
    return spoken


def actor(draft: Draft, role: str = "", form: str = "singular", share: float = 0.4) -> str | None:
    """An actor in a form: singular, plural, class, anything (no noun at all), one, bare."""
    rng = draft.rng
    if form == "anything":
        base = rng.choice(_SOMEONE if rng.random() < 0.3 else _ANYTHING)
        spoken = traits(draft, role, share)
        return f"{base} {' and '.join(spoken)}" if spoken else base
    noun = draft.pick(f"{role}subject", is_class if form == "class" else lambda word: not is_class(word))
    if noun is None:
        return None
    spoken = traits(draft, role, share)
    is_plural = form == "plural" or (form == "class" and rng.random() < 0.35)
    phrase = " ".join(
        [
            *spoken,
            form_of(noun, 0) if is_plural and noun.forms else plural(noun.word) if is_plural else noun.word,
        ]
    )
    if form == "one":
        return f"{rng.choice(_ONE)} {phrase}"
    if form == "bare" or is_plural:
        return phrase
    return with_some_article(rng, phrase)


def coloured(draft: Draft) -> str | None:
    """The actor in its colour and no more, "a red rocket"; None where no word says it."""

    def is_plain(word: Word) -> bool:
        return has_one_value(word) and len(word.facts) == 1

    while (colour := draft.pick("colour", is_plain)) and (noun := draft.pick("subject", is_plain)):
        phrase = f"{colour.word} {noun.word}"
        if phrase not in names():  # a gold fish is orange
            return with_some_article(draft.rng, phrase)
    return None


def deed(draft: Draft, who: str, form: str) -> str | None:
    """The actor and what it does; None where no word says it."""
    rng, is_plural = draft.rng, form == "plural"
    if draft.row.get("relation") is not None:
        relation = draft.pick("relation")
        other = actor(
            draft,
            "other_",
            "anything" if rng.random() < 0.15 else "bare" if rng.random() < 0.3 else "singular",
            0.25,
        )
        if relation is None or other is None:
            return None
        finite, participle = form_of(relation, 0), form_of(relation, 1)
        way = []
        if draft.row.get("direction") and rng.random() < 0.2:
            direction = str(draft.row["direction"])
            way = [captions.say("direction", direction, rng)[0]]
            draft.allowed["direction"] = frozenset([direction])
        words = rng.choice((
            [who, relation.word, other], [who, "is" if not is_plural else "are", relation.word, other],
            [other, participle, "by", who], [other, "being", participle, "by", who],
            [who, finite if not is_plural else relation.word, other], [who, "that is", relation.word, other],
        ))  # fmt: skip
        return " ".join(words + way)
    motion = draft.pick("motion")
    if motion is None:
        return None
    gerund, finite = motion.word, form_of(motion, 0)
    if is_plural:
        return rng.choice((f"{who} {gerund}", f"{who} that are {gerund}"))
    options = [
        f"{who} {gerund}",
        f"{who} {gerund}",
        f"{who} that {finite}",
        f"{who} {finite}",
        f"{who} is {gerund}",
    ]
    if form == "bare" and " " not in gerund:
        options.append(f"{gerund} {who}")
    return rng.choice(options)


def setting(draft: Draft, most: int, noun: bool) -> list[str]:
    """Phrases ("on the beach") or nouns of place, time and weather, at most `most`."""
    rng, spoken = draft.rng, []
    for name in rng.sample(world.SETTING, rng.randint(0, most)):
        if word := draft.pick(name):
            spoken.append(word.word if noun else rng.choice(word.forms or (word.word,)))
    return spoken
