"""Comic marks that say what an actor is up to: alarm, speed, effort."""

from __future__ import annotations

import math

from .brush import Brush
from .motion import Stance
from .palette import INK, WHITE, Light, mix
from .shapes import limb, oval


def draw_mark(brush: Brush, mark: str, stance: Stance, t: float, light: Light) -> None:
    """Draw the mark of an actor behind it. Its size follows the actor's."""
    {"alarm": _alarm, "speed": _speed, "effort": _effort}[mark](brush, stance, t, light)


def _alarm(brush: Brush, stance: Stance, t: float, light: Light) -> None:
    """Three strokes that burst from above the head."""
    x, y = stance.x, stance.y - stance.size * 0.42
    for angle in (-35, 0, 35):
        a = math.radians(angle - 90)
        near, far = stance.size * 0.2, stance.size * (0.36 + 0.04 * math.sin(20 * t))
        stroke = limb(
            x + near * math.cos(a),
            y + near * math.sin(a),
            x + far * math.cos(a),
            y + far * math.sin(a),
            0.013,
        )
        brush.stroke(stroke, INK, 0.012, 0.8)
        brush.fill(stroke, WHITE)


def _speed(brush: Brush, stance: Stance, t: float, light: Light) -> None:
    """Lines that trail behind."""
    back = 1 if stance.left else -1
    colour = mix(light.sky[2], WHITE, 0.75)
    for i, dy in enumerate((-0.22, 0.0, 0.22)):
        start = stance.x + back * stance.size * (0.5 + 0.05 * ((i + round(9 * t)) % 3))
        stroke = limb(
            start,
            stance.y + dy * stance.size,
            start + back * 0.3 * stance.size,
            stance.y + dy * stance.size,
            0.01,
        )
        brush.stroke(stroke, INK, 0.007, 0.35)
        brush.fill(stroke, colour, 0.95)


def _effort(brush: Brush, stance: Stance, t: float, light: Light) -> None:
    """Puffs of dust at the heels."""
    back = 1 if stance.left else -1
    colour = mix(light.sky[2], WHITE, 0.6)
    for i in range(3):
        age = (2.5 * t + i / 3) % 1
        x = stance.x + back * stance.size * (0.42 + 0.34 * age)
        y = stance.y + stance.size * (0.36 - 0.14 * age)
        puff = oval(round(x, 3), round(y, 3), round(stance.size * (0.06 + 0.07 * age), 3))
        brush.stroke(puff, INK, 0.007, 0.35 * (1 - age))
        brush.fill(puff, colour, 0.95 - 0.6 * age)
