"""Phrases of a query: the part of a chatty text that says something, and the actors that it names."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from .composition import CLAUSE
from .datasets.storybook.words import Word
from .lexicon import NEGATIONS, WITHIN, Lexicon, Term
from .query import Token, tokens_of, words

LEAST_SILENT = 5  # words around what a text says, from which on it is chatter
# What belongs to a phrase although it says nothing itself.
JOINTS = words(
    "a after all along among an and another any anyone anything are around as at away back behind big both by down "
    "either from in inside into is it it's its itself like more most near no of off on one onto or out over past plus "
    "round some somebody someone something still than that that's the three through to together two under up was well "
    "were what where which while who with"
)
INDEFINITE = words("something someone somebody anything anyone anybody thing")
LOOSE = words("and are is it its like of or still that was well were where while with")  # before a phrase
ARTICLES = words("a an another some any one")
# Words by which somebody speaks of himself or to somebody.
SPEAKING = words(
    "i i'm i'd i've i'll im me my mine myself you you'd you've you're your yours we we're we'd we've us our ours let's "
    "um uh er hi hello hey dear ok okay please pls thanks thank dude mate sorry honestly basically"
)
# Who wants to see is not what is to be seen.
ASKING = words(
    "want wants wanted love loves like likes need needs keep keeps ask asks asked wish wishes say says said told won't "
    "wouldn't can't don't doesn't didn't"
)
OWNERS = words("my our")
BEING = words("is are am was were")
ASKERS = words(
    "kid kids child children son sons daughter daughters baby toddler boy boys girl girls wife husband mom mum mother "
    "dad father boss friend friends teacher students class niece nephew grandma grandpa grandson granddaughter sister "
    "brother family everyone everybody"
)
LIKING = words("want wants wanted love loves like likes need needs")
TO_SEE = words("us me to see watch look at find")


class Place(NamedTuple):
    """A term of a text, its row of the word file, and the words that it takes: tokens[first:stop]."""

    term: Term
    row: Word | None
    first: int
    stop: int


def places(lexicon: Lexicon, tokens: list[Token]) -> list[Place]:
    """The terms of a text, in order."""
    found, at = [], 0
    for term in lexicon.parse([token.word for token in tokens]):
        stop = at + len(term.word.split())
        row = None if term.kind == "unknown" else lexicon.row(term.word)  # in this place it is another word
        found.append(Place(term, row, at, stop))
        at = stop
    return found


def core(lexicon: Lexicon, text: str, meant: Collection[str] = ()) -> str:
    """What a chatty text says: "um, i think it had a red dog on the beach, thanks ever so much" is "a red dog on the
    beach". A text with fewer than LEAST_SILENT other words, or in which nobody speaks, comes back as it is: "quarterly
    revenue grew by four percent" is no chatter about something that grew. meant: words that nobody knows and that
    may be typing errors."""
    text = _without_asker(lexicon, text)
    tokens = tokens_of(text)
    if not any(word.replace("’", "'") in SPEAKING for word, *_ in tokens):
        return text
    listed = places(lexicon, tokens)
    # Words that say nothing of what is to be seen, as "lovely", may stand in a phrase.
    silent = {
        i
        for place in listed
        if place.term.word in WITHIN or (place.row is not None and place.row.kind == "empty")
        for i in range(place.first, place.stop)
    }
    spans: list[list[int]] = []
    for place in _content(listed, meant):
        first = place.first
        least = spans[-1][1] if spans else 0
        while (
            first > least
            and (tokens[first - 1].word in JOINTS or first - 1 in silent)
            and not _apart(text, tokens, first)
        ):
            first -= 1
        if spans and first <= least and not (first and _apart(text, tokens, first)):
            spans[-1][1] = place.stop
        else:
            spans.append([first, place.stop])
    for span in spans:
        while span[0] < span[1] - 1 and (tokens[span[0]].word in LOOSE or span[0] in silent):
            span[0] += 1
    said = sum(stop - first for first, stop in spans)
    if not said or len(tokens) - said < LEAST_SILENT:
        return text
    return ", ".join(text[tokens[first].start : tokens[stop - 1].stop] for first, stop in spans)


def members(lexicon: Lexicon, text: str) -> tuple[str, ...]:
    """What must be in one clip by a text that names two things or more, else (): its actors, each with its colour and
    size, and what one does to another. A text that says "not" or "or" does not say what must be there."""
    tokens = tokens_of(text)
    if any(word in NEGATIONS or word.replace("’", "'").endswith("n't") for word, *_ in tokens):
        return ()
    found: list[str] = []
    phrase: list[str] = []
    deeds: list[str] = []
    for term, row, *_ in places(lexicon, tokens):
        facts = row.facts if row is not None and row.kind == "says" else {}
        if term.word in ("or", "either"):
            return ()  # one of them is enough
        if "subject" in facts:
            found.append(" ".join([*phrase, term.word]))
            phrase = []
        elif term.word in INDEFINITE:
            phrase = [term.word]
        elif facts.keys() & {"colour", "size"}:
            phrase.append(term.word)
            if phrase[0] in INDEFINITE:
                found.append(" ".join(phrase))
                phrase = []
        else:
            phrase = []
            if row is not None and "relation" in facts and (deed := lexicon.meaning(row)):
                deeds.append(f"something {deed} something")
    found += deeds[:1]
    return tuple(dict.fromkeys(found)) if len(found) > 1 else ()


def without_traits(lexicon: Lexicon, text: str) -> tuple[str, list[str]]:
    """A text without its colours and sizes, and these: of an article, traits and one noun; else the text and []."""
    kept, traits, nouns = [], [], 0
    for term, row, *_ in places(lexicon, tokens_of(text)):
        facts = row.facts.keys() if row is not None else set()
        if row is not None and row.kind != "empty" and facts and not facts - {"colour", "size"}:
            traits.append(term.word)
            continue
        nouns += "subject" in facts
        kept.append(term.word)
        if "subject" not in facts and term.word not in ARTICLES | {"the"}:
            return text, []
    return (" ".join(kept), traits) if nouns == 1 else (text, [])


def _without_asker(lexicon: Lexicon, text: str) -> str:
    """What somebody wants, where a text begins with who wants it: "my kids want a dog" is "a dog"."""
    tokens = tokens_of(text)
    said = [token.word for token in tokens]
    first = 1 if said and said[0] in OWNERS else 0  # "the boy wants a dog" is a scene
    if len(said) < first + 3 or said[first] not in ASKERS or said[first + 1] not in LIKING:
        return text
    at = first + 2
    while at < len(said) - 1 and said[at] in TO_SEE:
        at += 1
    rest = text[tokens[at].start :]
    says = any(term.kind in ("says", "lacks") for term in lexicon.parse(said[at:]))
    return rest if says else text


def _content(listed: Sequence[Place], meant: Collection[str]) -> list[Place]:
    """The terms that are what is to be seen: those that say or lack something, and unknown ones beside them."""
    found: list[Place] = []
    for number, place in enumerate(listed):
        kind = place.term.kind
        before = listed[number - 1].term if number else None
        after = listed[number + 1].term if number + 1 < len(listed) else None
        if kind == "lacks" and after is not None and after.word.replace("’", "'") in ASKING:
            continue
        if kind == "lacks" and place.term.attribute in ("place", "motion") and _is_aside(listed[:number]):
            continue
        if kind == "says" and before is not None and before.word.replace("’", "'").endswith("n't"):
            continue  # "they won't stop": what is not done
        joined = bool(found and found[-1].term is before)
        named = joined or (before is not None and before.word in ARTICLES)
        part = joined and place.term.word in WITHIN  # "clear weather"
        if part or kind in ("says", "lacks") or (kind == "unknown" and (named or place.term.word in meant)):
            found.append(place)
    return found


def _is_aside(before: Sequence[Place]) -> bool:
    """Whether what follows is of whoever asks: "for my classroom", "my daughter is crying"."""
    said = [place.term.word for place in before]
    while said and said[-1] in ARTICLES | {"the"}:
        said.pop()
    if said and said[-1] in OWNERS | SPEAKING | {"for"}:
        return True
    return len(said) > 1 and said[-1] in BEING and said[-2] in ASKERS | SPEAKING


def _apart(text: str, tokens: list[Token], first: int) -> bool:
    """Whether a clause ends before tokens[first]."""
    return CLAUSE.search(text[tokens[first - 1].stop : tokens[first].start]) is not None
