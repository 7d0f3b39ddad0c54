"""Characters on the canvas: the twenty figures, their colours, outlines and pictures."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import skia

from . import animals, vehicles
from .brush import Brush, hatching
from .figures import Figure
from .palette import ACTOR, CREAM, INK, PAPER, WHITE, Colour, Light, mix, rgb
from .shapes import joined, oval

FIGURES = {
    "car": vehicles.car, "bus": vehicles.bus, "boat": vehicles.boat, "airplane": vehicles.airplane,
    "rocket": vehicles.rocket, "balloon": vehicles.balloon, "ball": vehicles.ball, "kite": vehicles.kite,
    "umbrella": vehicles.umbrella, "robot": vehicles.robot,
    "bird": animals.bird, "butterfly": animals.butterfly, "bee": animals.bee, "fish": animals.fish,
    "turtle": animals.turtle, "cat": animals.cat, "dog": animals.dog, "rabbit": animals.rabbit,
    "elephant": animals.elephant, "frog": animals.frog,
}  # fmt: skip

# Subjects that fly rather than stand on the ground.
FLYERS = frozenset(("airplane", "rocket", "balloon", "kite", "bird", "butterfly", "bee"))
# Subjects without a side view: they lean into a sideways move instead of turning round.
UPRIGHT = frozenset(("rocket", "balloon", "kite", "umbrella", "butterfly", "frog"))

NEUTRALS = {
    "ink": INK, "eye": WHITE, "tyre": rgb("30344a"), "metal": rgb("b9c2cf"), "glass": rgb("cfeaf5"),
    "lamp": rgb("fff0b0"), "wood": rgb("8a6246"), "cloth": rgb("fbf6ea"), "string": rgb("6b6f86"),
    "fire": rgb("ffb347"), "screen": rgb("2c3350"), "beak": rgb("f3a63b"), "wing": rgb("e6f1f7"),
    "skin": rgb("d8c79a"), "rosy": rgb("e9a7a0"), "collar": rgb("4a5068"),
}  # fmt: skip


class Extent(NamedTuple):
    """Half width and half height of a figure whose longer side is 1, and what fits it into that box."""

    width: float
    height: float
    scale: float
    x: float
    y: float


@lru_cache(64)
def extent(subject: str) -> Extent:
    """How much room a subject takes."""
    bounds = FIGURES[subject](0.0).outline.computeTightBounds()
    scale = 1 / max(bounds.width(), bounds.height())
    return Extent(
        bounds.width() * scale / 2, bounds.height() * scale / 2, scale, -bounds.centerX(), -bounds.centerY()
    )


@lru_cache(512)
def figure(subject: str, step: int) -> Figure:
    """The figure at step / 16 of its beat."""
    return FIGURES[subject](step / 16)


@lru_cache(512)
def silhouette(subject: str, step: int) -> skia.Path:
    """The outer edge of that figure."""
    return joined(figure(subject, step).outline)


@lru_cache(128)
def tones(colour: str, light: Light) -> dict[str, Colour]:
    """Colours of the tones of a figure."""
    body = ACTOR[colour]
    if colour == "white":
        shades = {"dark": rgb("e0e3ec"), "deep": rgb("b9bfd0"), "light": WHITE}
        marks = {"pale": rgb("e6e8ef"), "panel": rgb("b3bdd3")}
    else:
        shade = mix(INK, body, 0.25)
        shades = {
            "dark": mix(body, shade, 0.22),
            "deep": mix(body, shade, 0.42),
            "light": mix(body, WHITE, 0.28),
        }
        marks = {"pale": mix(body, WHITE, 0.62), "panel": NEUTRALS["cloth"]}
    edge = rgb("48517a") if colour == "white" else mix(body, INK, 0.68)
    every = NEUTRALS | {"body": body, "edge": edge} | shades | marks
    return {name: light.actor(tone) for name, tone in every.items()}


class Stance(NamedTuple):
    """Where and how an actor stands at one moment. Lengths are shares of the frame, x and y its middle."""

    x: float
    y: float
    size: float  # of the longer side
    turn: float = 0.0  # degrees, clockwise
    wide: float = 1.0  # stretch of its width
    tall: float = 1.0  # stretch of its height
    left: bool = False  # faces left
    beat: float = 0.0  # steps or wing strokes since the start


def draw_actor(brush: Brush, subject: str, colour: str, stance: Stance, light: Light) -> None:
    """One actor in its stance, with a dark outline and a light rim that lift it off any background."""
    room, tone = extent(subject), tones(colour, light)
    step = round(stance.beat * 16) % 160
    shape = figure(subject, step)
    scale = stance.size * room.scale
    canvas = brush.canvas
    canvas.save()
    canvas.translate(stance.x, stance.y)
    canvas.rotate(stance.turn)
    canvas.scale(-scale * stance.wide if stance.left else scale * stance.wide, scale * stance.tall)
    canvas.translate(room.x, room.y)
    if brush.sketch:
        _crayon(brush, shape, silhouette(subject, step), tone, scale)
    else:
        # A cream rim would dissolve a white actor in snow and clouds.
        rim, alpha = (rgb("6b76a3"), 0.45) if colour == "white" else (CREAM, 0.85)
        brush.stroke(shape.outline, rim, 0.034 / scale, alpha)
        brush.stroke(shape.outline, tone["edge"], 0.016 / scale)
        for path, name, width in shape.parts:
            if width:
                brush.stroke(path, tone[name], max(width, 0.006 / scale))
            elif name == "body":
                brush.fade(
                    path,
                    mix(tone["body"], tone["light"], 0.5),
                    mix(tone["body"], tone["dark"], 0.5),
                    -0.5,
                    0.5,
                )
            else:
                brush.fill(path, tone[name])
    canvas.restore()


def _crayon(brush: Brush, shape: Figure, edge: skia.Path, tone: dict[str, Colour], scale: float) -> None:
    own = ("body", "dark", "deep", "light")
    brush.stroke(edge, PAPER, 0.03 / scale, 0.8)
    crayoned = skia.Path()
    for path, name, width in shape.parts:
        if width:
            brush.scribble(path, INK, max(width, 0.007 / scale), 0.01, lines=1)
        elif name in own:
            brush.fill(path, mix(tone[name], PAPER, 0.3))
            crayoned.addPath(path)
        else:
            brush.fill(path, mix(tone[name], PAPER, 0.15))
    # Details are drawn over the crayon, so that faces stay clean.
    brush.canvas.save()
    brush.canvas.clipPath(crayoned, doAntiAlias=True)
    brush.stroke(hatching(0.085), mix(tone["body"], INK, 0.12), 0.03, 0.55)
    brush.canvas.restore()
    for path, name, width in shape.parts:
        if not width and name not in own:
            brush.fill(path, mix(tone[name], PAPER, 0.1))
        if not width:
            brush.scribble(path, INK, 0.006 / scale, 0.0055, 0.5, lines=1)
    brush.scribble(edge, INK, 0.007 / scale, 0.009, 0.8, lines=2)


def draw_shadow(brush: Brush, subject: str, stance: Stance, ground: float, light: Light) -> None:
    """Contact shadow on the ground below an actor: wider and fainter the higher it is."""
    height = max(ground - stance.y - extent(subject).height * stance.size, 0.0)
    fade = 1 / (1 + 5 * height)
    rx = stance.size * (extent(subject).width * 0.95 + 0.1) * (0.75 + 0.25 * fade)
    if brush.sketch:
        smudge = oval(round(stance.x, 3), ground, round(rx * 0.9, 3), 0.018)
        brush.fill(smudge, INK, 0.16 * fade)
        return
    colour = rgb("0a0f2a") if light.time == "night" else mix(light.ground(rgb("3c4a5e")), INK, 0.5)
    brush.shadow(stance.x, ground, rx, 0.035 + 0.05 * stance.size, colour, 0.62 * fade)
