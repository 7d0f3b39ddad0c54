"""Nouns: kinds of the subjects, their classes, and what the world lacks, from WordNet and by hand."""

from __future__ import annotations

from collections.abc import Iterator

from wordfreq import zipf_frequency

from diffusionret.datasets.storybook.inflection import plural

from . import tables
from .entry import Entry
from .wordnet import WordNet

KIND = 2.5  # the least Zipf value (log10 of uses in a thousand million words) of a kind
RELATIVE = 3.0  # and of what the world lacks, of which there is more than enough


def entries(net: WordNet) -> Iterator[Entry]:
    """All nouns, each once; by hand before WordNet, classes before kinds."""
    seen = {word for why, words in tables.read("dropped") for word in words}
    coloured = {word: value for value, words in tables.read("coloured") for word in words}
    lacking = [word for key, words in tables.read("lacking") if key == "subject" for word in words]
    known = {name for offset in net.synsets for name in net.synsets[offset].lemmas}

    def source(word: str) -> str:
        return "wordnet" if word.replace(" ", "_") in known else "hand"

    def kind(word: str, subjects: tuple[str, ...], origin: str) -> Entry:
        facts = [("subject", subjects)]
        if word in coloured:
            facts.append(("colour", tables.values(coloured[word])))
        return Entry(word, (plural(word),), tuple(facts), source=origin)

    found: dict[str, Entry] = {}
    for key, words in tables.read("classes"):
        for word in words:
            found.setdefault(word, kind(word, tables.values(key), source(word)))
    for subject, words in tables.read("kinds"):
        for word in words:
            found.setdefault(word.lower(), kind(word.lower(), (subject,), source(word)))
    for word in lacking:
        found.setdefault(word, Entry(word, (plural(word),), lacks="subject", source=source(word)))
    subjects = {
        subject: {o for sense in senses for o in net.below(net.sense(sense))}
        for subject, senses in tables.read("senses")
    }
    for subject, offsets in subjects.items():
        for word in _common(net, offsets, KIND):
            if word not in seen:
                found.setdefault(word, kind(word, (subject,), "wordnet"))
    within = frozenset().union(*subjects.values())
    for _, senses in tables.read("relatives"):
        for sense in senses:
            for word in _common(net, set(net.below(net.sense(sense), within)), RELATIVE):
                if word not in seen:
                    found.setdefault(word, Entry(word, (plural(word),), lacks="subject", source="wordnet"))
    yield from found.values()


def _common(net: WordNet, offsets: set[int], least: float) -> list[str]:
    """The common single words of these meanings. A compound's frequency can only be guessed from its parts, so
    compounds come by hand alone."""
    names = {name for offset in offsets for name in net.names(offset)}
    return sorted(name for name in names if name.isalpha() and zipf_frequency(name, "en") >= least)
