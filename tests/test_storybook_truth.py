from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import pytest

from diffusionret.datasets.storybook import lessons, truth, world
from diffusionret.datasets.storybook.truth import Truth, allow


@dataclass(frozen=True)
class Plain:
    truth: Truth


def scenes(count: int, seed: int) -> list[world.Scene]:
    rng = random.Random(seed)
    return [world.draw_scene(rng) for _ in range(count)]


def random_allowed(rng: random.Random, names: list[str]) -> truth.Allowed:
    facts = {}
    for name in rng.sample(names, rng.randint(0, 3)):
        options = lessons.values(name)
        facts[name] = rng.sample(options, rng.randint(0, len(options)))
    return allow(facts)


def random_truth(rng: random.Random) -> Truth:
    one = ["subject", "colour", "motion", "place"]
    also = random_allowed(rng, one) if rng.random() < 0.4 else None
    without = random_allowed(rng, one) if rng.random() < 0.4 else None
    return Truth(random_allowed(rng, list(truth.ATTRIBUTES)), also, without)


def test_matrix_is_its_slow_twin() -> None:
    rng = random.Random(5)
    texts, clips = [Plain(random_truth(rng)) for _ in range(400)], scenes(80, 6)
    slow = np.array([[truth.fits(text, clip) for clip in clips] for text in texts])
    assert 0.02 < slow.mean() < 0.98
    np.testing.assert_array_equal(truth.fit_matrix(texts, clips), slow)


def clip(**facts) -> world.Scene:
    cat, dog = world.Actor("cat", "red"), world.Actor("dog", "blue")
    given = dict(
        place="city", time="day", weather="clear", actor=cat, other=dog, relation="chases", direction="left"
    )
    return world.Scene(**(given | facts))


def holds(scene: world.Scene, says=None, also=None, without=None) -> bool:
    parts = [None if part is None else allow(part) for part in (says or {}, also, without)]
    return truth.fits(Plain(Truth(*parts)), scene)


def test_sets_of_values() -> None:
    chase = clip()
    assert holds(chase, dict(subject=["dog", "fish"])) and not holds(chase, dict(subject=["fish", "bee"]))
    assert not holds(chase, dict(subject=[]))  # what the world lacks
    assert holds(chase, dict(place=[p for p in world.PLACES if p != "beach"]))
    assert not holds(chase, dict(place=[p for p in world.PLACES if p != "city"]))
    assert holds(chase, dict(subject="cat", colour="red")) and not holds(
        chase, dict(subject="cat", colour="blue")
    )


def test_two_actors_are_two() -> None:
    chase, alone = clip(), clip(other=None, relation=None, direction=None, motion="spin")
    both = dict(says=dict(subject="dog"), also=dict(subject="cat"))
    assert holds(chase, **both) and not holds(alone, **both)
    assert holds(alone, dict(subject="cat")) and not holds(alone, dict(subject="cat"), dict(colour="red"))
    assert not holds(chase, dict(subject="cat"), dict(subject="cat"))


def test_exclusion_is_of_every_actor() -> None:
    chase = clip()
    assert not holds(chase, dict(subject="cat"), without=dict(subject="dog"))
    assert holds(chase, dict(subject="cat"), without=dict(subject="dog", colour="red"))
    assert not holds(chase, without=dict(place="city")) and holds(chase, without=dict(place="sea"))


def test_what_is_refused_or_empty() -> None:
    with pytest.raises(ValueError, match="shape"):
        allow(dict(shape="round"))
    assert Truth().is_empty and Truth(also=()).is_empty and not Truth(allow(dict(subject=[]))).is_empty
