"""What was read of a query's words, and all that is said of it. The one owner of these sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .composition import Composition, Part, compose, exclusions
from .datasets.storybook.dictionary import english
from .lexicon import FUNCTION, Lexicon, Term
from .model import DiffusionRet
from .phrases import core, members, without_traits
from .placement import Placement
from .query import tokens_of, words, words_of
from .spelling import Suggestion

UNREADABLE = "I can read none of these words."
ADVICE = "Describe in other words, in English, what should be seen: who, in which colour, where, doing what."
ONLY_LESS = "Say what should be there, too: clips are ranked by what they show, not by what they lack."
REQUEST = "play"  # of the player, unless somebody plays
WHO = "{} could be any movement here: say who is moving, or where."
MOST_LEFT_OUT = 3  # words of what is left out by a query that says nothing else
LEAST_FOREIGN = 4  # words of a text that may be of another language
# Articles of other languages, and of English, beside which they are names: "a dog in Los Angeles".
FOREIGN = words("das der ein eine einen einem einer le la les un une des el los las una il gli uma")
ENGLISH = words("a an the")
MOST_MEMBERS = 3  # of one query, searched for by themselves
MOST_SAID = 4  # words of one sentence


class Correction(NamedTuple):
    """A word as it was typed, and the word that was searched for instead."""

    word: str
    correction: str


class Taken(NamedTuple):
    """A word that the model was not trained on, and what it is taken for. by: "file" of facts, or "model"."""

    word: str
    meaning: str
    by: str


class Lacking(NamedTuple):
    """A word for something that the world does not have, a deed by its gerund ("eating"); attribute: its place
    in a sentence."""

    word: str
    attribute: str


class Remark(NamedTuple):
    """A sentence about a query. query: another one to search for, None where there is nothing to follow; exact:
    whether that one is to be searched for as it stands."""

    text: str
    query: str | None = None
    exact: bool = False


@dataclass(frozen=True)
class Reading:
    """What was read of a query.

    text: as typed. searched: what should be there, with corrections, in the grammar's words where a word is taken for
    one of them, without chatter. parts: more and less of this, searched for by themselves. members: those that must be
    in one clip, two or more, or none; each is searched for by itself, too. corrected: one entry a word. offered: a text
    with further corrections, which is not searched, "" mostly. taken, lacking, unknown: words as typed, each once;
    a deed that is lacking is named by its gerund.
    alike: words of what was to be left out that the model cannot tell from what is searched, so that it is not.
    unheard: the first word that rules something out and is left to a model that reads past it, "" mostly. loose: words
    of a movement that may be any here. rest: whether it asks for something that is lacking and for more than that.
    refusal: why nothing is searched, "" mostly.
    """

    text: str
    searched: str
    corrected: tuple[Correction, ...] = ()
    offered: str = ""
    taken: tuple[Taken, ...] = ()
    lacking: tuple[Lacking, ...] = ()
    unknown: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    members: tuple[str, ...] = ()
    alike: tuple[Taken, ...] = ()
    unheard: str = ""
    loose: tuple[str, ...] = ()
    rest: bool = False
    refusal: str = ""

    @property
    def unreadable(self) -> bool:
        """Whether there is nothing to search for."""
        return bool(self.refusal)

    @property
    def query(self) -> str:
        """All that is searched for, as a query that is read in the same way exactly as it stands."""
        return self.searched if self.refusal else str(Composition(self.searched, self.parts))

    def to_dict(self) -> dict:
        """Plain values, fit for JSON, with the sentences."""
        return {
            "text": self.text,
            "searched": self.searched,
            "corrected": dict(self.corrected),
            "offered": self.offered,
            "taken": [{"word": word, "as": meaning, "by": by} for word, meaning, by in self.taken],
            "lacking": [word for word, _ in self.lacking],
            "unknown": list(self.unknown),
            "parts": [part._asdict() for part in self.parts],
            "members": list(self.members),
            "loose": list(self.loose),
            "unreadable": self.unreadable,
            "refusal": self.refusal,
            "remarks": [remark.text for remark in self.remarks],
        }

    @property
    def lines(self) -> list[str]:
        """The remarks for a terminal."""
        return [
            f"{remark.text}{'' if remark.text[-1] in '.?' else ' with --exact.'}" for remark in self.remarks
        ]

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """All that is to be said, in order."""
        said = []
        if not self.refusal and (self.corrected or self.parts or self.shortened):
            sought = ", ".join([f"“{self.searched}”", *(_weighed(part) for part in self.parts)])
            said.append(Remark(f"Searched for {sought}."))
        if self.query != self.text and not self.refusal:
            said.append(Remark(f"Search exactly “{self.text}”", self.text, exact=True))
        if self.offered:
            said.append(Remark(f"Did you mean “{self.offered}”?", self.offered))
        if self.refusal:
            return (*said, Remark(f"{UNREADABLE} {ADVICE}" if self.refusal == UNREADABLE else self.refusal))
        parts = []
        if self.taken:
            parts.append("taking " + _list([f"{taken.word} as {taken.meaning}" for taken in self.taken]))
        if self.loose:
            parts.append(f"{_list(self.loose)} could be any movement here")
        if self.unknown:
            noun = "word" if len(self.unknown) == 1 else "words"
            parts.append(f"the model does not know the {noun} {_list(self.unknown)}")
        if self.lacking:
            parts.append("the drawn world has " + _list([_none(lacking) for lacking in self.lacking]))
        if parts:
            sentence = "; ".join(parts)
            said.append(Remark(f"{sentence[0].upper()}{sentence[1:]}."))
        if self.alike:
            pairs = _list([f"{word.word} from {word.meaning}" for word in self.alike])
            said.append(Remark(f"The model cannot tell {pairs}, so nothing is left out."))
        if self.unheard:
            said.append(Remark(f"The model cannot leave anything out: it ignores “{self.unheard}”."))
        return tuple(said)

    @property
    def shortened(self) -> bool:
        """Whether chatter was left out of what is searched."""
        return (
            len(words_of(self.searched)) + sum(len(words_of(text)) for text, _ in self.parts)
            < len(words_of(self.text)) - 2
        )


def _is_loose(term: Term) -> bool:
    """Whether a term names a movement, but none that the world tells apart from others."""
    return term.kind == "empty" and term.attribute == "motion"


def _loose(lexicon: Lexicon, terms: Sequence[Term]) -> tuple[str, ...]:
    """The words of a text for any movement, where they are no part of a name, "a flying saucer", "driving rain", are
    asked of the player, "play the clip with a dog", and no other word tells the movement, as in "driving to the
    left"."""
    if not any(_is_loose(term) for term in terms):
        return ()
    rows = [lexicon.row(term.word) if term.kind == "says" else None for term in terms]
    if any(term.kind == "says" and row is None for term, row in zip(terms, rows, strict=True)):
        return ()  # "upward", "left": how something moves
    facts = [row.facts.keys() if row else set() for row in rows]
    if any({"motion", "relation", "direction"} & said for said in facts):
        return ()
    found = []
    for at, term in enumerate(terms):
        after = terms[at + 1].kind if at + 1 < len(terms) else ""
        named = after in ("unknown", "lacks") or (at + 1 < len(terms) and "weather" in facts[at + 1])
        asked = term.word == REQUEST and (at == 0 or terms[at - 1].kind != "says")
        if _is_loose(term) and not named and not asked:
            found.append(term.word)
    return tuple(dict.fromkeys(found))


def _weighed(part: Part) -> str:
    size = "" if abs(part.weight) == 1 else f" {abs(part.weight):g} times"
    return f"{'more' if part.weight > 0 else 'less'}{size} “{part.text}”"


def _none(lacking: Lacking) -> str:
    return f"nothing {lacking.word}" if lacking.attribute == "colour" else f"no {lacking.word}"


def _list(words: Sequence[str]) -> str:
    if len(words) > MOST_SAID:
        return f"{', '.join(words[:MOST_SAID])} and {len(words) - MOST_SAID} more"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


class Reader:
    """Reads queries: by a lexicon, and by where a model places the words that it does not hold."""

    def __init__(self, lexicon: Lexicon | None, placement: Placement | None = None, words: int = 30) -> None:
        """lexicon: None for a model of no world, of whose words nothing is said. words: of a text, looked at."""
        self.lexicon, self.placement, self.words = lexicon, placement, words

    @classmethod
    def open(cls, model: DiffusionRet) -> Reader:
        """The reader of a model's queries: with the lexicon of the world that it was trained on."""
        if model.config.dataset != "storybook":
            return cls(None)
        lexicon = Lexicon.bundled()
        return cls(lexicon, Placement.open(model, lexicon), model.config.words - 2)

    def read(self, text: str, exact: bool = False) -> Reading:
        """The reading of a query. exact: whether it is searched for as it stands; corrections are then offers."""
        lexicon = self.lexicon
        if lexicon is None:
            return _composed(text, compose(text, _says, exact))
        suggestions = {} if is_foreign(lexicon, text) else self._suggestions(lexicon, text)
        corrected = {} if exact else {word: found.word for word, found in suggestions.items() if found.sure}
        spelled = replaced(text, corrected)
        query = self._compose(lexicon, spelled, exact)
        searched = query.text if exact else core(lexicon, query.text, suggestions)
        offers = {
            word: found.word
            for word, found in suggestions.items()
            if word not in corrected and word in words_of(searched)
        }
        offered = replaced(spelled, offers) if offers else ""
        taken, lacking, unknown, readable = self._terms(lexicon, searched)
        if query.parts and not query.text:
            return Reading(text, text, parts=query.parts, refusal=ONLY_LESS)
        if not readable and not (exact and any(found.sure for found in suggestions.values())):
            loose = _list(_loose(lexicon, self._parse(lexicon, searched)))
            refusal = WHO.format(loose[0].upper() + loose[1:]) if loose and not unknown else UNREADABLE
            return Reading(text, spelled, offered=offered, unknown=unknown, refusal=refusal)
        if not exact:
            searched = self._plain(searched, taken)
        parts, alike = [], []
        for part, weight in query.parts:
            words_taken, absent, strange, _ = self._terms(lexicon, part)
            if weight < 0 and any(word.meaning in searched for word in words_taken if word.meaning):
                alike += words_taken  # "a dog that isn't a poodle"
                continue
            taken = tuple(dict.fromkeys((*taken, *words_taken)))
            if weight > 0:  # what the world lacks is easily left out
                lacking = tuple(dict.fromkeys((*lacking, *absent)))
            unknown = tuple(dict.fromkeys((*unknown, *strange)))
            parts.append(Part(self._plain(part, words_taken), weight))
        unheard = _unheard(searched)
        terms = self._parse(lexicon, searched)
        return Reading(
            text=text,
            searched=searched,
            corrected=tuple(Correction(*pair) for pair in corrected.items()),
            offered=offered,
            taken=taken,
            lacking=lacking,
            unknown=unknown,
            parts=tuple(parts),
            members=members(lexicon, searched)[:MOST_MEMBERS],
            alike=tuple(alike),
            unheard=unheard,
            loose=() if unheard else _loose(lexicon, terms),
            rest=bool(lacking) and any(term.kind == "says" for term in terms),
        )

    def _parse(self, lexicon: Lexicon, text: str) -> list[Term]:
        return lexicon.parse(words_of(text)[: self.words])

    def _compose(self, lexicon: Lexicon, text: str, exact: bool) -> Composition:
        """The composition of a text. "not a red dog" alone asks for a dog that is not red."""

        def says(part: str) -> bool:
            taken, lacking, _, readable = self._terms(lexicon, part)
            return bool(readable or taken or lacking)

        query = compose(text, says, exact, lexicon.is_trait)
        if not query.parts or says(query.text):
            return query
        if len(query.parts) == 1 and query.parts[0].weight < 0:
            rest, traits = without_traits(lexicon, query.parts[0].text)
            if traits and says(rest):
                return Composition(rest, tuple(Part(trait, -1.0) for trait in traits))
        # A whole sentence that begins with "no" or "not" may say more than what is left out.
        if any(len(words_of(part.text)) > MOST_LEFT_OUT and part.weight == -1 for part in query.parts):
            return Composition(text)
        return Composition("", query.parts)

    def look(self, text: str) -> Reading:
        """As `read`, without a look at the spelling: what its words are, as they stand."""
        if self.lexicon is None:
            return Reading(text, text)
        taken, lacking, unknown, readable = self._terms(self.lexicon, text)
        return Reading(
            text, text, taken=taken, lacking=lacking, unknown=unknown, refusal="" if readable else UNREADABLE
        )

    def _suggestions(self, lexicon: Lexicon, text: str) -> dict[str, Suggestion]:
        """What the words that nobody knows were meant to be, in the order of the text."""
        terms = self._parse(lexicon, text)
        unknown = dict.fromkeys(term.word for term in terms if term.kind == "unknown")
        return {word: found for word in unknown if (found := lexicon.spelling.suggestion(word))}

    def _plain(self, text: str, taken: Sequence[Taken]) -> str:
        """A text in the grammar's words, where its own are taken for them: what is said of a word is what is done."""
        meanings = {word.word: word.meaning for word in taken}
        tokens = tokens_of(text)
        parts, end, at = [], 0, 0
        longest = max((len(word.split()) for word in meanings), default=0)
        while at < len(tokens):
            for length in range(min(longest, len(tokens) - at), 0, -1):
                run = " ".join(token[0] for token in tokens[at : at + length])
                if meaning := meanings.get(run) or meanings.get(run.replace("’", "'").removesuffix("'s")):
                    start, stop = tokens[at][1], tokens[at + length - 1][2]
                    parts += [with_articles(text[end:start], meaning), meaning]
                    end = stop
                    break
            else:
                length = 1
            at += length
        return "".join([*parts, text[end:]])

    def _terms(
        self, lexicon: Lexicon, text: str
    ) -> tuple[tuple[Taken, ...], tuple[Lacking, ...], tuple[str, ...], bool]:
        """(taken, lacking, unknown, whether any word can be placed) of a text."""
        taken: dict[str, Taken] = {}
        lacking: dict[str, Lacking] = {}
        unknown: dict[str, None] = {}
        readable = False
        for word, kind, meaning, attribute in self._parse(lexicon, text):
            readable |= kind in ("says", "lacks")
            if kind == "says" and meaning:
                taken[word] = Taken(word, meaning, "file")
            elif kind == "lacks":
                row = lexicon.row(word)
                deed = row.word if row is not None and attribute == "motion" else word
                lacking[deed] = Lacking(deed, attribute)
            elif kind == "unknown" and self.placement and (place := self.placement.place(word)):
                taken[word] = Taken(word, place, "model")
                readable = True
            elif kind == "unknown":
                unknown[word] = None
        return tuple(taken.values()), tuple(lacking.values()), tuple(unknown), readable


def _composed(text: str, query: Composition) -> Reading:
    """The reading of a query of which only the composition is known."""
    if not query.parts:
        return Reading(text, query.text, unheard=_unheard(query.text))
    refusal = "" if _says(query.text) else ONLY_LESS
    return Reading(text, query.text if not refusal else text, parts=query.parts, refusal=refusal)


def _unheard(text: str) -> str:
    """The first word of a text that rules something out, "" where there is none."""
    return next((text[start:].split()[0].strip("-!") for start, *_ in exclusions(text)), "")


def is_foreign(lexicon: Lexicon, text: str) -> bool:
    """Whether a text has an article of another language and none of English, or most of its words, of LEAST_FOREIGN
    or more, are in no English dictionary and not of the world."""
    spoken = words_of(text)
    if FOREIGN.intersection(spoken) and not ENGLISH.intersection(spoken):
        return True
    terms = lexicon.parse(spoken)
    if len(terms) < LEAST_FOREIGN:
        return False
    strange = [term for term in terms if term.kind == "unknown" and term.word not in english()]
    return 2 * len(strange) > len(terms)


def _says(text: str) -> bool:
    """Whether a text has a word that may name something, where no lexicon tells."""
    return any(word not in FUNCTION for word in words_of(text))


def replaced(text: str, corrections: Mapping[str, str]) -> str:
    """A text with other words in place of some, in their capitals; "a" and "an" follow.

    corrections: {word in lower case: another}.
    """
    parts: list[str] = []
    end, before = 0, ""
    for word, start, stop in tokens_of(text):
        typed = text[start:stop]
        parts += [text[end:start], typed]
        if correction := corrections.get(word):
            parts[-1] = _cased(correction, typed)
            if before in ("a", "an"):
                parts[-3] = _cased("an" if _vowel(correction) else "a", parts[-3])
        end, before = stop, word
    return "".join([*parts, text[end:]])


def with_articles(before: str, word: str) -> str:
    """What stands before a word, its last article as the word wants it: "a " is "an " before "owl", "the " before
    "mountains"."""
    head, space = before.rstrip(), before[len(before.rstrip()) :]
    last = head.rpartition(" ")[2]
    if last.lower() not in ("a", "an") or not space:
        return before
    several = word.endswith("s") and not word.endswith(("ss", "us"))
    article = _cased("the" if several else "an" if _vowel(word) else "a", last)
    return head.removesuffix(last) + article + space


def _vowel(word: str) -> bool:
    return word[0] in "aeiou" and not word.startswith(("uni", "use", "eu", "one"))


def _cased(word: str, like: str) -> str:
    """A word in the capitals of another."""
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word[0].upper() + word[1:] if like[0].isupper() else word
