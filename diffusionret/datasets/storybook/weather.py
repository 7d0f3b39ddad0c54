"""What falls from the sky: streaks of rain, flakes of snow."""

from __future__ import annotations

import random

import skia

from .brush import Brush
from .palette import INK, WHITE, Light, mix, rgb


class Weather:
    """Rain or snow of one clip; nothing in clear weather. Half of it falls behind the actors."""

    def __init__(self, light: Light, seed: int):
        rng = random.Random(f"weather {seed}")
        self.light = light
        count = {"clear": 0, "rain": 70, "snow": 64}[light.weather]
        self.drops = [(rng.random() * 1.3 - 0.15, rng.random(), rng.random()) for _ in range(count)]
        self.phases = [rng.random() for _ in self.drops]

    def draw(self, brush: Brush, t: float, front: bool) -> None:
        """Draw the half behind or in front of the actors at clip position t in [0, 1]."""
        if self.light.weather == "rain":
            self._rain(brush, t, front)
        elif self.light.weather == "snow":
            self._snow(brush, t, front)

    def _rain(self, brush: Brush, t: float, front: bool) -> None:
        points = []
        for x, y, depth in self.drops[front::2]:
            fall = (y + t * (5.2 + 2 * depth)) % 1.2 - 0.1
            length = 0.07 + 0.06 * depth
            left = x - 0.22 * fall
            points += [skia.Point(left, fall), skia.Point(left - 0.22 * length, fall + length)]
        colour = mix(rgb("e6f1fb"), rgb("9fb4d6"), 0.5 if self.light.time == "night" else 0.0)
        if brush.sketch:
            colour = rgb("5b7ba6")
        brush.pen.setColor4f(skia.Color4f(*colour, 0.62 if front else 0.75))
        brush.pen.setStrokeWidth(0.0075 if front else 0.0095)
        brush.canvas.drawPoints(skia.Canvas.PointMode.kLines_PointMode, points, brush.pen)

    def _snow(self, brush: Brush, t: float, front: bool) -> None:
        sizes = (0.016, 0.026) if front else (0.018, 0.03)
        for i, width in enumerate(sizes):
            points = []
            for (x, y, depth), phase in list(zip(self.drops, self.phases, strict=True))[front * 2 + i :: 4]:
                fall = (y + t * (0.75 + 0.6 * depth)) % 1.1 - 0.05
                drift = 0.03 * (1 - 2 * abs((2 * (t * 0.8 + phase)) % 2 - 1))
                points.append(skia.Point(x + drift - 0.05 * fall, fall))
            if brush.sketch:
                brush.pen.setColor4f(skia.Color4f(*mix(INK, rgb("7f95c4"), 0.8), 0.6))
                brush.pen.setStrokeWidth(width * 1.25)
                brush.canvas.drawPoints(skia.Canvas.PointMode.kPoints_PointMode, points, brush.pen)
            brush.pen.setColor4f(skia.Color4f(*WHITE, 0.88 if front else 0.95))
            brush.pen.setStrokeWidth(width)
            brush.canvas.drawPoints(skia.Canvas.PointMode.kPoints_PointMode, points, brush.pen)
