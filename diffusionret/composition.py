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

MOST_PARTS = 6  # of one query; each is searched for by itself
LEAST_WEIGHT, MOST_WEIGHT = 0.01, 4.0
WEIGHTED = re.compile(
    r"(?:^|(?<=[\s,;(]))(?:and\s+)?(more|less)\s*(\d+(?:\.\d+)?|\.\d+)?\s*[:：](?!\d)\s*"
    r"((?:(?!\s(?:and\s+)?(?:more|less)\s*[\d.]*\s*[:：])[^,;:：()])*)\)?",
    re.IGNORECASE,
)
SIGN = re.compile(r"\b((?:more|less)\s*[\d.]*)\s*[:：]", re.IGNORECASE)
CLAUSE = re.compile(r"""[,;.!?:()\[\]{}\n"“”–—/]|\s--?\s""")  # what no exclusion reaches across
# What begins an exclusion, the longest first.
NEGATORS = sorted(
    (
        tuple(phrase.split())
        for phrase in (
            "but not", "but no", "but without", "and not", "and no", "and without", "just not", "with no",
            "with neither", "neither", "nor", "other than", "apart from", "aside from", "rather than", "instead of",
            "except for", "except", "excluding", "without", "sans", "minus", "not", "no", "none of", "zero", "never",
            "barring",
            "bar the", "leave out", "leaving out", "leave away", "avoiding", "ignore", "ignoring", "skip", "free of",
            "i hate", "i dislike", "hates", "dislikes",
        )
    ),
    key=len,
    reverse=True,
)  # fmt: skip
WIDE = words("all any anyone anything anywhere every everyone everything everywhere whatever")  # ... but
BE = words("isn't aren't wasn't weren't ain't isnt arent wasnt werent aint")
DO = words("don't doesn't didn't dont doesnt didnt")
MUST = words("shouldn't mustn't can't shouldnt mustnt cant")  # ... be
BEGINNINGS = BE | DO | MUST | {"but"} | {first for first, *_ in NEGATORS}
# After "not" and the like they make an idiom that rules nothing out.
IDIOM = words(
    "sure certain really exactly quite only just merely simply necessarily that much many bad idea problem matter mind "
    "doubt fail one worries clue longer wonder long later sooner too least way time fewer less more far until big "
    "kidding offence offense hurry wait so very"
)
PRONOUNS = words("i you we they he she it there this these those")
MODAL = words("can could will would should may might must shall why")
WANTING = words("want need like give show include contain have has having be being get find see")
FILLING = words("me us any of to in it")  # between a verb of wanting and what is wanted
# What an exclusion ends before.
BOUNDARY = words("but which who that where while when because if only just then it's")
# What is left hanging where an exclusion was taken out, and what hangs at the end of one.
HANGING = words(
    "but and or just that which who is are was were be do does did i we you please that's which's who's it's any it "
    "there should must may shall can if of in where while also"
)
POLITE = words("please thanks thank thx pls")
TONES = words("colour color colours colors kind kinds sort sorts")


class Part(NamedTuple):
    """A text and how much of it is wanted: more where the weight is above 0, less below. LEAST_WEIGHT <= |weight| <=
    MOST_WEIGHT."""

    text: str
    weight: float

    def __str__(self) -> str:
        size = "" if abs(self.weight) == 1 else f" {abs(self.weight):.6g}"
        return f"{'more' if self.weight > 0 else 'less'}{size}: {self.text}"


@dataclass(frozen=True)
class Composition:
    """text: what should be there, "" where a query says only what should not. parts: more and less of this."""

    text: str
    parts: tuple[Part, ...] = ()

    def __str__(self) -> str:
        """As a query that `compose` reads back."""
        return ", ".join(filter(None, [self.text, *(str(part) for part in self.parts)]))


def compose(
    text: str,
    says: Callable[[str], bool],
    exact: bool = False,
    trait: Callable[[str], bool] = lambda word: False,
) -> Composition:
    """The composition of a query, of at most MOST_PARTS parts; what goes beyond is left out unsaid.

    says: whether a text holds words that say something. exact: whether only "more:" and "less:" count, and "not" and
    the like are left to the model. trait: whether a word is a colour or the like, which "not" rules out alone: "a dog
    that isn't red on the beach" is on the beach. Weights are brought between LEAST_WEIGHT and MOST_WEIGHT.
    """
    parts: list[Part] = []
    pieces: list[str] = []
    last = 0
    for found in WEIGHTED.finditer(text):
        part, weight = found[3].strip(), min(float(found[2] or 1), MOST_WEIGHT)
        if weight < LEAST_WEIGHT or not says(part):
            continue
        parts.append(Part(part, weight if found[1].lower() == "more" else -weight))
        pieces.append(text[last : found.start()])
        last = found.end()
    base = " ".join("".join([*pieces, text[last:]]).split()).strip(" ,;(") if parts else text
    kept, last = [], 0
    for start, stop, part in () if exact else exclusions(base, trait):
        if says(part):
            kept.append(base[last:start])
            parts.append(Part(part, -1.0))
            last = stop
    base = tidy([*kept, base[last:]]) if kept else base
    wanted = next((part for part in parts if part.weight > 0), None)
    if wanted is not None and not says(base):
        base = wanted.text
        parts.remove(wanted)
    if parts:  # what is left is text, whatever it looks like
        while SIGN.search(base):  # "more:0:" is "more 0:" next
            base = SIGN.sub(r"\1 ", base)
        base = " ".join(base.split())
    return Composition(base, tuple(parts[:MOST_PARTS]))


def exclusions(text: str, trait: Callable[[str], bool] = lambda word: False) -> list[tuple[int, int, str]]:
    """(start, stop, what is ruled out there) of every exclusion in a text, in order; text[start:stop] is to go.

    trait: as for `compose`.
    """
    tokens = _plain(text)
    found, at = [], 0
    while at < len(tokens):
        length = _negator(text, tokens, at)
        single = _prefix(text, tokens, at)
        if single or length:
            first = at + (length or single - 1)
            stop = first + 1 if single else _end(text, tokens, first, trait)
            while first < stop and tokens[first].word in FILLING | WANTING:
                first += 1
            end = stop
            while end > first and tokens[end - 1].word in POLITE:
                end -= 1
            if first < end and not _negator(text, tokens, first):
                begin = tokens[at].start - (1 if single == 1 else 0)
                found.append((begin, tokens[stop - 1].stop, text[tokens[first].start : tokens[end - 1].stop]))
                at = stop
                continue
        at += max(length, 1)
    return found


def tidy(pieces: Sequence[str]) -> str:
    """What is left of a text, without what hangs loose at the seams."""
    left = ""
    for number, piece in enumerate(pieces):
        tokens = _plain(piece)
        first, last = 0, len(tokens)
        while last > first and number < len(pieces) - 1 and tokens[last - 1].word in HANGING | TONES:
            last -= 1
        while first < last and number and tokens[first].word in ("and", "or", "but", "ones", "one"):
            first += 1
        if first >= last:
            continue
        end = len(piece) if last == len(tokens) else tokens[last - 1].stop
        some = piece[tokens[first].start if number else 0 : end].strip(" ,;:-–—()[]{}/")
        # Within a phrase, as in "a non-red dog", nothing parts the words.
        seam = " " if left.split()[-1:] in (["a"], ["an"], ["the"]) else ", "
        left = f"{left}{seam}{some}" if left else some
    return left


def _plain(text: str) -> list[Token]:
    """The words of a text, with plain apostrophes."""
    return [token._replace(word=token.word.replace("’", "'")) for token in tokens_of(text)]


def _negator(text: str, tokens: Sequence[Token], at: int) -> int:
    """How many words from here on begin an exclusion, 0 where none does."""
    if tokens[at].word not in BEGINNINGS:
        return 0
    listed = [token.word for token in tokens[max(at - 6, 0) : at + 4]]
    here = at - max(at - 6, 0)
    before, word, after = listed[:here], listed[here], listed[here + 1] if here + 1 < len(listed) else ""
    if _quoted(text, tokens[at].start):
        return 0
    if word in BE:
        return int(at > 0 and after not in PRONOUNS)
    if word in DO:
        return int(after in WANTING)
    if word in MUST:
        return int(after == "be")
    if word == "but" and before and after not in ("not", "no", "without"):
        wide = before[-1] in WIDE or (len(before) > 1 and before[-2] in WIDE)
        return int(wide)
    for phrase in NEGATORS:
        if tuple(listed[here : here + len(phrase)]) == phrase:
            break
    else:
        return 0
    size = len(phrase)
    after = listed[here + size] if here + size < len(listed) else ""
    if after in IDIOM or after in ("i", "you", "we", "they"):
        return 0
    if word in ("not", "never") and before and before[-1] in MODAL and after != "be":
        return 0
    if word == "no" and at and text[tokens[at].start - 1] in "/-":
        return 0
    denied = any(w in ("nothing", "cannot") or w.endswith("n't") for w in before)
    return 0 if word == "except" and denied else size


def _quoted(text: str, start: int) -> bool:
    """Whether a place lies inside quotation marks."""
    return text.count('"', 0, start) % 2 == 1 or text.rfind("“", 0, start) > text.rfind("”", 0, start)


def _prefix(text: str, tokens: Sequence[Token], at: int) -> int:
    """2 for "non-" before a word, 1 for a minus or "!" before it, as in the fields of search engines; else 0."""
    token = tokens[at]
    if token.word == "non" and at + 1 < len(tokens) and text[token.stop : tokens[at + 1].start] in ("-", " "):
        return 2
    before = text[: token.start]
    return int(before.endswith(("-", "!")) and (len(before) == 1 or before[-2].isspace()))


def _end(text: str, tokens: Sequence[Token], first: int, trait: Callable[[str], bool]) -> int:
    """Where the exclusion ends whose words begin at `first`: before the next clause, or exclusion; of bare traits,
    after these."""
    bare = first < len(tokens) and trait(tokens[first].word)
    for at in range(first, len(tokens)):
        if first and CLAUSE.search(text[tokens[at - 1].stop : tokens[at].start]):
            return at
        if at == first:
            continue
        word, after = tokens[at].word, tokens[at + 1].word if at + 1 < len(tokens) else ""
        if word in BOUNDARY or _negator(text, tokens, at) or _prefix(text, tokens, at):
            return at
        if word == "and" and after in ("with", "in", "on", "at", "a", "an", "the") and not bare:
            return at
        if bare and word in ("or", "and", "nor") and trait(after):
            continue
        if bare and not trait(word) and tokens[at - 1].word not in ("or", "and"):
            return at
    return len(tokens)
