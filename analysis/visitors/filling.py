"""Templates filled with the facts of clips: the query, and what it is true of."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from diffusionret.datasets.storybook import captions, typing_errors, world
from diffusionret.datasets.storybook.inflection import plural
from diffusionret.datasets.storybook.truth import Truth, allow, slots
from diffusionret.datasets.storybook.words import Word, words

SLOT = re.compile(r"\{(!?)([a-zA-Z_]+)\}")
UNSEEN_SLOTS = {
    "noun": "noun", "a_noun": "noun", "nouns": "noun", "shade": "colour", "location": "place",
    "location_noun": "place", "movement": "movement", "movement_finite": "movement",
}  # fmt: skip
LACKING_SLOTS = {"lacking": "lacking noun", "a_lacking": "lacking noun", "lackings": "lacking noun",
           "lacking_colour": "lacking colour"}  # fmt: skip
FACTS = {
    "a_subject": "subject", "subjects": "subject", "an_other": "other", "others": "other", "moves": "motion",
    "relates": "relation", "place_noun": "place", "time_noun": "time", "weather_noun": "weather",
}  # fmt: skip
COMPARISONS = {"small": ("smaller", "smallest"), "big": ("bigger", "biggest")}
NUMBERS = ("two", "three", "four", "2", "3", "5", "seven", "a dozen")
# Templates in which what is excluded is what the one that is meant must not be; elsewhere nobody may be it.
_OTHER_THAN = ("other than", "that's not", "bar the")


@dataclass(frozen=True)
class VisitorQuery:
    """text, truth: as of any query. kind: of the list. template: what it was made of. word: the unseen or lacking word
    in it, "" where there is none."""

    text: str
    truth: Truth
    kind: str
    template: str
    word: str


@dataclass
class _Filling:
    """A template in the making."""

    rng: random.Random
    template: str
    facts: dict[str, str | None]
    says: dict[str, frozenset[str]] = field(default_factory=dict)
    also: dict[str, frozenset[str]] = field(default_factory=dict)
    without: dict[str, frozenset[str]] = field(default_factory=dict)
    spoken: dict[str, str] = field(default_factory=dict)  # one word a role, however often it is said

    def allow(self, name: str, values: frozenset[str]) -> None:
        self.says[name] = self.says.get(name, values) & values

    def choice(self, name: str, value: str) -> Word:
        """One of the grammar's words for a value, the plainest most often."""
        options = [
            w
            for w in words(split="lexicon", attribute=name)
            if w.facts[name] == {value} and len(w.facts) == 1
        ]
        return captions.pick(self.rng, options)


def _noun(word: str, slot: str) -> str:
    if slot.startswith(("a_", "an_")):
        return captions.with_article(word)
    return plural(word) if slot.endswith("s") and slot not in ("class",) else word


def fill(
    kind: str, template: str, scene: world.Scene, rng: random.Random, word: Word | None = None
) -> VisitorQuery | None:
    """The template with the facts of a scene; None where the scene has not what the template says.

    word: the unseen or lacking word of its slot, whose facts the scene must have.
    """
    rows = slots(scene)
    names = {name.lower() for _, name in SLOT.findall(template)}
    two = bool(names & {"other", "an_other", "others", "relation", "relates"}) or (
        word is not None and "relation" in word.facts
    )
    if two != (scene.other is not None) and (
        two or names & {"motion", "moves", "size", "comparative", "superlative"}
    ):
        return None
    facts = rows[0] if two else rng.choice(rows)
    claims = word.facts if word is not None and word.kind == "says" else {}
    if any(facts.get(name) not in values for name, values in claims.items()):
        return None
    filling = _Filling(rng, template, dict(facts))
    together = (
        two and not names & {"relation", "relates"} and not (word is not None and "relation" in word.facts)
    )
    parts: list[str] = []
    at = 0
    for match in SLOT.finditer(template):
        parts.append(template[at : match.start()])
        spoken = (
            _excluded(filling, match[2].lower(), rows)
            if match[1]
            else _slot(filling, match[2].lower(), together, word)
        )
        if spoken is None:
            return None
        parts.append(spoken.upper() if match[2].isupper() else spoken)
        at = match.end()
    text = _articles("".join([*parts, template[at:]]))
    if kind == "typing error":
        wrong = typing_errors.mistype(text, rng)
        if wrong is None:
            return None
        text = wrong
    truth = Truth(allow(filling.says), allow(filling.also) if filling.also else None,
                  allow(filling.without) if filling.without else None)  # fmt: skip
    return VisitorQuery(text, truth, kind, template, word.word if word else "")


def _slot(filling: _Filling, slot: str, together: bool, word: Word | None) -> str | None:
    """What stands in a slot; its facts hold then."""
    rng, facts = filling.rng, filling.facts
    if slot in LACKING_SLOTS or slot in UNSEEN_SLOTS:
        if word is None:
            return None
        if word.kind == "lacks":
            name = word.attribute
            role = (
                "other_"
                if name == "subject" and "relation" in filling.says and "subject" in filling.says
                else ""
            )
            if name == "subject" and not role and "subject" in filling.says:
                filling.also["subject"] = frozenset()
            else:
                filling.allow(role + name, frozenset())
        else:
            for name, values in word.facts.items():
                filling.allow(name, values)
        form = word.forms[0] if word.forms else word.word
        if slot in ("location", "movement_finite"):
            return form
        return (
            word.word
            if slot in ("movement", "shade", "location_noun", "lacking_colour")
            else _noun(word.word, slot)
        )
    if slot == "number":
        filling.allow("subject", frozenset())
        return filling.spoken.setdefault("number", rng.choice(NUMBERS))
    if slot in ("comparative", "superlative"):
        size = facts.get("size")
        if size not in COMPARISONS:
            return None
        filling.allow("size", frozenset([size]))
        return COMPARISONS[size][slot == "superlative"]
    if slot in ("class", "a_class", "classes"):
        nouns = [word for word in words(split="train", attribute="subject") if len(word.facts) == 1]
        options = [noun for noun in nouns if len(s := noun.facts["subject"]) > 1 and facts["subject"] in s]
        if not options:
            return None
        chosen = rng.choice(options)
        filling.allow("subject", chosen.facts["subject"])
        return _noun(chosen.word, {"classes": "nouns", "class": "noun"}.get(slot, slot))
    if slot == "either":
        value = rng.choice([s for s in world.SUBJECTS if s != facts["subject"]])
        filling.allow("subject", filling.says.get("subject", frozenset([facts["subject"] or ""])) | {value})
        filling.says["subject"] = filling.says["subject"] | {value, facts["subject"] or ""}
        return filling.choice("subject", value).word
    base = FACTS.get(slot, slot)
    name = {"other": "other_subject"}.get(base, base)
    value = facts.get(name)
    if value is None:
        return None
    if name == "subject" and "subject" in filling.says and value in filling.says["subject"]:
        pass  # an or has widened it already
    elif together and name.startswith("other_"):
        filling.also[name.removeprefix("other_")] = frozenset([value])
    else:
        filling.allow(name, frozenset([value]))
    key = f"{name} {'phrase' if slot in ('place', 'time', 'weather') else ''}"
    attribute = name.removeprefix("other_")
    if attribute == "size" and value not in COMPARISONS:
        return None  # of two actors nobody says a size
    if attribute in ("subject", "colour", "size"):
        spoken = filling.spoken.setdefault(key, filling.choice(attribute, value).word)
        return _noun(spoken, slot) if attribute == "subject" else spoken
    chosen = filling.choice(attribute, value)
    if slot in ("place", "time", "weather", "moves", "relates"):
        return chosen.forms[0] if chosen.forms else None
    return chosen.word


def _excluded(filling: _Filling, slot: str, rows: Sequence[dict[str, str | None]]) -> str | None:
    """A value that the scene has not, and that the query excludes."""
    name = {"place_noun": "place", "time_noun": "time", "weather_noun": "weather"}.get(slot, slot)
    taken = {row.get(name) for row in rows}
    options = [v for v in world.values(name) if v not in taken and v != "clear"]
    if not options:
        return None
    value = filling.rng.choice(options)
    if name == "subject" and not any(phrase in filling.template for phrase in _OTHER_THAN):
        filling.without[name] = frozenset([value])
    else:
        role = "other_" if name == "subject" and "relation" in filling.says else ""
        filling.allow(role + name, frozenset(world.values(name)) - {value})
    chosen = filling.choice(name, value)
    return chosen.forms[0] if slot == "place" and chosen.forms else chosen.word


def _articles(text: str) -> str:
    """ "a" before a vowel becomes "an", "an" before a consonant "a"."""
    text = re.sub(r"\ba(?= [aeiou])", "an", text)
    return re.sub(r"\ban(?= [bcdfghjklmnpqrstvwxyz])", "a", text)
