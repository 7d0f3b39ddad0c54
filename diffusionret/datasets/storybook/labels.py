"""What is to be seen in a single frame, as numbers: which things, and of each its colour, place, pose and part.

Whatever draws a world knows all of this for nothing, where a photograph would need a person.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from . import lessons, world
from .world import Scene

TRAITS = ("subject", "colour", "size", *world.SETTING)  # the groups of lessons.truth that one frame tells
# Where the other one is, seen from here: 0 where there is none.
NUMBERS = ("x", "y", "log size", "sin turn", "cos turn", "faces left", "other x", "other y")


class FrameLabels(NamedTuple):
    """traits: as in lessons.truth. Of each subject: present [frame subject], its colour [frame subject] (an index
    into COLOURS, 0 where absent), stance [frame subject NUMBERS], each number roughly in [-2, 2], acts [frame
    subject]: which of two acts upon the other.
    """

    traits: dict[str, np.ndarray]
    present: np.ndarray
    colour: np.ndarray
    stance: np.ndarray
    acts: np.ndarray


def frame_labels(scenes: Sequence[Scene], times: Sequence[float]) -> FrameLabels:
    """Of the frame of each scene at its time in [0, 1]."""
    from .motion import SIZE, course
    from .places import GROUND

    truth = lessons.truth(scenes)
    shape = (len(scenes), len(world.SUBJECTS))
    present, colour = np.zeros(shape, bool), np.zeros(shape, np.int64)
    stance, acts = np.zeros((*shape, len(NUMBERS)), np.float32), np.zeros(shape, bool)
    for i, (scene, t) in enumerate(zip(scenes, times, strict=True)):
        cast = course(scene, GROUND[scene.place])(t)
        for one, other in zip(cast, reversed(cast), strict=True):
            s, turn = one.stance, math.radians(one.stance.turn)
            of = (i, world.SUBJECTS.index(one.actor.subject))
            present[of] = True
            colour[of] = world.COLOURS.index(one.actor.colour)
            acts[of] = scene.other is not None and one.actor.subject == scene.actor.subject
            size = 2 * math.log(s.size / SIZE["medium"])
            facing = 1.0 if s.left else -1.0
            away = 4 * (other.stance.x - s.x), 4 * (other.stance.y - s.y)
            stance[of] = (4 * s.x - 2, 4 * s.y - 2, size, math.sin(turn), math.cos(turn), facing, *away)
    return FrameLabels({name: truth[name] for name in TRAITS}, present, colour, stance, acts)
