"""What can happen in Storybook: scenes, their meaning, and the splits.

A scene is drawn from a few attributes (place, time, weather, one or two actors and what they do).
Its `meaning` is all of them; camera, seed and look only change how it is drawn. Everything is
deterministic: a split and an index give the same scene on every machine.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import cache, partial

SUBJECTS = (
    "car", "bus", "boat", "airplane", "rocket", "balloon", "ball", "kite", "umbrella", "bird",
    "butterfly", "bee", "fish", "turtle", "cat", "dog", "rabbit", "elephant", "frog", "robot",
)  # fmt: skip
COLOURS = ("red", "blue", "green", "yellow", "orange", "purple", "pink", "white")
PLACES = ("city", "sea", "forest", "beach", "field", "desert", "mountains", "sky")
TIMES = ("day", "sunset", "night")
WEATHERS = ("clear", "rain", "snow")
SIZES = ("small", "big")
MOTIONS = (
    "left", "right", "up", "down", "bounce", "spin", "circle", "still", "swing", "zigzag", "grow", "shrink",
)  # fmt: skip
RELATIONS = ("chases", "pushes", "carries", "jumps over", "circles")
DIRECTIONS = ("left", "right")
CAMERAS = ("still", "pan left", "pan right", "zoom in", "zoom out")
LOOKS = ("storybook", "sketchbook")

DUO_SHARE = 0.35  # share of scenes with two actors

# Compositions that no training clip shows: half of the subjects miss a colour, the others a motion.
HELD_OUT_COLOURS = frozenset((s, COLOURS[(3 * i + 1) % 8]) for i, s in enumerate(SUBJECTS) if i % 2 == 0)
HELD_OUT_MOTIONS = frozenset((s, MOTIONS[(5 * i + 2) % 12]) for i, s in enumerate(SUBJECTS) if i % 2 == 1)

_VALUES = {
    "place": PLACES, "time": TIMES, "weather": WEATHERS, "subject": SUBJECTS, "colour": COLOURS, "size": SIZES,
    "motion": MOTIONS, "relation": RELATIONS, "direction": DIRECTIONS,
}  # fmt: skip
OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up", "grow": "shrink", "shrink": "grow"}


def values(name: str) -> tuple[str, ...]:
    """What an attribute of a caption may be; those of the other actor are those of the first."""
    return _VALUES[name.removeprefix("other_")]


@dataclass(frozen=True)
class Actor:
    subject: str
    colour: str
    size: str = "medium"  # small or big where it acts alone, medium where two act together


@dataclass(frozen=True)
class Scene:
    """One clip. Either `motion` is set (one actor) or `relation` and `other` are (two actors)."""

    place: str
    time: str
    weather: str
    actor: Actor
    motion: str | None = None
    relation: str | None = None
    other: Actor | None = None
    direction: str | None = None  # of a relation; None for "circles", which has none
    camera: str = "still"
    seed: int = 0
    look: str = "storybook"

    @property
    def meaning(self) -> tuple:
        """All that a caption can say of the clip."""
        return (
            self.place, self.time, self.weather, self.actor, self.motion, self.relation, self.other, self.direction,
        )  # fmt: skip

    @property
    def held_out(self) -> bool:
        """Whether it shows a composition that training never does."""
        actors = [self.actor] + ([self.other] if self.other else [])
        return (self.actor.subject, self.motion) in HELD_OUT_MOTIONS or any(
            (a.subject, a.colour) in HELD_OUT_COLOURS for a in actors
        )


def draw_scene(rng: random.Random, look: str = "storybook", duo: bool | None = None) -> Scene:
    """A random scene; `duo` forces two actors (True) or one (False)."""
    if duo is None:
        duo = rng.random() < DUO_SHARE
    scene = partial(Scene, rng.choice(PLACES), rng.choice(TIMES), rng.choice(WEATHERS), look=look)
    scene = partial(scene, camera=rng.choice(CAMERAS), seed=rng.getrandbits(31))
    subject, colour = rng.choice(SUBJECTS), rng.choice(COLOURS)
    if not duo:
        return scene(actor=Actor(subject, colour, rng.choice(SIZES)), motion=rng.choice(MOTIONS))
    relation = rng.choice(RELATIONS)
    other = Actor(rng.choice([s for s in SUBJECTS if s != subject]), rng.choice(COLOURS))
    direction = None if relation == "circles" else rng.choice(DIRECTIONS)
    return scene(actor=Actor(subject, colour), relation=relation, other=other, direction=direction)


SPLIT_SIZES = {"validation": 1000, "calibration": 1000, "test": 1000, "near": 500}


@cache
def split(name: str, look: str = "storybook") -> tuple[Scene, ...]:
    """The scenes of a split other than training: validation, calibration, test or near.

    No two scenes of the first three mean the same; none of them holds a held-out composition,
    every scene of "near" does. Raises ValueError for another name.
    """
    if name not in SPLIT_SIZES:
        raise ValueError(f"Storybook has no split {name!r}: choose {', '.join(SPLIT_SIZES)}.")
    return _splits(look)[name]


@cache
def _splits(look: str) -> dict[str, tuple[Scene, ...]]:
    seen: set[tuple] = set()
    splits = {}
    for name, size in SPLIT_SIZES.items():
        rng = random.Random(f"storybook {look} {name}")
        scenes: list[Scene] = []
        while len(scenes) < size:
            scene = draw_scene(rng, look)
            if scene.held_out == (name == "near") and scene.meaning not in seen:
                seen.add(scene.meaning)
                scenes.append(scene)
        splits[name] = tuple(scenes)
    return splits


@cache
def _evaluated() -> frozenset[tuple]:
    parts = [part for look in LOOKS for part in _splits(look).values()]
    parts += [pair for look in LOOKS for kind in ("direction", "roles") for pair in minimal_pairs(kind, look)]
    return frozenset(scene.meaning for part in parts for scene in part)


def trainable(scene: Scene) -> bool:
    """Whether training may show the scene: no held-out composition, the meaning of no evaluated clip."""
    return not scene.held_out and scene.meaning not in _evaluated()


def opposite(scene: Scene) -> Scene | None:
    """The same scene with the direction of motion turned round, or None where there is no direction."""
    if scene.motion in OPPOSITE:
        return replace(scene, motion=OPPOSITE[scene.motion])
    if scene.direction:
        return replace(scene, direction=OPPOSITE[scene.direction])
    return None


def swapped(scene: Scene) -> Scene | None:
    """The same scene with the roles exchanged (who does what to whom), or None with a single actor."""
    return replace(scene, actor=scene.other, other=scene.actor) if scene.other else None


@cache
def minimal_pairs(kind: str, look: str = "storybook") -> tuple[tuple[Scene, Scene], ...]:
    """250 pairs that differ in one thing only. kind: "direction" (left and right, up and down) or "roles"."""
    rng = random.Random(f"storybook {look} pairs {kind}")
    twin_of = {"direction": opposite, "roles": swapped}[kind]
    pairs: list[tuple[Scene, Scene]] = []
    while len(pairs) < 250:
        scene = draw_scene(rng, look, duo=True if kind == "roles" else None)
        twin = twin_of(scene)
        moves = scene.motion not in ("grow", "shrink")
        if twin is not None and moves and not scene.held_out and not twin.held_out:
            pairs.append((scene, twin))
    return tuple(pairs)


# The attributes of a scene that a caption may say, by the names that captions use.
SETTING = ("place", "time", "weather")


def said(scene: Scene) -> dict[str, str]:
    """Every attribute of the scene by its caption name (those that the scene has)."""
    facts: dict[str, str | None] = dict(
        place=scene.place, time=scene.time, weather=scene.weather,
        subject=scene.actor.subject, colour=scene.actor.colour,
    )  # fmt: skip
    if scene.other is None:
        facts |= dict(size=scene.actor.size, motion=scene.motion)
    else:
        facts |= dict(
            relation=scene.relation, other_subject=scene.other.subject,
            other_colour=scene.other.colour, direction=scene.direction,
        )  # fmt: skip
    return {name: value for name, value in facts.items() if value is not None}


def family(rng: random.Random, size: int = 4, look: str = "storybook") -> tuple[list[Scene], frozenset[str]]:
    """Training scenes that differ from the first in one attribute each, and the names of those attributes.

    Such relatives are the hard negatives of a batch: telling them apart needs the attribute itself.
    """
    while True:
        base = draw_scene(rng, look)
        if trainable(base):
            break
    scenes = [base]
    twins = [t for t in (opposite(base), swapped(base)) if t is not None and trainable(t)]
    rng.shuffle(twins)
    for twin in twins[: size - 1]:
        scenes.append(twin)
    names = list(said(base))
    while len(scenes) < size:
        scene = _changed(base, rng.choice(names), rng)
        if scene is not None and trainable(scene) and all(scene.meaning != s.meaning for s in scenes):
            scenes.append(scene)
    varied = differing(scenes)
    # Relatives differ in where things start and how the camera moves, so pixels alone do not pair them.
    scenes = [replace(s, seed=rng.getrandbits(31), camera=rng.choice(CAMERAS)) for s in scenes]
    return scenes, varied


def differing(scenes: list[Scene]) -> frozenset[str]:
    """The attributes, by caption name, in which not all of the scenes are the same."""
    facts = [said(scene) for scene in scenes]
    names = set().union(*facts)
    return frozenset(name for name in names if len({f.get(name) for f in facts}) > 1)


def _changed(scene: Scene, name: str, rng: random.Random) -> Scene | None:
    if name in SETTING:
        values = {"place": PLACES, "time": TIMES, "weather": WEATHERS}[name]
        return replace(scene, **{name: rng.choice(values)})
    if name == "motion":
        return replace(scene, motion=rng.choice(MOTIONS))
    if name == "direction":
        return opposite(scene)
    if name == "relation":
        relation = rng.choice(RELATIONS)
        direction = None if relation == "circles" else scene.direction or rng.choice(DIRECTIONS)
        return replace(scene, relation=relation, direction=direction)
    role, attribute = ("other", name[6:]) if name.startswith("other_") else ("actor", name)
    actor = getattr(scene, role)
    values = {"subject": SUBJECTS, "colour": COLOURS, "size": SIZES}[attribute]
    changed = replace(scene, **{role: replace(actor, **{attribute: rng.choice(values)})})
    if changed.other and changed.other.subject == changed.actor.subject:
        return None
    return changed
