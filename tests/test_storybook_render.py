"""The renderer draws every attribute, the same way each time, and what differs looks different."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from diffusionret.datasets.storybook import world
from diffusionret.datasets.storybook.render import duration, render_clip, render_frame
from diffusionret.datasets.storybook.world import Actor, Scene

TIMES = [(i + 0.5) / 6 for i in range(6)]
SOLO = Scene("field", "day", "clear", Actor("cat", "red", "big"), motion="right", seed=3)
DUO = Scene(
    "beach", "day", "clear", Actor("dog", "blue"), relation="chases", other=Actor("car", "yellow"),
    direction="left", seed=4,
)  # fmt: skip


def clip(scene: Scene, size: int = 32) -> np.ndarray:
    return render_clip(scene, TIMES, size).astype(int)


def test_a_clip_is_its_frames_in_rgb_bytes():
    frames = render_clip(SOLO, TIMES, 48)
    assert frames.shape == (6, 48, 48, 3) and frames.dtype == np.uint8
    assert np.array_equal(frames[2], render_frame(SOLO, TIMES[2], 48))
    assert render_clip(SOLO, [], 48).shape == (0, 48, 48, 3)


@pytest.mark.parametrize("look", world.LOOKS)
@pytest.mark.parametrize("scene", [SOLO, DUO, replace(SOLO, camera="pan left", weather="snow")])
def test_the_same_scene_is_drawn_the_same_way(scene, look):
    scene = replace(scene, look=look)
    assert np.array_equal(clip(scene), clip(scene))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("place", world.PLACES),
        ("time", world.TIMES),
        ("weather", world.WEATHERS),
        ("motion", world.MOTIONS),
        ("camera", world.CAMERAS),
        ("look", world.LOOKS),
    ],
)
def test_every_value_of_an_attribute_looks_different(name, values):
    clips = [clip(replace(SOLO, **{name: value})) for value in values]
    for one, two in combinations(clips, 2):
        assert np.abs(one - two).mean() > 0.3


@pytest.mark.parametrize("look", world.LOOKS)
def test_subjects_colours_and_sizes_look_different(look):
    base = replace(SOLO, look=look)
    for name, values in (("subject", world.SUBJECTS), ("colour", world.COLOURS), ("size", world.SIZES)):
        clips = [clip(replace(base, actor=replace(base.actor, **{name: value}))) for value in values]
        for one, two in combinations(clips, 2):
            assert np.abs(one - two).mean() > 0.3


@pytest.mark.parametrize("look", world.LOOKS)
@pytest.mark.parametrize("relation", world.RELATIONS)
def test_relations_show_who_does_what_and_which_way(relation, look):
    scene = replace(DUO, relation=relation, direction=None if relation == "circles" else "left", look=look)
    others = [world.swapped(scene)] + [world.opposite(scene)] * (relation != "circles")
    others += [replace(scene, relation=r, direction="left") for r in world.RELATIONS if r != relation]
    for other in others:
        assert np.abs(clip(scene) - clip(other)).mean() > 0.3


def _middle(frame: np.ndarray, background: np.ndarray) -> tuple[float, float]:
    """Mean (x, y) of what the actor covers, as shares of the frame."""
    y, x = np.nonzero(np.abs(frame - background).sum(-1) > 60)
    return x.mean() / frame.shape[1], y.mean() / frame.shape[0]


@pytest.mark.parametrize("subject", world.SUBJECTS)
@pytest.mark.parametrize("motion", ["left", "right", "up", "down"])
def test_moves_go_their_way(subject, motion):
    scene = replace(SOLO, actor=Actor(subject, "purple", "small"), motion=motion)
    frames = render_clip(scene, [0.0, 0.5, 1.0], 64).astype(int)
    background = np.median(frames, axis=0)  # the actor is elsewhere in the other two frames
    (x0, y0), (x1, y1) = _middle(frames[0], background), _middle(frames[2], background)
    dx, dy = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}[motion]
    assert (x1 - x0) * dx + (y1 - y0) * dy > 0.4


def test_sizes_show_the_same_picture():
    small, large = render_frame(SOLO, 0.4, 64), render_frame(SOLO, 0.4, 256)
    shrunk = large.reshape(64, 4, 64, 4, 3).mean((1, 3))
    assert np.abs(small - shrunk).mean() < 8


def test_duration_is_three_to_five_seconds_and_follows_the_seed():
    lengths = [duration(replace(SOLO, seed=seed)) for seed in range(50)]
    assert min(lengths) >= 3 and max(lengths) <= 5 and len(set(lengths)) > 20
    assert duration(SOLO) == duration(replace(SOLO, place="sea"))
