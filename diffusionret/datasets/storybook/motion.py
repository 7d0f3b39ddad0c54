"""Who is where at each moment of a clip: the motions of one actor, the relations of two."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import NamedTuple

from .actors import FLYERS, UPRIGHT, Stance, extent
from .world import Actor, Scene

SIZE = {"big": 0.42, "small": 0.24, "medium": 0.28}  # of the longer side, in shares of the frame
MARGIN = 0.035  # kept free at the edges of the frame
BEATS = 4.4  # steps or wing strokes in a clip; no multiple of the usual numbers of sampled frames


class Cast(NamedTuple):
    """One actor at one moment. `ground`: height of its shadow. `mark`: what shows its intention."""

    actor: Actor
    stance: Stance
    ground: float
    mark: str | None = None  # "alarm", "speed" or "effort"


Course = Callable[[float], list[Cast]]  # t in [0, 1] -> the actors, those behind first


def course(scene: Scene, ground: float) -> Course:
    """The paths of a scene's actors over a ground at this height."""
    rng = random.Random(f"motion {scene.seed}")
    return _solo(scene, ground, rng) if scene.other is None else _duo(scene, ground, rng)


def _lean(subject: str, left: bool) -> float:
    """How far a subject tilts when it moves sideways, in degrees."""
    angle = 64 if subject == "rocket" else 10 if subject in UPRIGHT else 0
    return -angle if left else angle


def _wave(turns: float) -> float:
    return math.sin(math.tau * turns)


def _solo(scene: Scene, ground: float, rng: random.Random) -> Course:
    actor, motion = scene.actor, scene.motion
    subject, size = actor.subject, SIZE[actor.size]
    reach = size / 2 + MARGIN  # the middle keeps this distance from the edges, however the actor turns
    room = 0.5 - reach
    height = extent(subject).height * size
    flies = subject in FLYERS
    side, left, phase = rng.uniform(-1, 1), rng.random() < 0.5, rng.random()
    x0 = 0.5 + 0.5 * room * side
    standing = ground - height
    y0 = min(0.5 - 0.06 * rng.random(), standing - 0.05) if flies else standing
    handed = -1 if left else 1
    hover = 0.012 if flies else 0.0

    def at(t: float) -> Stance:
        beat = BEATS * t
        if motion in ("left", "right"):
            to_left = motion == "left"
            x = 0.5 + room * (1 - 2 * t if to_left else 2 * t - 1)
            bob = 0.018 * _wave(beat) if flies else -0.012 * abs(_wave(beat / 2))
            return Stance(x, y0 + bob, size, _lean(subject, to_left), left=to_left, beat=beat)
        if motion in ("up", "down"):
            rise = 2 * t - 1 if motion == "down" else 1 - 2 * t
            return Stance(
                0.5 + 0.4 * room * side, 0.5 + room * rise, size, 3 * _wave(1.5 * t), left=left, beat=beat
            )
        if motion == "bounce":
            hop = abs(math.sin(math.pi * 2.5 * t))
            squash = max(0.0, 1 - 3.2 * hop)
            leap = min(0.42, standing - reach) * hop
            tall = 1 - 0.28 * squash + 0.06 * hop
            return Stance(
                x0, standing - leap + height * (1 - tall), size, 0, 2 - tall - 0.02, tall, left, 2.5 * t
            )
        if motion == "spin":
            return Stance(0.5 + 0.3 * room * side, 0.52, size, handed * 600 * t, left=left, beat=0.25)
        if motion == "circle":
            a = math.tau * (phase + handed * 1.05 * t)
            x, y = 0.5 + min(room, 0.3) * math.cos(a), 0.5 + min(room, 0.3) * math.sin(a)
            return Stance(
                x,
                y,
                size,
                _lean(subject, handed * math.sin(a) > 0) * 0.3,
                left=handed * math.sin(a) > 0,
                beat=beat,
            )
        if motion == "swing":
            s = _wave(1.25 * t) * handed
            x = 0.5 + min(room, 0.3) * s
            return Stance(x, min(y0, 0.62) - 0.14 * s * s, size, -26 * s, left=left, beat=beat / 3)
        if motion == "zigzag":
            corner = 1 - 4 * abs((3 * t + 0.25) % 1 - 0.5)  # between -1 and 1, with sharp corners
            x = 0.5 + room * handed * (2 * t - 1)
            y = 0.5 + min(room, 0.25) * corner
            return Stance(x, y, size, _lean(subject, left) * 0.6, left=left, beat=beat)
        if motion in ("grow", "shrink"):
            now = size * (0.5 + 1.1 * (t if motion == "grow" else 1 - t))
            y = 0.5 if flies else ground - extent(subject).height * now
            return Stance(0.5 + 0.12 * side, y, now, left=left, beat=beat / 4)
        breath = 0.02 * _wave(1.5 * t)
        y = y0 + hover * _wave(t) - height * (breath if not flies else 0)
        return Stance(x0, y, size, 0, 1 - breath / 2, 1 + breath, left, 0.35)

    return lambda t: [Cast(actor, at(t), ground)]


def _half(subject: str, size: float, turn: float = 0.0) -> tuple[float, float]:
    """Half width and half height of a turned actor."""
    room, a = extent(subject), math.radians(turn)
    c, s = abs(math.cos(a)), abs(math.sin(a))
    return size * (room.width * c + room.height * s), size * (room.width * s + room.height * c)


def _duo(scene: Scene, ground: float, rng: random.Random) -> Course:
    one, two, size = scene.actor, scene.other, SIZE["medium"]
    if two is None:
        raise ValueError("A relation needs two actors.")
    to_left = scene.direction == "left"
    if scene.relation == "circles":
        return _orbit(one, two, size, rng)
    both_fly = one.subject in FLYERS and two.subject in FLYERS
    lift = 0.2 if both_fly else 0.01
    lean1, lean2 = _lean(one.subject, to_left), _lean(two.subject, to_left)
    (w1, h1), (w2, h2) = _half(one.subject, size, lean1), _half(two.subject, size, lean2)
    y1, y2 = ground - lift - h1, ground - lift - h2
    start, end = MARGIN + w1, 1 - MARGIN - w2

    def place(x: float) -> float:  # courses are written for a move to the right
        return 1 - x if to_left else x

    def chases(t: float) -> list[Cast]:
        gap = w1 + w2 + 0.13 - 0.11 * t
        last = end - (w1 + w2 + 0.02)
        x1 = start + (last - start) * t
        hop1, hop2 = abs(_wave(1.5 * t)) * 0.03, abs(_wave(2.3 * t + 0.2)) * 0.06
        prey = Stance(place(x1 + gap), y2 - hop2, size, lean2, left=to_left, beat=1.2 * BEATS * t)
        hunter = Stance(
            place(x1), y1 - hop1, size, lean1 + (-5 if to_left else 5), left=to_left, beat=1.2 * BEATS * t
        )
        return [Cast(two, prey, ground, "alarm"), Cast(one, hunter, ground, "speed")]

    def pushes(t: float) -> list[Cast]:
        gap = w1 + w2 - 0.03
        x1 = start + (end - gap - start) * t
        tip = -1 if to_left else 1
        pushed = Stance(place(x1 + gap), y2, size, lean2 + 4 * tip * _wave(3 * t), left=to_left, beat=0.3)
        height = y1 if one.subject not in FLYERS or both_fly else min(y1, y2)
        pusher = Stance(place(x1), height, size, lean1 + 11 * tip, left=to_left, beat=0.7 * BEATS * t)
        return [Cast(two, pushed, ground), Cast(one, pusher, ground, "effort")]

    def carries(t: float) -> list[Cast]:
        x = MARGIN + max(w1, w2) + (1 - 2 * MARGIN - 2 * max(w1, w2)) * t
        bob = 0.01 * _wave(2 * t)
        carrier = Stance(place(x), y1 + min(bob, 0), size, lean1, left=to_left, beat=BEATS * t)
        rider_height = _half(two.subject, size)[1]
        rider = Stance(
            place(x), y1 - h1 - rider_height * 0.88 + 1.5 * min(bob, 0), size, 0, left=to_left, beat=0.3
        )
        return [Cast(two, rider, ground), Cast(one, carrier, ground)]

    def jumps_over(t: float) -> list[Cast]:
        x = start + (1 - 2 * start) * t
        air = max(0.0, 1 - ((t - 0.5) / 0.42) ** 2)  # on the ground at both ends
        clear = 2 * _half(two.subject, size)[1] + 0.05 + (0.05 if both_fly else 0)
        peak = min(clear, y1 - h1 - MARGIN)
        tilt = 24 * (2 * t - 1) if air else 0
        standing = Stance(0.5, ground - lift - _half(two.subject, size)[1], size, left=to_left, beat=0.3)
        leaper = Stance(
            place(x),
            y1 - peak * min(air * 1.15, 1),
            size,
            lean1 + (-tilt if to_left else tilt),
            left=to_left,
            beat=2 * t,
        )
        return [Cast(two, standing, ground), Cast(one, leaper, ground)]

    courses: dict[str | None, Course] = {
        "chases": chases,
        "pushes": pushes,
        "carries": carries,
        "jumps over": jumps_over,
    }
    return courses[scene.relation]


def _orbit(one: Actor, two: Actor, size: float, rng: random.Random) -> Course:
    phase, handed, left = rng.random(), rng.choice((-1, 1)), rng.random() < 0.5
    middle = 0.53
    floor = middle + _half(two.subject, size)[1]

    def circles(t: float) -> list[Cast]:
        a = math.tau * (phase + handed * 1.05 * t)
        x, y = 0.5 + 0.32 * math.cos(a), middle + 0.29 * math.sin(a)
        to_left = handed * math.sin(a) > 0
        mover = Stance(x, y, size, _lean(one.subject, to_left) * 0.3, left=to_left, beat=BEATS * t)
        still = Cast(two, Stance(0.5, middle, size, left=left, beat=0.3), floor)
        moving = Cast(one, mover, min(floor + 0.14 + 0.12 * math.sin(a), 0.97))
        return [still, moving] if y > middle else [moving, still]

    return circles
