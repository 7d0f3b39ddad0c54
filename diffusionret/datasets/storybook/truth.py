"""Which clips a text is true of, exactly.

A text asks for an actor, perhaps for another beside it, perhaps for what must not be there. Of each attribute it
allows a set of values: one where it names a value, several where it says "or" or names a class, all but one where it
excludes, none where it asks for what the world lacks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from . import world
from .world import Actor, Scene

ATTRIBUTES = (
    "place", "time", "weather", "subject", "colour", "size", "motion",
    "relation", "other_subject", "other_colour", "direction",
)  # fmt: skip
# attribute and the values that are allowed, in the order of ATTRIBUTES; an attribute that is not named may be anything
Allowed = tuple[tuple[str, frozenset[str]], ...]
# What is true of one actor and its clip; None where the attribute is not there.
Slot = Mapping[str, str | None]


@dataclass(frozen=True)
class Truth:
    """says: of one actor and the clip. also: of another actor, None where there is none to be. without: what no actor
    may be, None for nothing."""

    says: Allowed = ()
    also: Allowed | None = None
    without: Allowed | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing, so that it would be true of every clip."""
        return not self.says and not self.also and not self.without


@runtime_checkable
class Text(Protocol):
    """What can be true of a clip."""

    @property
    def truth(self) -> Truth: ...


def allow(facts: Mapping[str, str | Collection[str]]) -> Allowed:
    """Values by attribute, one or several, in the order of ATTRIBUTES. Raises ValueError for another attribute."""
    if unknown := set(facts) - set(ATTRIBUTES):
        raise ValueError(f"No text says {sorted(unknown)}: choose of {', '.join(ATTRIBUTES)}.")
    return tuple(
        (name, frozenset([values]) if isinstance(values := facts[name], str) else frozenset(values))
        for name in ATTRIBUTES
        if name in facts
    )


def _parts(scene: Scene) -> list[tuple[Actor, str | None]]:
    """Every actor with its own motion; the one that acts comes first."""
    if scene.other is None:
        return [(scene.actor, scene.motion)]
    if scene.relation == "circles":
        return [(scene.actor, "circle"), (scene.other, "still")]
    other = "still" if scene.relation == "jumps over" else scene.direction
    return [(scene.actor, scene.direction), (scene.other, other)]


def slots(scene: Scene) -> list[dict[str, str | None]]:
    """What is true of a scene, once for every actor that a text may be about.

    Two actors give two slots: only the first, about the one that acts, has the relation. Each moves as its part
    demands: both go the way of a chase, a push or a load, whoever is jumped over or circled stands still.
    """
    setting = {name: getattr(scene, name) for name in world.SETTING}
    rows: list[dict[str, str | None]] = [
        setting | dict(subject=actor.subject, colour=actor.colour, size=actor.size, motion=motion)
        for actor, motion in _parts(scene)
    ]
    rows[0] |= {k: v for k, v in world.said(scene).items() if k not in rows[0]}
    return rows


def _holds(allowed: Allowed, slot: Slot) -> bool:
    return all(slot.get(name) in values for name, values in allowed)


def fits(text: Text, scene: Scene) -> bool:
    """Whether the text is true of the scene. With a relation both roles must agree; without one any actor may be
    meant. Actors of medium size are neither small nor big."""
    truth, rows = text.truth, slots(scene)
    if truth.without is not None and any(_holds(truth.without, row) for row in rows):
        return False
    for i, row in enumerate(rows):
        if _holds(truth.says, row):
            others = rows[:i] + rows[i + 1 :]
            if truth.also is None or any(_holds(truth.also, other) for other in others):
                return True
    return False


_VALUES = {
    name: tuple(values)
    for name, values in dict(
        place=world.PLACES, time=world.TIMES, weather=world.WEATHERS, subject=world.SUBJECTS, colour=world.COLOURS,
        size=(*world.SIZES, "medium"), motion=world.MOTIONS, relation=world.RELATIONS,
        other_subject=world.SUBJECTS, other_colour=world.COLOURS, direction=world.DIRECTIONS,
    ).items()
}  # fmt: skip


def _code(slot: Slot) -> list[int]:
    """A bit for the value of each attribute, 0 where it is not there."""
    return [1 << _VALUES[n].index(v) if (v := slot.get(n)) is not None else 0 for n in ATTRIBUTES]


def _bits(allowed: Allowed | None) -> list[int]:
    """The bits of what is allowed, -1 (all of them, absence too) where an attribute is not named."""
    named = dict(allowed or ())
    return [
        sum(1 << _VALUES[n].index(v) for v in named[n] if v in _VALUES[n]) if n in named else -1
        for n in ATTRIBUTES
    ]


def fit_matrix(texts: Sequence[Text], scenes: Sequence[Scene]) -> np.ndarray:
    """`fits` for all pairs: bool [text, scene]."""
    truths = [text.truth for text in texts]
    rows = [slots(scene) for scene in scenes]
    codes = [
        np.array([_code(row[i]) for row in rows], dtype=np.int32).reshape(-1, len(ATTRIBUTES))
        for i in (0, -1)
    ]  # the actor, and the other or the same once more
    alone = np.array([len(row) == 1 for row in rows])

    def held(parts: Sequence[Allowed | None]) -> list[np.ndarray]:
        """Of which actor it is true, bool [text scene] for each of the two."""
        bits = np.array([_bits(part) for part in parts], dtype=np.int32).reshape(-1, len(ATTRIBUTES))
        result = []
        for code in codes:
            fit = np.ones((len(parts), len(scenes)), dtype=bool)
            for allowed, value in zip(bits.T, code.T, strict=True):
                if (allowed != -1).any():
                    fit &= (allowed[:, None] == -1) | ((allowed[:, None] & value[None]) != 0)
            result.append(fit)
        return result

    first, second = held([truth.says for truth in truths])
    fit = first | second
    pairs = np.array([truth.also is not None for truth in truths], dtype=bool)
    if pairs.any():
        also = held([truth.also for truth in truths])
        fit[pairs] = ((first & also[1]) | (second & also[0]))[pairs] & ~alone
    excluded = np.array([truth.without is not None for truth in truths], dtype=bool)
    if excluded.any():
        without = held([truth.without for truth in truths])
        fit[excluded] &= ~(without[0] | without[1])[excluded]
    return fit


def ceiling(texts: Sequence[Text], scenes: Sequence[Scene]) -> float:
    """The R@1, in [0, 1], that a perfect reader expects: of the clips that fit it can only guess one.

    The mean over texts of 1 / (number of scenes that fit), 0 where none does. Raises ValueError without texts.
    """
    if not texts:
        raise ValueError("The ceiling of no texts is not defined.")
    counts = fit_matrix(texts, scenes).sum(axis=1)
    return float(np.mean(np.where(counts > 0, 1 / np.maximum(counts, 1), 0.0)))
