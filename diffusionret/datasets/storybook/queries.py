"""Queries as people type them, with what they are true of: keywords, requests, plurals, exclusions, typing errors.

`captions.write` says whole sentences. Here a query says one fact or a few, in words of the word file (its lexicon and
those of training), among words that say nothing, and remembers its truth: a class or a shade allows several values, an
exclusion all but one, what the world lacks none. Three kinds that visitors type are left out on purpose, so that they
can be tested as what training never saw: questions, capitals and punctuation, comparisons of size.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from . import captions, typing_errors, world
from .inflection import plural
from .truth import Truth, allow, fits, slots
from .words import Word, words
from .world import Scene

HELD_OUT_KINDS = ("question", "capitals and punctuation", "size compared")
# How often each kind is written. Those in which something is lacking are true of no clip.
WEIGHTS = {
    "single word": 11, "keywords": 15, "request": 10, "phrase": 13, "plural": 9, "class word": 7, "indefinite": 9,
    "two subjects": 10, "exclusion": 14, "number": 5, "mostly empty words": 7,
    "lacking noun": 5, "lacking colour": 3,
}  # fmt: skip
TYPING_ERRORS = 0.06  # share of all queries that get one
_ATTEMPTS = 200
LEXICON = 0.5  # share of values that are said in the grammar's own words where there are others

_REQUESTS = (
    "show me", "find", "find me", "i want to see", "looking for", "search for", "give me", "i need",
    "let me see", "display", "play", "get me", "please find", "we want", "pull up", "i am after",
)  # fmt: skip
_MEDIA = ("a video of", "a clip of", "a movie of", "footage of", "videos of", "clips with", "a film with", "a gif of")
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
_ANYTHING = ("something", "anything", "a thing", "some thing")
_SOMEONE = (*_ANYTHING, "someone", "somebody", "anyone")
_BOTH = ("{} and {}", "{} with {}", "{} & {}", "{} plus {}", "{} together with {}", "both {} and {}", "{}, {}", "{} {}")
_EITHER = ("{} or {}", "either {} or {}", "{} or maybe {}", "{} or else {}")
_ONE = ("one", "a single", "just one", "only one", "1", "exactly one")
_MORE = ("two", "three", "four", "five", "six", "2", "3", "4", "several", "a dozen", "ten", "a pair of")
_NOT = ("not {}", "but not {}", "never {}", "just not {}", "anywhere but {}", "except {}")
_WITHOUT = ("without {}", "no {}", "but no {}", "with no {}", "minus {}", "excluding {}")


@dataclass(frozen=True)
class Query:
    """What is typed, what it is true of, and of which kind it is."""

    text: str
    truth: Truth
    kind: str


@cache
def _index() -> Mapping[tuple[str, str], Mapping[bool, Sequence[Word]]]:
    """(attribute, value) -> words that ask for it, by whether they are the grammar's own; what is lacked under ""."""
    table: dict[tuple[str, str], dict[bool, list[Word]]] = defaultdict(lambda: {True: [], False: []})
    for split in ("lexicon", "train"):
        for word in words(split=split):
            for name, values in word.facts.items():
                for value in values or ("",):
                    table[name, value][split == "lexicon"].append(word)
    return table


@cache
def _empty_words() -> Sequence[str]:
    return [word.word for word in words(split="train", kind="empty")]


@dataclass
class _Draft:
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
            for own, group in _index()[base, value].items()
        }
        own = bool(groups[True]) and (not groups[False] or self.rng.random() < LEXICON)
        if not groups[own]:
            return None
        word = self.rng.choice(groups[own]) if not own else groups[True][self._plain(len(groups[True]))]
        self.assert_facts(word, name)
        return word

    def _plain(self, count: int) -> int:
        """The first option twice as often as the others: the plain words are the common ones."""
        return max(0, int(self.rng.random() * (count + 1)) - 1)

    def _is_true(self, word: Word, name: str) -> bool:
        role = "other_" if name.startswith("other_") else ""
        return all(self.row.get(role + n if role + n in self.row else n) in values for n, values in word.facts.items())

    def assert_facts(self, word: Word, name: str) -> None:
        role = "other_" if name.startswith("other_") else ""
        for n, values in word.facts.items():
            key = role + n if n in ("subject", "colour") else n
            self.allowed[key] = self.allowed.get(key, values) & values

    @property
    def truth(self) -> Truth:
        return Truth(allow(self.allowed))


def _one_value(word: Word) -> bool:
    return all(len(values) <= 1 for values in word.facts.values())


def _is_class(word: Word) -> bool:
    return "subject" in word.facts and len(word.facts["subject"]) > 1


def _form(word: Word, number: int) -> str:
    return word.forms[number] if number < len(word.forms) else word.word


def _article(rng: random.Random, noun: str) -> str:
    """The noun with an article or, as often in a search box, without."""
    draw = rng.random()
    return noun if draw < 0.4 else captions.with_article(noun) if draw < 0.8 else f"the {noun}"


def _traits(draft: _Draft, role: str = "", share: float = 0.4) -> list[str]:
    """Adjectives: perhaps a size, perhaps a colour, seldom one that says nothing."""
    rng, spoken = draft.rng, []
    if not role and rng.random() < share / 2 and (size := draft.pick("size")):
        spoken.append(size.word)
    if rng.random() < share and (colour := draft.pick(f"{role}colour")):
        spoken.append(colour.word)
    if rng.random() < 0.06 and _empty_words():
        spoken.insert(0, rng.choice(_empty_words()))
    return spoken


def _actor(draft: _Draft, role: str = "", form: str = "singular", share: float = 0.4) -> str | None:
    """An actor in a form: singular, plural, class, anything (no noun at all), one, bare."""
    rng = draft.rng
    if form == "anything":
        base = rng.choice(_SOMEONE if rng.random() < 0.3 else _ANYTHING)
        traits = _traits(draft, role, share)
        return f"{base} {' and '.join(traits)}" if traits else base
    noun = draft.pick(f"{role}subject", _is_class if form == "class" else lambda word: not _is_class(word))
    if noun is None:
        return None
    traits = _traits(draft, role, share)
    is_plural = form == "plural" or (form == "class" and rng.random() < 0.35)
    phrase = " ".join([*traits, _form(noun, 0) if is_plural and noun.forms else plural(noun.word) if is_plural else noun.word])
    if form == "one":
        return f"{rng.choice(_ONE)} {phrase}"
    if form == "bare" or is_plural:
        return phrase
    return _article(rng, phrase)


def _deed(draft: _Draft, actor: str, form: str) -> str | None:
    """The actor and what it does; None where no word says it."""
    rng, is_plural = draft.rng, form == "plural"
    if draft.row.get("relation") is not None:
        relation = draft.pick("relation")
        other = _actor(draft, "other_", "anything" if rng.random() < 0.15 else "bare" if rng.random() < 0.3 else "singular", 0.25)
        if relation is None or other is None:
            return None
        finite, participle = _form(relation, 0), _form(relation, 1)
        way = []
        if draft.row.get("direction") and rng.random() < 0.2:
            direction = str(draft.row["direction"])
            way = [captions.say("direction", direction, rng)[0]]
            draft.allowed["direction"] = frozenset([direction])
        deed = rng.choice((
            [actor, relation.word, other], [actor, "is" if not is_plural else "are", relation.word, other],
            [other, participle, "by", actor], [other, "being", participle, "by", actor],
            [actor, finite if not is_plural else relation.word, other], [actor, "that is", relation.word, other],
        ))  # fmt: skip
        return " ".join(deed + way)
    motion = draft.pick("motion")
    if motion is None:
        return None
    gerund, finite = motion.word, _form(motion, 0)
    if is_plural:
        return rng.choice((f"{actor} {gerund}", f"{actor} that are {gerund}"))
    options = [f"{actor} {gerund}", f"{actor} {gerund}", f"{actor} that {finite}", f"{actor} {finite}", f"{actor} is {gerund}"]
    if form == "bare" and " " not in gerund:
        options.append(f"{gerund} {actor}")
    return rng.choice(options)


def _setting(draft: _Draft, most: int, noun: bool) -> list[str]:
    """Phrases ("on the beach") or nouns of place, time and weather, at most `most`."""
    rng, spoken = draft.rng, []
    for name in rng.sample(world.SETTING, rng.randint(0, most)):
        if word := draft.pick(name):
            spoken.append(word.word if noun else rng.choice(word.forms or (word.word,)))
    return spoken


def _phrase(draft: _Draft, form: str, most: int = 2, counted: bool = False) -> str | None:
    """An actor, perhaps what it does, perhaps where and when. counted: a number comes before the actor."""
    rng = draft.rng
    actor = _actor(draft, form=form)
    if actor is not None and rng.random() < 0.45:
        actor = _deed(draft, actor, form)
    if actor is None:
        return None
    setting = _setting(draft, most, False)
    return " ".join([*setting, actor] if rng.random() < 0.15 and not counted else [actor, *setting])


def _keywords(draft: _Draft) -> str | None:
    """Two to four words in any order."""
    rng, row = draft.rng, draft.row
    names = [n for n in ("subject", "colour", "size", "motion", "place", "time", "weather", "other_subject") if row.get(n)]
    if "relation" in row and row["relation"] and rng.random() < 0.3:
        pair = [draft.pick(n) for n in ("subject", "relation", "other_subject")]
        spoken = [word.word for word in pair if word]
        if len(spoken) < 3:
            return None
        return " ".join(spoken + _setting(draft, 1, True))
    chosen = rng.sample(names, min(len(names), rng.randint(2, 4)))
    chosen.sort(key=lambda n: n == "other_subject")  # a second noun alone would be the first
    if "other_subject" in chosen and "subject" not in chosen:
        chosen.remove("other_subject")
    if "other_subject" in chosen:
        return None  # "two subjects" writes these
    picks = [draft.pick(n, _one_value if rng.random() < 0.8 else lambda word: True) for n in chosen]
    if None in picks or not picks:
        return None
    glue = rng.choice((" ", " ", ", ", ", ", " + ", "; "))
    return glue.join(word.word for word in picks if word)


def _single(draft: _Draft) -> str | None:
    name = draft.rng.choice(("subject", "subject", "colour", "place", "time", "weather", "motion", "motion", "size"))
    word = draft.pick(name)
    if word is None:
        return None
    return word.word if draft.rng.random() < 0.8 or name in ("subject", "colour", "size") else _form(word, 0)


def _two(scene: Scene, rng: random.Random) -> Query | None:
    """Two actors of one clip, or one of two that may be there."""
    rows = slots(scene)
    if len(rows) == 2 and rng.random() < 0.65:
        if rng.random() < 0.5:
            rows.reverse()
        drafts = [_Draft(rng, {k: v for k, v in row.items() if k in ("subject", "colour", *world.SETTING)}) for row in rows]
        spoken = [_actor(draft, form=rng.choice(("singular", "singular", "bare"))) for draft in drafts]
        if None in spoken:
            return None
        setting = _setting(drafts[0], 1, False)
        text = " ".join([rng.choice(_BOTH).format(*spoken), *setting])
        return Query(text, Truth(allow(drafts[0].allowed), allow(drafts[1].allowed)), "two subjects")
    row = rng.choice(rows)
    other = rng.choice([s for s in world.SUBJECTS if s != row["subject"]])
    draft, second = _Draft(rng, row), _Draft(rng, {"subject": other})
    noun = draft.pick("subject", lambda word: _one_value(word) and len(word.facts) == 1)
    either = second.pick("subject", lambda word: _one_value(word) and len(word.facts) == 1)
    if noun is None or either is None:
        return None
    draft.allowed["subject"] |= second.allowed["subject"]
    spoken = [noun.word, either.word]
    rng.shuffle(spoken)
    if rng.random() < 0.5:
        spoken = [captions.with_article(s) for s in spoken]
    text = " ".join([rng.choice(_EITHER).format(*spoken), *_setting(draft, 1, False)])
    return Query(text, draft.truth, "two subjects")


def _exclusion(scene: Scene, rng: random.Random) -> Query | None:
    """What is there, and what is not."""
    rows = slots(scene)
    draft = _Draft(rng, rows[0] if rng.random() < 0.7 else rows[-1])
    name = rng.choice(("place", "place", "time", "weather", "colour", "subject"))
    taken = {row.get(name) for row in rows}
    values = dict(place=world.PLACES, time=world.TIMES, weather=("rain", "snow"), colour=world.COLOURS, subject=world.SUBJECTS)
    options = [v for v in values[name] if v not in taken]
    if not options:
        return None
    missing = _Draft(rng, {name: rng.choice(options)})
    word = missing.pick(name, lambda word: _one_value(word) and len(word.facts) == 1)
    if word is None:
        return None
    if name == "subject":
        form = "anything" if rng.random() < 0.4 else "singular"
        text = _phrase(draft, form, 2) if form != "anything" or rng.random() < 0.5 else " ".join(_setting(draft, 2, True))
        if not text:
            return None
        return Query(
            f"{text} {rng.choice(_WITHOUT).format(_article(rng, word.word))}",
            Truth(allow(draft.allowed), without=allow(missing.allowed)), "exclusion",
        )  # fmt: skip
    left = frozenset(values[name] if name != "weather" else world.WEATHERS) - missing.allowed[name]
    if name == "colour":
        noun = draft.pick("subject", lambda w: _one_value(w) and len(w.facts) == 1)
        if noun is None:
            return None
        a = _article(rng, noun.word)
        text = rng.choice((f"{a} that is not {word.word}", f"{a}, not {word.word}", f"not {captions.with_article(word.word)} {noun.word}",
                           f"{a} of any colour but {word.word}", f"{noun.word} not {word.word}"))  # fmt: skip
    else:
        draft.row = {k: v for k, v in draft.row.items() if k != name}
        body = _phrase(draft, rng.choice(("singular", "bare", "anything")), 1)
        if body is None:
            return None
        form, spoken = (_NOT, _form(word, 0)) if rng.random() < 0.5 else (_WITHOUT, word.word)
        text = f"{body} {rng.choice(form).format(spoken)}"
    draft.allowed[name] = draft.allowed.get(name, left) & left
    return Query(text, draft.truth, "exclusion")


def _lacking(draft: _Draft, name: str) -> str | None:
    """A noun or a colour that the world lacks, among facts of the clip."""
    rng = draft.rng
    options = _index()[name, ""][False]
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
        phrase = " ".join([*_traits(draft), word.word])
    form = rng.random()
    actor = plural(phrase) if form < 0.2 else _article(rng, phrase)
    if rng.random() < 0.3:
        actor = _deed(draft, actor, "plural" if form < 0.2 else "singular") or actor
    return " ".join([actor, *_setting(draft, 2, rng.random() < 0.4)])


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
    draft = _Draft(rng, rows[0] if rng.random() < 0.7 else rows[-1])
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
    elif kind == "number":
        text = _number(draft)
    elif kind == "mostly empty words":
        text = _phrase(draft, rng.choice(("singular", "singular", "anything")), 1)
        if text is not None:
            text = _chatter(text, rng)
    else:
        text = _lacking(draft, "colour" if kind == "lacking colour" else "subject")
    return None if text is None else Query(text, draft.truth, kind)


def _number(draft: _Draft) -> str | None:
    """One of something, which is as if nothing were said of number, or more, which no clip shows."""
    rng = draft.rng
    if rng.random() < 0.6:
        return _phrase(draft, "one", 1)
    actor = _phrase(draft, "plural", 1, counted=True)
    draft.allowed["subject"] = frozenset()
    return None if actor is None else f"{rng.choice(_MORE)} {actor}"


def _chatter(text: str, rng: random.Random) -> str:
    """The text among words that say nothing."""
    filler = _empty_words()
    front = [rng.choice(_CHATTY)] + ([rng.choice(filler)] if filler and rng.random() < 0.5 else [])
    rng.shuffle(front)
    back = [rng.choice(_AFTER)] if rng.random() < 0.6 else []
    return " ".join([*front, text, *back])
