"""Words that are phrases: the grammar's own, places, hours, weathers, deeds, sizes, and what says nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from diffusionret.datasets.storybook import captions
from diffusionret.datasets.storybook.inflection import plural

from . import tables
from .entry import Entry

_PREPOSITION = (
    "in the middle of|in the dead of|out to|mid|in|on|at|by|under|among|between|over|above|after|during|as|"
    "towards|toward|to|up|along"
)
_NOUN = re.compile(rf"^(?:(?:{_PREPOSITION}) )?(?:(?:the|a|an) )?")
_SETTING = ("place", "time", "weather")
_VERBS = ("motion", "relation")


def noun_of(phrase: str) -> str:
    """What is left of a phrase of place, hour or weather: "at the seaside" gives "seaside", "in wet weather" "wet"."""
    return _NOUN.sub("", phrase).removesuffix(" weather") or phrase


def entry(attribute: str, values: tuple[str, ...], item: str, source: str = "hand") -> Entry:
    """The entry of one item of a table: "word", "phrase with preposition", "word = phrase" or verbs joined by "|"."""
    facts = ((attribute, values),)
    if attribute in _VERBS:
        finite, gerund, *participle = item.split("|")
        return Entry(gerund, tuple(filter(None, (finite, *participle))), facts, source=source)
    if attribute in _SETTING:
        word, _, phrase = item.rpartition(" = ")
        word = word or noun_of(phrase)
        return Entry(word, (phrase,) if phrase != word else (), facts, source=source)
    if attribute == "subject":
        return Entry(item, (plural(item),), facts, source=source)
    return Entry(item, (), facts, source=source)


def lexicon() -> Iterator[Entry]:
    """The grammar's own words in its order, the plainest first; ways to write one word are one entry."""
    merged: dict[tuple[str, str], Entry] = {}
    for style in captions.STYLES:
        for (attribute, value), options in captions.wordings(style).items():
            for option in options:
                new = entry(attribute, (value,), option, "lexicon")
                old = merged.get((attribute, new.word))
                forms = tuple(dict.fromkeys((*old.forms, *new.forms))) if old else new.forms
                merged[attribute, new.word] = Entry(new.word, forms, new.facts, source="lexicon")
    order: list[str] = list(captions.ATTRIBUTES)
    yield from sorted(merged.values(), key=lambda e: order.index(e.attribute))


def settings_and_deeds() -> Iterator[Entry]:
    """Synonyms of places, hours, weathers, movements, relations and directions, and sizes."""
    for name in ("settings", "deeds"):
        for key, items in tables.read(name):
            attribute, _, value = key.partition("=")
            yield from (entry(attribute, tuple(value.split("|")), item) for item in items)
    for value, items in tables.read("sizes"):
        yield from (entry("size", (value,), item) for item in items)


def empty() -> Iterator[tuple[Entry, bool]]:
    """Words that say nothing, and whether each may be held out: fillers, which templates use, may not, nor may what
    leaves an attribute open ("motion=": running), which few words do."""
    for key, items in tables.read("empty"):
        attribute, leaves_open, _ = key.partition("=")
        for item in items:
            word, *forms = item.split("|")
            entry = Entry(word, tuple(forms), open=attribute if leaves_open else "")
            yield entry, key != "filler" and not leaves_open


def lacking() -> Iterator[Entry]:
    """Deeds, places and weathers that the world lacks; its nouns and colours come with the others."""
    for attribute, items in tables.read("lacking"):
        if attribute not in ("subject", "colour"):
            yield from (Entry(item, lacks=attribute) for item in items)
