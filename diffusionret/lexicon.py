"""The lexicon: what is known of the words of a world, and what each word of a text is by it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

from .datasets.storybook.dictionary import english
from .datasets.storybook.inflection import degrees, plural
from .datasets.storybook.words import Word, inflections, words
from .query import words_of
from .spelling import Spelling

NEGATIONS = frozenset(
    {
        "not",
        "no",
        "without",
        "never",
        "nothing",
        "nobody",
        "neither",
        "nor",
        "except",
        "excluding",
        "minus",
        "cannot",
        "zero",
        "none",
        "sans",
        "isnt",
        "arent",
        "wasnt",
        "werent",
        "aint",
        "dont",
        "doesnt",
        "didnt",
        "shouldnt",
        "mustnt",
        "cant",
    }
)
# What is silent wherever it stands: English words that name nothing to be seen.
FUNCTION = frozenset(
    """
    a about above across after again against all almost along already also although always am among an and another any
    anybody anyone anything are around as at away back be because been before being below beneath beside between both
    but by can could d did do does doing done down during each either else even ever every everyone everything few for
    from get gets getting give given gives had has have having he her here hers him his how i if in inside into is it
    its itself just least less let like ll m many may maybe me mine more most much must my near next now of off often
    on once one ones only onto or other others our out outside over own past per perhaps please plus quite rather re
    really s same several shall she should since so some somebody somehow someone something sometimes somewhere soon
    still such t than that the their them then there these they this those though through till to together too toward
    towards under underneath until up upon us ve very via was we were what when where whether which while who whom
    whose why will with within would yes yet you your
    two three four five six seven eight nine ten
    find search show see look looking want need video videos clip clips film footage scene picture image
    thing things stuff whatever whoever kind sort bit piece lot lots bunch sorry hello hi hey please thanks thank thx
    cheers ok okay um uh er dude mate got gotta gonna wanna gimme pls plz think thinking know believe guess remember
    forget forgotten mean wonder wondering hope bother bothering happen happens happened appreciate used called care
    looks mind watch watched watching browse browsing anyway basically honestly actually vs versus w
    """.split()  # noqa: SIM905
) | NEGATIONS  # fmt: skip
# Where a noun stands, these forms of verbs are nouns of another meaning: "in the wind" nothing winds.
BEFORE_NOUNS = frozenset(
    """
    a an the this these those my your his its our their some any in on at with of by under near into and or strong
    """.split()  # noqa: SIM905
)
OTHER_NOUNS = frozenset(
    """
    wind winds rock rocks spring springs fall falls sink sinks land lands rest rests wheel wheels ring rings lap laps
    track tracks trail trails tail tails shadow shadows hound hounds stalk stalks fly flies ram rams press presses butt
    butts elbow elbows shoulder shoulders nose dart darts bob bobs weave weaves dodge snake snakes shunt sail sails
    march play plays drive drives float floats drink drinks cook cooks bark barks bite bites
    """.split()  # noqa: SIM905
)
# Of these, verbs where they come first.
VERBS = frozenset(
    """
    fall falls sink sinks land lands rest rests dart darts bob bobs weave weaves dodge shunt fly flies sail sails march
    play plays drive drives float floats
    """.split()  # noqa: SIM905
)
# Words of the grammar that say something only within its phrases: "in clear weather", "a party balloon".
WITHIN = frozenset(
    """
    area diamond forth fro goes going heading heads helium mechanical monarch moves moving open paper party path put
    remaining remains round rubber weather
    """.split()  # noqa: SIM905
)
ANY_MOVEMENT = frozenset({"goes", "going", "heading", "moves", "moving"})  # of these
OBJECTS = frozenset(
    {"a", "an", "the", "another", "something", "somebody", "someone"}
)  # what begins an object
PARSED = 256  # texts whose terms are kept: one reading asks for those of a text several times
MOST_MEANINGS = (
    3  # values of an attribute that are spelled out; a word for more of them is a class and speaks for itself
)
ORDER = ("size", "colour", "subject", "motion", "relation", "direction", "place", "time", "weather")


class Term(NamedTuple):
    """A word, or several in a row, of a text.

    word: in lower case. kind: "says", "lacks", "empty" (silent) or "unknown". meaning: what a word is taken for by
    convention, "" for one of the grammar. attribute: the place in a sentence of what the world lacks, or what a silent
    word leaves open.
    """

    word: str
    kind: str
    meaning: str = ""
    attribute: str = ""


class Lexicon:
    """Words with facts, found by any of their forms."""

    def __init__(self, rows: Sequence[Word]) -> None:
        """rows: of a word file; the first of several rows with one form wins, so that the grammar's own come first."""
        self.rows = list(rows)
        self._rows: dict[tuple[str, ...], Word] = {}
        own: set[str] = set()
        for row in self.rows:
            for form in inflections(row):
                self._rows.setdefault(form, row)
            if row.split == "lexicon":
                own.update(word for form in (row.word, *row.forms) for word in words_of(form))
        self._own = frozenset(own - FUNCTION)  # also words that the grammar has inside of phrases only
        self._longest: dict[str, int] = {}  # tokens of what begins with this one
        for first, *more in self._rows:
            self._longest[first] = max(self._longest.get(first, 1), 1 + len(more))
        self._parsed = lru_cache(maxsize=PARSED)(self._parse)

    @classmethod
    @lru_cache(maxsize=1)
    def bundled(cls) -> Lexicon:
        """That of the Storybook world, read once."""
        return cls(words())

    @cached_property
    def spelling(self) -> Spelling:
        """How the words are spelled: the grammar's, then others that say something, then what the world lacks."""
        tiers: list[dict[str, set[int]]] = [{}, {}, {}]
        silent = {word for word in FUNCTION if len(word) > 2}
        for number, row in enumerate(self.rows):
            for form in inflections(row):
                if row.split == "lexicon":
                    for token in self._own.intersection(form):
                        tiers[0].setdefault(token, set()).add(number)
                elif row.attribute == "colour" and " ".join(form) in degrees(row.word) - {row.word}:
                    continue  # nobody means "roser"
                elif row.attribute == "motion" and row.kind != "says" and form[0] not in english():
                    continue  # a form by rule that nobody writes
                elif len(form) == 1 and row.kind == "empty":
                    silent.add(form[0])
                elif len(form) == 1:
                    tiers[1 if row.kind == "says" else 2].setdefault(form[0], set()).add(number)
        return Spelling(*tiers, silent=silent)

    def parse(self, tokens: Sequence[str]) -> list[Term]:
        """What the words of a text are, the longest run that the lexicon holds at a time. tokens: in lower case."""
        return list(self._parsed(tuple(tokens)))

    def _parse(self, tokens: tuple[str, ...]) -> tuple[Term, ...]:
        terms, at = [], 0
        while at < len(tokens):
            for length in range(min(self._longest.get(tokens[at], 1), len(tokens) - at), 0, -1):
                run = tuple(tokens[at : at + length])
                if self._is_other_noun(tokens, at, run):
                    continue
                if term := self._term(run):
                    terms.append(term)
                    break
            else:
                length = 1
                terms.append(Term(tokens[at], "unknown"))
            at += length
        return tuple(terms)

    def _is_other_noun(self, tokens: Sequence[str], at: int, run: tuple[str, ...]) -> bool:
        """Whether one token is no form of the verb that the word file has, but a noun: after an article and the like,
        and first in a text unless an object follows. run: tokens from `at` on."""
        word = " ".join(run)
        if word not in OTHER_NOUNS:
            return False
        after = tokens[at + 1] if at + 1 < len(tokens) else ""
        if at > 1 and tokens[at - 1] in ("and", "or"):
            one = tuple(tokens[at - 2 : at - 1])
            if self._is_movement(self._rows.get(one)) and not self._is_other_noun(tokens, at - 2, one):
                return False  # "rises and flies"
        if not (tokens[at - 1] in BEFORE_NOUNS if at else word not in VERBS and after not in OBJECTS):
            return False
        return self._is_movement(self._rows.get(run))

    @staticmethod
    def _is_movement(row: Word | None) -> bool:
        return row is not None and row.attribute in ("motion", "relation")

    def row(self, term: str) -> Word | None:
        """The row of a term that `parse` found; None for one that no row holds."""
        run = tuple(term.split())
        return self._rows.get(run) or self._rows.get(
            (*run[:-1], run[-1].replace("’", "'").removesuffix("'s"))
        )

    def _term(self, run: tuple[str, ...]) -> Term | None:
        text = " ".join(run)
        if len(run) == 1:
            word = run[0]
            plain = word.replace("’", "'")
            if word not in self._rows and (base := plain.removesuffix("'s")) != plain:
                return self._term((base,)) or None
            if plain in FUNCTION or plain.endswith("n't") or "'" in plain or word.isdecimal():
                return Term(text, "empty")
        row = self._rows.get(run)
        if row is None:
            return self._own_term(text) if text in self._own else None
        if row.kind == "lacks":
            return Term(text, "lacks", attribute=row.attribute)
        if row.kind == "empty":
            return Term(text, "empty", attribute=row.attribute)
        return Term(text, "says", self._meaning(run, row))

    @staticmethod
    def _own_term(word: str) -> Term:
        """Of a word that the grammar has inside of phrases, where it stands by itself."""
        if word not in WITHIN:
            return Term(word, "says")
        return Term(word, "empty", attribute="motion" if word in ANY_MOVEMENT else "")

    def _meaning(self, run: tuple[str, ...], row: Word) -> str:
        """What a word is taken for; "" where that needs no saying: the grammar's own, and compounds of them."""
        if row.split == "lexicon":
            return ""
        for token in run:
            part = self._rows.get((token,))
            if part is not None and part.split == "lexicon" and part.facts == row.facts:
                return ""
        meaning = self.meaning(row)
        if meaning == " ".join(run):
            return ""
        several = "subject" in row.facts and " ".join(run) != row.word and " ".join(run) == plural(row.word)
        return plural(meaning) if several and meaning and " or " not in meaning else meaning

    def meaning(self, row: Word) -> str:
        """What a word says, in the grammar's plainest words; "" for a class of many values."""
        parts = []
        for attribute in sorted(
            row.facts, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER)
        ):
            values = sorted(row.facts[attribute])
            if len(values) > MOST_MEANINGS:
                return ""
            parts.append(" or ".join(self._plainest(attribute, value) for value in values))
        return " ".join(parts)

    def is_trait(self, word: str) -> bool:
        """Whether a word says a colour or a size and nothing else, or one that the world lacks."""
        row = self._rows.get((word,))
        return (
            row is not None
            and row.kind != "empty"
            and bool(row.facts)
            and not row.facts.keys() - {"colour", "size"}
        )

    @cached_property
    def grammar(self) -> list[Word]:
        """The words that the model's captions are made of."""
        return [row for row in self.rows if row.split == "lexicon" and row.kind == "says"]

    def _plainest(self, attribute: str, value: str) -> str:
        """The grammar's first word for a value."""
        facts = {attribute: frozenset({value})}
        return next((row.word for row in self.grammar if row.facts == facts), value)
