"""Composition: a query as what should be there, with more of this and less of that.

"a dog but not on the beach" asks for "a dog", less "on the beach". No encoder that learned from captions reads "not"
well, for captions say what is there; so what is ruled out is read off the words, searched by itself, and subtracted.
"a boat, less: night, more 0.5: rain" says the same with weights.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .query import Token, tokens_of, words

MOST_PARTS = 4  # of one query; each is searched for by itself
MOST_WEIGHT = 4.0
WEIGHTED = re.compile(
    r"(?:^|[\s,;])(more|less)\s*(\d+(?:\.\d+)?|\.\d+)?\s*:\s*([^,;:]*[^,;:\s])", re.IGNORECASE
)
CLAUSE = re.compile(r"[,;.!?:()\n]")  # what no exclusion reaches across
# What begins an exclusion, the longest first.
NEGATORS = sorted(
    (
        tuple(phrase.split())
        for phrase in (
            "but not", "but no", "but without", "and not", "and no", "just not", "with no", "other than", "apart from",
            "aside from", "rather than", "instead of", "except for", "except", "excluding", "without", "minus", "not",
            "no", "never", "barring", "bar the", "leave out", "leaving out", "avoiding",
        )
    ),
    key=len,
    reverse=True,
)  # fmt: skip
WIDE = words("all any anyone anything anywhere every everyone everything everywhere whatever")  # ... but
BE = words("isn't aren't wasn't weren't ain't")
DO = words("don't doesn't didn't")
# After "not" and the like they make an idiom that rules nothing out.
IDIOM = words(
    "sure certain really exactly quite only just necessarily that much many bad idea problem matter mind doubt fail "
    "one worries clue longer wonder long later sooner"
)
PRONOUNS = words("i you we they he she it there this these those")
MODAL = words("can could will would should may might must shall")
WANTING = words("want need like give show include contain have has having be being get find see")
FILLING = words("me us any of to in it")  # between a verb of wanting and what is wanted
# What is left hanging where an exclusion was taken out.
HANGING = words(
    "but and or just that which who is are was were be do does did i we you please that's which's who's it's any"
)
TONES = words("colour color colours colors kind kinds sort sorts")


class Part(NamedTuple):
    """A text and how much of it is wanted: more where the weight is above 0, less below. |weight| <= MOST_WEIGHT."""

    text: str
    weight: float

    def __str__(self) -> str:
        size = "" if abs(self.weight) == 1 else f" {abs(self.weight):g}"
        return f"{'more' if self.weight > 0 else 'less'}{size}: {self.text}"


@dataclass(frozen=True)
class Composition:
    """text: what should be there, "" where a query says only what should not. parts: more and less of this."""

    text: str
    parts: tuple[Part, ...] = ()

    def __str__(self) -> str:
        """As a query that `compose` reads back."""
        return ", ".join(filter(None, [self.text, *(str(part) for part in self.parts)]))


def compose(text: str, says: Callable[[str], bool], exact: bool = False) -> Composition:
    """The composition of a query. says: whether a text holds words that say something. exact: whether only "more:" and
    "less:" count, and "not" and the like are left to the model."""
    parts: list[Part] = []

    def weigh(found: re.Match[str]) -> str:
        weight = min(float(found[2] or 1), MOST_WEIGHT)
        if weight and len(parts) < MOST_PARTS and says(found[3]):
            parts.append(Part(found[3].strip(), weight if found[1].lower() == "more" else -weight))
            return ""
        return found[0]

    base = WEIGHTED.sub(weigh, text)
    kept, last = [], 0
    for start, stop, part in () if exact else exclusions(base):
        if len(parts) < MOST_PARTS and says(part):
            kept.append(base[last:start])
            parts.append(Part(part, -1.0))
            last = stop
    if not parts:
        return Composition(text)
    return Composition(tidy([*kept, base[last:]]), tuple(parts))


def exclusions(text: str) -> list[tuple[int, int, str]]:
    """(start, stop, what is ruled out there) of every exclusion in a text, in order; text[start:stop] is to go."""
    tokens = tokens_of(text)
    found, at = [], 0
    while at < len(tokens):
        length = _negator(text, tokens, at)
        single = _prefix(text, tokens, at)
        if single or length:
            first = at + (length or single - 1)
            stop = first + 1 if single else _end(text, tokens, first)
            while first < stop and tokens[first].word in (FILLING | WANTING):
                first += 1
            if first < stop:
                begin = tokens[at].start - (1 if single == 1 else 0)
                found.append(
                    (begin, tokens[stop - 1].stop, text[tokens[first].start : tokens[stop - 1].stop])
                )
                at = stop
                continue
        at += max(length, 1)
    return found


def tidy(pieces: Sequence[str]) -> str:
    """What is left of a text, without what hangs loose at the seams."""
    kept = []
    for number, piece in enumerate(pieces):
        tokens = tokens_of(piece)
        first, last = 0, len(tokens)
        while (
            last > first
            and number < len(pieces) - 1
            and tokens[last - 1].word.replace("’", "'") in HANGING | TONES
        ):
            last -= 1
        while first < last and number and tokens[first].word in ("and", "or", "but", "ones", "one"):
            first += 1
        if first < last:
            end = len(piece) if last == len(tokens) else tokens[last - 1].stop
            kept.append(piece[tokens[first].start if number else 0 : end].strip(" ,;:-()"))
    return ", ".join(piece for piece in kept if piece)


def _negator(text: str, tokens: Sequence[Token], at: int) -> int:
    """How many words from here on begin an exclusion, 0 where none does."""
    words = [token.word.replace("’", "'") for token in tokens[max(at - 6, 0) : at + 3]]
    here = at - max(at - 6, 0)
    before, word, after = words[:here], words[here], words[here + 1] if here + 1 < len(words) else ""
    if word in BE:
        return int(at > 0 and after not in PRONOUNS)
    if word in DO:
        return int(after in WANTING)
    if word == "but" and before and after not in ("not", "no", "without"):
        wide = before[-1] in WIDE or (len(before) > 1 and before[-2] in WIDE)
        return int(wide)
    for phrase in NEGATORS:
        if tuple(words[here : here + len(phrase)]) == phrase:
            break
    else:
        return 0
    size = len(phrase)
    after = words[here + size] if here + size < len(words) else ""
    if after in IDIOM or after in ("i", "you", "we", "they"):
        return 0
    if word in ("not", "never") and before and before[-1] in MODAL:
        return 0
    denied = any(w in ("nothing", "cannot") or w.endswith("n't") for w in before)
    return 0 if word == "except" and denied else size


def _prefix(text: str, tokens: Sequence[Token], at: int) -> int:
    """2 for "non-" before a word, 1 for a minus before it, as in the fields of search engines; else 0."""
    token = tokens[at]
    if token.word == "non" and at + 1 < len(tokens) and text[token.stop : tokens[at + 1].start] in ("-", " "):
        return 2
    before = text[: token.start]
    return int(before.endswith("-") and (len(before) == 1 or before[-2].isspace()))


def _end(text: str, tokens: Sequence[Token], first: int) -> int:
    """Where the exclusion ends whose words begin at `first`: before the next clause, "but", or exclusion."""
    for at in range(first, len(tokens)):
        if at > first or first:
            gap = text[tokens[at - 1].stop : tokens[at].start]
            if CLAUSE.search(gap):
                return at
        if at > first and (
            tokens[at].word == "but" or _negator(text, tokens, at) or _prefix(text, tokens, at)
        ):
            return at
    return len(tokens)
