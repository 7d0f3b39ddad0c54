"""Queries as people type them, with what they are true of: keywords, requests, plurals, exclusions, typing errors.

`captions.write` says whole sentences. Here a query says one fact or a few, in words of the word file (its lexicon and
those of training), among words that say nothing, and remembers its truth: a class or a shade allows several values, an
exclusion all but one, what the world lacks none. Three kinds that visitors type are left out on purpose, so that they
can be tested as what training never saw: questions, capitals and punctuation, comparisons of size.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from . import captions, typing_errors, world
from .drafts import (
    Draft,
    actor,
    coloured,
    deed,
    empty_words,
    form_of,
    has_one_value,
    index,
    setting,
    traits,
    with_some_article,
)
from .inflection import plural
from .truth import Truth, allow, fits, slots
from .world import Scene

HELD_OUT_KINDS = ("question", "capitals and punctuation", "size compared")
# How often each kind is written. Those in which something is lacking are true of no clip.
WEIGHTS = {
    "single word": 12, "keywords": 16, "request": 12, "phrase": 14, "plural": 11, "class word": 8, "indefinite": 14,
    "two subjects": 14, "coloured noun": 24, "exclusion": 16, "number": 5, "mostly empty words": 11,
    "lacking noun": 5, "lacking colour": 3,
}  # fmt: skip
TYPING_ERRORS = 0.12  # share of all queries that get one
_ATTEMPTS = 200

_REQUESTS = (
    "show me", "find", "find me", "i want to see", "looking for", "search for", "give me", "i need",
    "let me see", "display", "play", "get me", "please find", "we want", "pull up", "i am after",
)  # fmt: skip
_MEDIA = (
    "a video of",
    "a clip of",
    "a movie of",
    "footage of",
    "videos of",
    "clips with",
    "a film with",
    "a gif of",
)
_ENDS = ("please", "video", "clip", "footage", "thanks", "movie", "animation", "cartoon", "in it", "for kids")
_CHATTY = (
    "i am trying to find", "my son wants", "we once saw", "there must be", "it would be great to get",
    "i remember", "someone told me about", "for my homework i need", "all i know is", "it had", "there was",
    "i think it showed", "last time there was", "my boss asked for",
)  # fmt: skip
_AFTER = (
    "if you have it", "or so", "as far as i know", "that would be great", "for my talk", "i guess", "if possible",
    "like before", "that is all", "for a friend", "and so on", "when you have time",
)  # fmt: skip
_BOTH = (
    "{} and {}",
    "{} with {}",
    "{} & {}",
    "{} plus {}",
    "{} together with {}",
    "both {} and {}",
    "{}, {}",
    "{} {}",
)
_EITHER = ("{} or {}", "either {} or {}", "{} or maybe {}", "{} or else {}")
_MORE = ("two", "three", "four", "five", "six", "2", "3", "4", "several", "a dozen", "ten", "a pair of")
_NOT = ("not {}", "but not {}", "never {}", "just not {}", "anywhere but {}", "except {}")
_WITHOUT = ("without {}", "no {}", "but no {}", "with no {}", "minus {}", "excluding {}")


@dataclass(frozen=True)
class Query:
    """What is typed, what it is true of, and of which kind it is."""

    text: str
    truth: Truth
    kind: str


def _phrase(draft: Draft, form: str, most: int = 2, counted: bool = False) -> str | None:
    """An actor, perhaps what it does, perhaps where and when. counted: a number comes before the actor."""
    rng = draft.rng
    who = actor(draft, form=form)
    if who is not None and rng.random() < 0.45:
        who = deed(draft, who, form)
    if who is None:
        return None
    where = setting(draft, most, False)
    return " ".join([*where, who] if rng.random() < 0.15 and not counted else [who, *where])


def _keywords(draft: Draft) -> str | None:
    """Two to four words in any order."""
    rng, row = draft.rng, draft.row
    names = [
        n
        for n in ("subject", "colour", "size", "motion", "place", "time", "weather", "other_subject")
        if row.get(n)
    ]
    if "relation" in row and row["relation"] and rng.random() < 0.3:
        pair = [draft.pick(n) for n in ("subject", "relation", "other_subject")]
        spoken = [word.word for word in pair if word]
        if len(spoken) < 3:
            return None
        return " ".join(spoken + setting(draft, 1, True))
    chosen = rng.sample(names, min(len(names), rng.randint(2, 4)))
    chosen.sort(key=lambda n: n == "other_subject")  # a second noun alone would be the first
    if "other_subject" in chosen and "subject" not in chosen:
        chosen.remove("other_subject")
    if "other_subject" in chosen:
        return None  # "two subjects" writes these
    picks = [draft.pick(n, has_one_value if rng.random() < 0.8 else lambda word: True) for n in chosen]
    if None in picks or not picks:
        return None
    glue = rng.choice((" ", " ", ", ", ", ", " + ", "; "))
    return glue.join(word.word for word in picks if word)


def _single(draft: Draft) -> str | None:
    name = draft.rng.choice(
        ("subject", "subject", "colour", "place", "time", "weather", "motion", "motion", "size")
    )
    word = draft.pick(name)
    if word is None:
        return None
    return (
        word.word if draft.rng.random() < 0.8 or name in ("subject", "colour", "size") else form_of(word, 0)
    )


def _two(scene: Scene, rng: random.Random) -> Query | None:
    """Two actors of one clip, or one of two that may be there."""
    rows = slots(scene)
    if len(rows) == 2 and rng.random() < 0.65:
        if rng.random() < 0.5:
            rows.reverse()
        drafts = [
            Draft(rng, {k: v for k, v in row.items() if k in ("subject", "colour", *world.SETTING)})
            for row in rows
        ]
        spoken = [actor(draft, form=rng.choice(("singular", "singular", "bare"))) for draft in drafts]
        if None in spoken:
            return None
        text = " ".join([rng.choice(_BOTH).format(*spoken), *setting(drafts[0], 1, False)])
        return Query(text, Truth(allow(drafts[0].allowed), allow(drafts[1].allowed)), "two subjects")
    row = rng.choice(rows)
    other = rng.choice([s for s in world.SUBJECTS if s != row["subject"]])
    draft, second = Draft(rng, row), Draft(rng, {"subject": other})
    noun = draft.pick("subject", lambda word: has_one_value(word) and len(word.facts) == 1)
    either = second.pick("subject", lambda word: has_one_value(word) and len(word.facts) == 1)
    if noun is None or either is None:
        return None
    draft.allowed["subject"] |= second.allowed["subject"]
    spoken = [noun.word, either.word]
    rng.shuffle(spoken)
    if rng.random() < 0.5:
        spoken = [captions.with_article(s) for s in spoken]
    text = " ".join([rng.choice(_EITHER).format(*spoken), *setting(draft, 1, False)])
    return Query(text, draft.truth, "two subjects")


def _exclusion(scene: Scene, rng: random.Random) -> Query | None:
    """What is there, and what is not."""
    rows = slots(scene)
    draft = Draft(rng, rows[0] if rng.random() < 0.7 else rows[-1])
    name = rng.choice(("place", "place", "time", "weather", "colour", "subject"))
    taken = {row.get(name) for row in rows}
    # Nobody says "no clear weather".
    options = [v for v in world.values(name) if v not in taken and v != "clear"]
    if not options:
        return None
    missing = Draft(rng, {name: rng.choice(options)})
    word = missing.pick(name, lambda word: has_one_value(word) and len(word.facts) == 1)
    if word is None:
        return None
    if name == "subject":
        form = "anything" if rng.random() < 0.4 else "singular"
        text = (
            _phrase(draft, form, 2)
            if form != "anything" or rng.random() < 0.5
            else " ".join(setting(draft, 2, True))
        )
        if not text:
            return None
        return Query(
            f"{text} {rng.choice(_WITHOUT).format(with_some_article(rng, word.word))}",
            Truth(allow(draft.allowed), without=allow(missing.allowed)), "exclusion",
        )  # fmt: skip
    left = frozenset(world.values(name)) - missing.allowed[name]
    if name == "colour":
        noun = draft.pick("subject", lambda w: has_one_value(w) and len(w.facts) == 1)
        if noun is None:
            return None
        a = with_some_article(rng, noun.word)
        no = word.word
        text = rng.choice((
            f"{a} that is not {no}", f"{a}, not {no}", f"not {captions.with_article(no)} {noun.word}",
            f"{a} of any colour but {no}", f"{noun.word} not {no}",
        ))  # fmt: skip
    else:
        draft.row = {k: v for k, v in draft.row.items() if k != name}
        body = _phrase(draft, rng.choice(("singular", "bare", "anything")), 1)
        if body is None:
            return None
        form, spoken = (_NOT, form_of(word, 0)) if rng.random() < 0.5 else (_WITHOUT, word.word)
        text = f"{body} {rng.choice(form).format(spoken)}"
    draft.allowed[name] = draft.allowed.get(name, left) & left
    return Query(text, draft.truth, "exclusion")


def _lacking(draft: Draft, name: str) -> str | None:
    """A noun or a colour that the world lacks, among facts of the clip."""
    rng = draft.rng
    options = index()[name, ""][False]
    if not options:
        return None
    word = rng.choice(options)
    draft.allowed[name] = frozenset()
    if name == "colour":
        noun = draft.pick("subject", lambda w: "colour" not in w.facts)
        if noun is None:
            return None
        phrase = f"{word.word} {noun.word}"
    else:
        draft.row = {k: v for k, v in draft.row.items() if k != "subject"}
        phrase = " ".join([*traits(draft), word.word])
    form = rng.random()
    who = plural(phrase) if form < 0.2 else with_some_article(rng, phrase)
    if rng.random() < 0.3:
        who = deed(draft, who, "plural" if form < 0.2 else "singular") or who
    return " ".join([who, *setting(draft, 2, rng.random() < 0.4)])


def write(scene: Scene, rng: random.Random, kind: str | None = None) -> Query:
    """A query whose clip is the scene, or that is true of no clip where it asks for what the world lacks.

    kind: one of WEIGHTS, drawn by them when None. Raises ValueError where the scene has no query of a kind, as an
    umbrella belongs to no class.
    """
    for _ in range(_ATTEMPTS):
        chosen = kind or rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        query = _write(scene, rng, chosen)
        if query is None or query.truth.is_empty or not query.text.strip():
            continue
        if not chosen.startswith("lacking") and chosen != "number" and not fits(query, scene):
            continue
        if rng.random() < TYPING_ERRORS and (text := typing_errors.mistype(query.text, rng)):
            return Query(text, query.truth, "typing error")
        return query
    raise ValueError(f"No query of the kind {kind!r} can be written of {scene.meaning}.")


def _write(scene: Scene, rng: random.Random, kind: str) -> Query | None:
    if kind == "two subjects":
        return _two(scene, rng)
    if kind == "exclusion":
        return _exclusion(scene, rng)
    rows = slots(scene)
    draft = Draft(rng, rows[0] if rng.random() < 0.7 else rows[-1])
    if kind == "single word":
        text = _single(draft)
    elif kind == "keywords":
        text = _keywords(draft)
    elif kind == "phrase":
        text = _phrase(draft, rng.choice(("singular", "singular", "bare")), 3)
    elif kind == "request":
        text = _phrase(draft, rng.choice(("singular", "singular", "bare", "plural")))
        if text is not None:
            front = rng.choice(_REQUESTS) if rng.random() < 0.7 else ""
            media = rng.choice(_MEDIA) if rng.random() < 0.4 or not front else ""
            end = rng.choice(_ENDS) if rng.random() < 0.3 else ""
            text = " ".join(part for part in (front, media, text, end) if part)
    elif kind == "plural":
        text = _phrase(draft, "plural")
    elif kind == "class word":
        text = _phrase(draft, "class")
    elif kind == "indefinite":
        text = _phrase(draft, "anything")
    elif kind == "coloured noun":
        text = coloured(draft)
    elif kind == "number":
        text = _number(draft)
    elif kind == "mostly empty words":
        text = _phrase(draft, rng.choice(("singular", "singular", "anything")), 1)
        if text is not None:
            text = _chatter(text, rng)
    else:
        text = _lacking(draft, "colour" if kind == "lacking colour" else "subject")
    return None if text is None else Query(text, draft.truth, kind)


def _number(draft: Draft) -> str | None:
    """One of something, which is as if nothing were said of number, or more, which no clip shows."""
    rng = draft.rng
    if rng.random() < 0.6:
        return _phrase(draft, "one", 1)
    who = _phrase(draft, "plural", 1, counted=True)
    draft.allowed["subject"] = frozenset()
    return None if who is None else f"{rng.choice(_MORE)} {who}"


def _chatter(text: str, rng: random.Random) -> str:
    """The text among words that say nothing."""
    filler = empty_words()
    front = [rng.choice(_CHATTY)] + ([rng.choice(filler)] if filler and rng.random() < 0.5 else [])
    rng.shuffle(front)
    back = [rng.choice(_AFTER)] if rng.random() < 0.6 else []
    return " ".join([*front, text, *back])
