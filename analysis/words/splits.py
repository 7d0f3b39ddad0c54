"""The splits of the words: whatever contains a word goes with it, so that no split holds a part of another."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

from diffusionret.datasets.storybook.words import inflections, parts, pieces, tokens

from .entry import Entry

# (attribute, kind): least words in test, calibration and validation.
LEAST = {
    ("subject", "says"): (40, 24, 18),
    ("colour", "says"): (30, 16, 12),
    ("place", "says"): (30, 18, 14),
    ("motion", "says"): (30, 24, 18),
    ("subject", "lacks"): (40, 30, 22),
    ("colour", "lacks"): (12, 12, 10),
    ("time", "says"): (5, 3, 3),
    ("weather", "says"): (6, 4, 3),
    ("size", "says"): (7, 5, 4),
    ("relation", "says"): (12, 8, 5),
    ("direction", "says"): (3, 2, 2),
    ("", "empty"): (25, 18, 14),
    ("motion", "empty"): (0, 0, 0),
    ("motion", "lacks"): (0, 0, 0),
    ("place", "lacks"): (0, 0, 0),
    ("weather", "lacks"): (0, 0, 0),
}
NAMES = ("test", "calibration", "validation")


def groups(entries: Sequence[Entry], lexicon: Collection[Entry], fillers: Collection[str]) -> list[list[int]]:
    """Indices of the entries that must share a split: those of which one contains the other, in any form.

    What is the grammar's own or a filler joins nothing.
    """
    known = {form for entry in lexicon for form in inflections(entry.as_word("lexicon"))}
    owners: dict[tuple[str, ...], list[int]] = defaultdict(list)
    spoken = [inflections(entry.as_word("train")) for entry in entries]
    for i, forms in enumerate(spoken):
        if entries[i].word not in fillers:
            for form in forms - known:
                owners[form].append(i)
    longest = max(map(len, owners))
    halves = pieces(entry.as_word("train") for entry in (*entries, *lexicon))
    root = list(range(len(entries)))

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = i = root[root[i]]
        return i

    for i, entry in enumerate(entries):
        written = spoken[i] | {tokens(form) for form in entry.forms}
        for part in {part for form in written for part in parts(form, longest, halves)}:
            for j in owners.get(part, ()):
                root[find(i)] = find(j)
    joined: dict[int, list[int]] = defaultdict(list)
    for i in range(len(entries)):
        joined[find(i)].append(i)
    return list(joined.values())


def draw(
    entries: Sequence[Entry], lexicon: Collection[Entry], fillers: Collection[str], test: Collection[str]
) -> list[str]:
    """A split for each entry: "train", "validation", "calibration" or "test".

    A group with a word of `test` goes there, whole; one with a word of `fillers`, which
    texts of training need, there. The others come in an order that each word's digest decides, so that a new word
    moves few old ones, and fill test, calibration and validation up to LEAST.
    """
    split = ["train"] * len(entries)
    counts: Counter[tuple] = Counter()
    joined = groups(entries, lexicon, fillers)
    joined.sort(key=lambda group: min(hashlib.sha256(entries[i].word.encode()).hexdigest() for i in group))

    def put(group: list[int], name: str) -> None:
        for i in group:
            split[i] = name
            counts[name, entries[i].attribute, entries[i].kind] += 1

    rest = []
    for group in joined:
        if any(entries[i].word in test for i in group):
            put(group, "test")
        elif not any(entries[i].word in fillers for i in group):
            rest.append(group)
    for group in rest:
        first = entries[group[0]]
        kind = first.attribute, first.kind
        for name, least in zip(NAMES, LEAST[kind], strict=True):
            if counts[(name, *kind)] < least and len(group) <= 8:
                put(group, name)
                break
    return split


def without(
    entries: Collection[Entry], held_out: Collection[Entry], vocabulary: Collection[Entry]
) -> list[Entry]:
    """The entries that hold no held-out word, so that training may see them."""
    forms = {form for entry in held_out for form in inflections(entry.as_word("test"))}
    halves = pieces(entry.as_word("train") for entry in vocabulary)
    longest = max(map(len, forms), default=0)
    return [entry for entry in entries if not parts(tokens(entry.word), longest, halves) & forms]
