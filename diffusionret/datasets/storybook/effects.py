"""Comic marks that say what an actor is up to: alarm, speed, effort."""

from __future__ import annotations

import math

from .brush import Brush
from .motion import Stance
from .palette import ALARM, INK, WHITE, Light, mix
from .shapes import limb, oval


def draw_mark(brush: Brush, mark: str, stance: Stance, t: float, light: Light) -> None:
    """Draw the mark of an actor behind it. Its size follows the actor's."""
    {"alarm": _alarm, "speed": _speed, "effort": _effort}[mark](brush, stance, t, light)


def _alarm(brush: Brush, stance: Stance, t: float, light: Light) -> None:
    """Three strokes that burst from above the head."""
    x, y = stance.x, stance.y - stance.size * 0.4
    for angle in (-40, 0, 40):
        a = math.radians(angle - 90)
        near, far = stance.size * 0.18, stance.size * (0.42 + 0.05 * math.sin(20 * t))
        stroke = limb(
            x + near * math.cos(a),
            y + near * math.sin(a),
            x + far * math.cos(a),
            y + far * math.sin(a),
            0.024,
        )
        brush.stroke(stroke, INK, 0.014, 0.9)
        brush.fill(stroke, ALARM)


def _speed(brush: Brush, stance: Stance, t: float, light: Light) -> None:
    """Bars that trail behind, broad enough to be seen in a thumbnail."""
    back = 1 if stance.left else -1
    colour = mix(light.sky[2], WHITE, 0.8)
    for i, dy in enumerate((-0.26, 0.0, 0.26)):
        start = stance.x + back * stance.size * (0.52 + 0.05 * ((i + round(9 * t)) % 3))
        stroke = limb(
            start,
            stance.y + dy * stance.size,
            start + back * 0.42 * stance.size,
            stance.y + dy * stance.size,
            0.022,
        )
        brush.stroke(stroke, INK, 0.01, 0.6)
        brush.fill(stroke, colour, 0.95)


def _effort(brush: Brush, stance: Stance, t: float, light: Light) -> None:
    """Puffs of dust at the heels."""
    back = 1 if stance.left else -1
    colour = mix(light.sky[2], WHITE, 0.7)
    for i in range(4):
        age = (2.5 * t + i / 4) % 1
        x = stance.x + back * stance.size * (0.46 + 0.42 * age)
        y = stance.y + stance.size * (0.34 - 0.3 * age)
        puff = oval(round(x, 3), round(y, 3), round(stance.size * (0.09 + 0.1 * age), 3))
        brush.stroke(puff, INK, 0.012, 0.6 * (1 - 0.6 * age))
        brush.fill(puff, colour, 0.95 - 0.35 * age)
