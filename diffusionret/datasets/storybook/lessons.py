"""What training asks of a clip beside its own caption.

Phrases say one thing ("something spins") and divide all clips by it. A wrong caption says what the right one
says in the same words, but for one fact, so that it takes that fact to tell them apart. Both are cheap: they
are text, and no clip has to be drawn for them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import cast

import numpy as np

from . import captions, world
from .drafts import Draft, coloured
from .world import Actor, Scene

_DEEDS = tuple(
    (relation, direction)
    for relation in world.RELATIONS
    for direction in ((None,) if relation == "circles" else world.DIRECTIONS)
)
# What a phrase may say, by group: exactly one value of a group is true of an actor or a clip.
GROUPS: dict[str, tuple] = {
    name: world.values(name) for name in ("subject", "colour", "place", "time", "weather", "size", "motion")
} | {"deed": _DEEDS}
# How often a wrong caption errs in what. Shapes, roles and movement take longest to learn; the setting is easy.
_ERRS = dict(subject=3, colour=2, size=1, motion=3, relation=2, other_subject=3, other_colour=2, direction=3,
             place=1, time=1, weather=1, roles=5)  # fmt: skip


def phrases(rng: random.Random) -> list[str]:
    """One wording of every value of every group, in the order of GROUPS."""
    return [_phrase(name, value, rng) for name, values in GROUPS.items() for value in values]


def _phrase(name: str, value, rng: random.Random) -> str:
    if name == "deed":
        relation, direction = value
        way = [captions.say("direction", direction, rng)[0]] if direction else []
        return " ".join(["something", captions.say("relation", relation, rng)[0], "something", *way])
    words = captions.say(name, value, rng)[0]
    if name == "subject":
        return captions.with_article(words)
    return words if name in world.SETTING else f"something {words}"


def truth(scenes: Sequence[Scene]) -> dict[str, np.ndarray]:
    """Which values hold: float32 [scene, value] by group; a row sums to 1, or to 0 where nothing holds.

    Two actors share the row of subject and colour; size and motion are said of one actor alone, deeds of two.
    """
    shares = {name: np.zeros((len(scenes), len(values)), np.float32) for name, values in GROUPS.items()}
    for i, scene in enumerate(scenes):
        actors = [a for a in (scene.actor, scene.other) if a is not None]
        held: dict[str, list] = {name: [getattr(scene, name)] for name in world.SETTING}
        held |= {name: [getattr(a, name) for a in actors] for name in ("subject", "colour")}
        if scene.other is None:
            held |= dict(size=[scene.actor.size], motion=[scene.motion])
        else:
            held["deed"] = [(scene.relation, scene.direction)]
        for name, values in held.items():
            for value in values:
                shares[name][i, GROUPS[name].index(value)] += 1 / len(values)
    return shares


def role_phrases(relation: str, rng: random.Random) -> list[str]:
    """Every subject as the one that acts in a relation, then every subject as the one that is acted upon."""
    found = []
    for part in ("actor", "other"):
        for subject in world.SUBJECTS:
            noun = captions.with_article(captions.say("subject", subject, rng)[0])
            actor, other = (noun, "something") if part == "actor" else ("something", noun)
            finite, gerund, participle = captions.say("relation", relation, rng)
            ways = (
                [actor, finite, other], [actor, "is", gerund, other], [actor, gerund, other],
                [other, "is", participle, "by", actor], [other, participle, "by", actor],
            )  # fmt: skip
            found.append(" ".join(rng.choice(ways)))
    return found


def role_truth(relation: str, scenes: Sequence[Scene]) -> tuple[np.ndarray, np.ndarray]:
    """Which of `role_phrases` hold: float32 [scene subject], of the one that acts and of the other; all 0 in a row
    where the relation is another."""

    def held(actors: Sequence[Actor | None]) -> np.ndarray:
        rows = np.zeros((len(scenes), len(world.SUBJECTS)), np.float32)
        for i, (scene, actor) in enumerate(zip(scenes, actors, strict=True)):
            if actor is not None and scene.relation == relation:
                rows[i, world.SUBJECTS.index(actor.subject)] = 1
        return rows

    return held([scene.actor for scene in scenes]), held([scene.other for scene in scenes])


def colour_phrases(rng: random.Random) -> list[str]:
    """Every subject in every colour, subject by subject, in words as people type them: "a red rocket"."""
    drafts = [
        Draft(rng, {"subject": subject, "colour": colour})
        for subject in world.SUBJECTS
        for colour in world.COLOURS
    ]
    phrases = [coloured(draft) for draft in drafts]
    assert None not in phrases, "the grammar has a word for every subject and colour"
    return cast(list[str], phrases)


def colour_truth(scenes: Sequence[Scene]) -> np.ndarray:
    """Which of `colour_phrases` hold: bool [scene subject colour]."""
    held = np.zeros((len(scenes), len(world.SUBJECTS), len(world.COLOURS)), bool)
    for i, scene in enumerate(scenes):
        for actor in filter(None, (scene.actor, scene.other)):
            held[i, world.SUBJECTS.index(actor.subject), world.COLOURS.index(actor.colour)] = True
    return held


def wrong(told: dict[str, str], rng: random.Random) -> dict[str, str]:
    """The facts of a caption with one of them changed, or with the roles of its two actors exchanged."""
    kinds = [*told, "roles"] if "relation" in told else list(told)
    kind = rng.choices(kinds, [_ERRS[k] for k in kinds])[0]
    changed = dict(told)
    if kind == "roles":
        for trait in ("subject", "colour"):
            for name, source in ((trait, f"other_{trait}"), (f"other_{trait}", trait)):
                changed.pop(name, None)
                if source in told:
                    changed[name] = told[source]
        return changed
    taken = (
        {told[k] for k in ("subject", "other_subject") if k in told} if "subject" in kind else {told[kind]}
    )
    options = [v for v in world.values(kind) if v not in taken]
    turned = world.OPPOSITE.get(told[kind])
    # The opposite way is the mistake that takes the order of frames to see.
    changed[kind] = turned if turned and rng.random() < 0.5 else rng.choice(options)
    return changed
