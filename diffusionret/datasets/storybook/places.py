"""The eight places by name, the city and the sky among them. Layers run back to front, in one light."""

from __future__ import annotations

import random

from .brush import Brush
from .coasts import beach, sea
from .lands import desert, field, forest, mountains
from .palette import SNOW, Light, mix, rgb
from .scenery import LEFT, RIGHT, Layer, cloud, puddles, sky
from .shapes import box, oval, polygon


def city(light: Light, rng: random.Random) -> list[Layer]:
    """Two skylines behind a street of gabled houses; windows are lit at night."""
    lit = {"day": 0.0, "sunset": 0.4, "night": 0.6}[light.time]
    glow, dull = rgb("ffdf85"), light.on(rgb("41597a"))

    def skyline(low: float, high: float, tone: str, depth: float) -> Layer:
        def draw(brush: Brush) -> None:
            x = LEFT
            while x < RIGHT:
                width, top = rng.uniform(0.07, 0.15), rng.uniform(high, low)
                colour = light.on(rgb(tone), depth + rng.uniform(-0.06, 0.06))
                brush.shape(box(x, top, width, 1 - top), colour)
                if rng.random() < 0.35:
                    brush.shape(box(x + width * 0.47, top - 0.06, width * 0.07, 0.07), colour, outline=0)
                if light.weather == "snow":
                    brush.fill(
                        box(x - 0.004, top - 0.012, width + 0.008, 0.02, 0.008), light.on(SNOW, depth * 0.5)
                    )
                for row in range(6):
                    for column in range(2):
                        if rng.random() < 0.55:
                            pane = box(
                                x + width * (0.2 + 0.36 * column),
                                top + 0.035 + 0.055 * row,
                                width * 0.22,
                                0.026,
                            )
                            on = rng.random() < lit
                            brush.fill(
                                pane, glow if on else mix(colour, light.sky[0], 0.35), 0.95 if on else 0.6
                            )
                x += width + rng.uniform(0.0, 0.012)

        return Layer(0.25 + 0.3 * (1 - depth), draw)

    def houses(brush: Brush) -> None:
        x = LEFT
        while x < RIGHT:
            width, top = rng.uniform(0.16, 0.22), rng.uniform(0.44, 0.54)
            wall = light.on(rgb(rng.choice(("e8cdb0", "d9b79f", "c9c2b4", "b9c4c4", "dcc7a0", "c7a99c"))))
            roof = light.on(rgb(rng.choice(("8c5a52", "6f5a66", "7a6a58"))))
            brush.shape(box(x, top, width, 0.8 - top), wall, mix(wall, light.on(rgb("5a5068")), 0.2))
            gable = polygon(
                ((x - 0.012, top + 0.005), (x + width / 2, top - 0.1), (x + width + 0.012, top + 0.005)), 0.01
            )
            brush.shape(gable, roof)
            if light.weather == "snow":
                cap = polygon(
                    (
                        (x + width * 0.08, top - 0.02),
                        (x + width / 2, top - 0.108),
                        (x + width * 0.92, top - 0.02),
                        (x + width / 2, top - 0.06),
                    )
                )
                brush.shape(cap, light.on(SNOW), outline=0)
            for row in range(2):
                for column in range(3):
                    pane = box(
                        x + width * (0.13 + 0.28 * column),
                        top + 0.035 + 0.1 * row,
                        width * 0.18,
                        0.058,
                        0.006,
                    )
                    brush.fill(pane, glow if rng.random() < lit * 1.25 else dull)
            door = box(x + width * 0.4, 0.69, width * 0.22, 0.11, 0.02)
            brush.shape(door, light.on(rgb("6a5248")))
            x += width + 0.006

    def street(brush: Brush) -> None:
        kerb = light.ground(rgb("bdb6ac"))
        brush.shape(box(-0.2, 0.775, 1.4, 0.06), kerb, mix(kerb, light.on(rgb("605c66")), 0.3))
        road = light.ground(rgb("6d7080"))
        brush.shape(box(-0.2, 0.825, 1.4, 0.35), road, mix(road, light.on(rgb("3e4152")), 0.35))
        for i in range(9):
            brush.fill(box(LEFT + i * 0.15 + 0.02, 0.925, 0.085, 0.017, 0.006), light.on(rgb("f4e9c9")), 0.85)
        puddles(brush, light, rng, 0.86)

    return [
        *sky(light, rng, 0.62, clouds=3),
        skyline(0.42, 0.2, "7f93b5", 0.5),
        skyline(0.5, 0.3, "6b7fa3", 0.25),
        Layer(0.8, houses),
        Layer(1.0, street),
    ]


def sky_high(light: Light, rng: random.Random) -> list[Layer]:
    """High up: no ground at all, clouds beside and below, a rainbow on a clear day."""

    def bow(brush: Brush) -> None:
        if light.weather != "clear" or light.time != "day":
            return
        x = rng.uniform(0.3, 0.7)
        for i, tone in enumerate(("e58a84", "f0b87a", "f3dd8c", "9fcf9a", "8db8e0", "b3a0d6")):
            brush.stroke(oval(x, 0.95, 0.62 - 0.022 * i), rgb(tone), 0.023, 0.55)

    def bank(y: float, size: float, count: int, near: float, bright: float) -> Layer:
        def draw(brush: Brush) -> None:
            for i in range(count):
                x = LEFT + (i + rng.uniform(0.2, 0.8)) * (RIGHT - LEFT) / count
                cloud(
                    brush, light, rng, x, y + rng.uniform(-0.03, 0.03), size * rng.uniform(0.85, 1.2), bright
                )

        return Layer(near, draw)

    def floor(brush: Brush) -> None:
        for row, y in enumerate((0.85, 0.93, 1.01)):
            for i in range(6):
                x = LEFT + (i + 0.5 * (row % 2) + rng.uniform(-0.15, 0.15)) * (RIGHT - LEFT) / 5.5
                cloud(brush, light, rng, x, y, rng.uniform(0.12, 0.16), 0.45 + 0.12 * row)

    layers = [bank(0.2, 0.08, 3, 0.2, 0.15), bank(0.42, 0.1, 2, 0.4, 0.25), bank(0.66, 0.12, 4, 0.6, 0.35)]
    return [*sky(light, rng, 1.0, stars=80, clouds=0), Layer(0.1, bow), *layers, Layer(1.0, floor)]


# Height of the ground that actors stand on, in shares of the frame from its top.
GROUND = {
    "city": 0.86, "sea": 0.8, "forest": 0.87, "beach": 0.86,
    "field": 0.86, "desert": 0.86, "mountains": 0.87, "sky": 0.87,
}  # fmt: skip

PLACES = {
    "city": city, "sea": sea, "forest": forest, "beach": beach,
    "field": field, "desert": desert, "mountains": mountains, "sky": sky_high,
}  # fmt: skip
