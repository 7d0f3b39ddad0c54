"""The places of the open land. Each function gives the layers of its scenery, back to front, in one light."""

from __future__ import annotations

import random

from .brush import Brush
from .palette import SNOW, Light, mix, rgb
from .scenery import LEFT, RIGHT, Layer, fir, height_at, hill, leafy, mountain, puddles, rolling, sky, tufts
from .shapes import blob, box, limb, oval, polygon, ridge


def forest(light: Light, rng: random.Random) -> list[Layer]:
    """Ranks of firs up to the top of the frame, great trunks at the sides."""
    greens = ("2f6b52", "2c7350", "3a7d55", "4a8756")

    def rank(foot: float, low: float, high: float, step: float, depth: float) -> Layer:
        def draw(brush: Brush) -> None:
            hill(brush, light, rolling(rng, foot, 0.012), rgb("4f8a57"), depth)
            x = LEFT + rng.uniform(0, step)
            while x < RIGHT:
                fir(brush, light, x, foot + 0.02, rng.uniform(low, high), depth, rgb(rng.choice(greens)))
                x += step * rng.uniform(0.75, 1.25)

        return Layer(0.3 + 0.5 * (1 - depth), draw)

    def trunks(brush: Brush) -> None:
        bark = light.on(rgb("5b4036"))
        for x in (
            rng.uniform(-0.1, 0.0),
            rng.uniform(0.14, 0.2),
            rng.uniform(0.82, 0.88),
            rng.uniform(1.0, 1.1),
        ):
            w = rng.uniform(0.026, 0.036)
            brush.shape(
                polygon(
                    (
                        (x - w, -0.1),
                        (x + w, -0.1),
                        (x + w * 1.1, 0.7),
                        (x + w * 2, 0.8),
                        (x - w * 2, 0.8),
                        (x - w * 1.1, 0.7),
                    )
                ),
                bark,
                mix(bark, light.on(rgb("2a2030")), 0.4),
            )
            for i in range(5):
                brush.fill(
                    limb(x - w * 0.3, 0.1 + 0.13 * i, x - w * 0.3, 0.15 + 0.13 * i, 0.007),
                    mix(bark, light.on(rgb("2a2030")), 0.5),
                )
        leaf = light.on(rgb("2a5f45"))
        for x in [LEFT + i * 0.115 for i in range(12)]:
            if abs(x - 0.5) > 0.22:
                brush.shape(oval(x, rng.uniform(-0.05, 0.0), 0.1, rng.uniform(0.08, 0.13)), leaf)
                if light.weather == "snow":
                    brush.fill(oval(x, -0.03, 0.09, 0.045), light.on(SNOW))

    def floor(brush: Brush) -> None:
        hill(brush, light, rolling(rng, 0.775, 0.012), rgb("5f9a57"), 0.0, 0.3)
        for _ in range(4):
            x, y = rng.uniform(LEFT, RIGHT), rng.uniform(0.9, 0.97)
            brush.shape(box(x - 0.008, y - 0.03, 0.016, 0.035, 0.006), light.on(rgb("f1e6d2")), outline=0)
            brush.shape(
                blob(((x - 0.03, y - 0.026), (x, y - 0.06), (x + 0.03, y - 0.026), (x, y - 0.022))),
                light.ground(rgb("c9705a")),
                outline=0.5,
            )
        for _ in range(14):
            x, y = rng.uniform(LEFT, RIGHT), rng.uniform(0.8, 1.0)
            for dx in (-0.014, 0.0, 0.014):
                brush.fill(limb(x, y, x + dx, y - 0.03, 0.006), light.ground(rgb("3f7a48")))
        puddles(brush, light, rng, 0.84)

    return [
        *sky(light, rng, 0.6, stars=30, clouds=2),
        rank(0.62, 0.34, 0.5, 0.095, 0.62),
        rank(0.68, 0.42, 0.6, 0.13, 0.36),
        rank(0.74, 0.44, 0.62, 0.2, 0.12),
        Layer(0.85, trunks),
        Layer(1.0, floor),
    ]


def field(light: Light, rng: random.Random) -> list[Layer]:
    """Rolling meadows in stripes, a windmill, a fence, flowers."""
    back = rolling(rng, 0.54, 0.03)
    middle = rolling(rng, 0.62, 0.025)

    def far(brush: Brush) -> None:
        hill(brush, light, rolling(rng, 0.5, 0.03), rgb("8dbb8a"), 0.5)

    def farm(brush: Brush) -> None:
        hill(brush, light, back, rgb("a9c765"), 0.28)
        x = rng.choice((rng.uniform(0.06, 0.28), rng.uniform(0.72, 0.94)))
        foot = height_at(back, x) + 0.02
        brush.shape(
            polygon(
                ((x - 0.045, foot), (x - 0.026, foot - 0.17), (x + 0.026, foot - 0.17), (x + 0.045, foot))
            ),
            light.on(rgb("f0e4cf"), 0.12),
        )
        brush.shape(
            polygon(((x - 0.034, foot - 0.165), (x, foot - 0.21), (x + 0.034, foot - 0.165))),
            light.on(rgb("a0584c"), 0.12),
        )
        for dx, dy in ((0.075, 0.062), (-0.062, 0.075), (-0.075, -0.062), (0.062, -0.075)):
            brush.fill(limb(x, foot - 0.165, x + dx, foot - 0.165 + dy, 0.016), light.on(rgb("fbf5e6"), 0.05))
        if light.time == "night":
            brush.fill(box(x - 0.01, foot - 0.1, 0.02, 0.03), rgb("ffdf85"))
        for _ in range(5):
            tx = rng.uniform(LEFT, RIGHT)
            if abs(tx - x) > 0.12:
                leafy(
                    brush,
                    light,
                    tx,
                    height_at(back, tx) + 0.012,
                    rng.uniform(0.08, 0.12),
                    0.25,
                    rgb("5d9455"),
                )

    def crops(brush: Brush) -> None:
        hill(brush, light, middle, rgb("d9c25a"), 0.12, 0.05)
        for i in range(8):
            stripe = [y + 0.016 + 0.022 * i * (1 + 0.12 * i) for y in middle]
            if i % 2 == 0:
                brush.shape(ridge(stripe), light.ground(rgb("c4b04e"), 0.1), outline=0.5)
            else:
                brush.shape(ridge(stripe), light.ground(rgb("d9c25a"), 0.1), outline=0)

    def meadow(brush: Brush) -> None:
        fence = light.on(rgb("a98560" if light.weather == "snow" else "eee0c8"))
        top = rolling(rng, 0.755, 0.012)
        for i in range(22):
            x = LEFT + i * 0.06
            if i % 2 == 0:
                brush.shape(box(x, 0.685, 0.015, 0.085, 0.004), fence, outline=0.6)
        for y in (0.7, 0.735):
            brush.shape(box(-0.2, y, 1.4, 0.012), fence, outline=0.6)
            if light.weather == "snow":
                brush.fill(box(-0.2, y - 0.008, 1.4, 0.01), light.on(SNOW))
        hill(brush, light, top, rgb("7fb653"), 0.0, 0.22)
        tufts(brush, light, rng, 0.8, ("f6f1de", "f0b9c4", "f4d95f", "b9a3dc"), 34)
        puddles(brush, light, rng, 0.82)

    return [*sky(light, rng, 0.58), Layer(0.3, far), Layer(0.45, farm), Layer(0.7, crops), Layer(1.0, meadow)]


def _cactus(brush: Brush, light: Light, x: float, foot: float, height: float, depth: float) -> None:
    green, w = light.on(rgb("5b8f62"), depth), height * 0.17
    brush.shape(limb(x, foot - w / 2, x, foot - height + w / 2, w), green)
    for side, low, high in ((-1, 0.42, 0.74), (1, 0.55, 0.86)):
        ax = x + side * height * 0.27
        brush.shape(limb(x, foot - height * low, ax, foot - height * low, w * 0.72), green, outline=0)
        brush.shape(limb(ax, foot - height * low, ax, foot - height * high, w * 0.72), green, outline=0)
        if light.weather == "snow":
            brush.fill(
                limb(ax - w * 0.1, foot - height * high, ax + w * 0.1, foot - height * high, w * 0.6),
                light.on(SNOW),
            )
    for dx in (-0.25, 0.2):
        brush.fill(
            limb(x + dx * w, foot - height * 0.12, x + dx * w, foot - height * 0.85, w * 0.1),
            mix(green, light.on(rgb("28503c")), 0.45),
        )
    if light.weather == "snow":
        brush.fill(
            limb(x - w * 0.15, foot - height + w * 0.2, x + w * 0.15, foot - height + w * 0.2, w * 0.7),
            light.on(SNOW),
        )


def desert(light: Light, rng: random.Random) -> list[Layer]:
    """Table mountains, dunes with a sharp shaded side, cacti."""
    near = rolling(rng, 0.72, 0.025)

    def mesas(brush: Brush) -> None:
        for x in (rng.uniform(-0.05, 0.22), rng.uniform(0.55, 0.95)):
            w, top = rng.uniform(0.12, 0.19), rng.uniform(0.3, 0.42)
            rock = light.on(rgb("c9765a"), 0.3)
            mesa = polygon(
                (
                    (x - w * 1.35, 0.62),
                    (x - w * 0.95, top + 0.08),
                    (x - w * 0.9, top),
                    (x + w * 0.9, top),
                    (x + w * 0.98, top + 0.1),
                    (x + w * 1.4, 0.62),
                ),
                0.008,
            )
            brush.shape(mesa, rock, mix(rock, light.sky[2], 0.4))
            for i in range(2):
                brush.fill(
                    box(x - w * 0.93, top + 0.035 + 0.045 * i, w * 1.86, 0.012),
                    mix(rock, light.on(rgb("8c4a44")), 0.35),
                )
            if light.weather == "snow":
                brush.fill(box(x - w * 0.92, top - 0.012, w * 1.84, 0.026, 0.01), light.on(SNOW, 0.15))

    def dune(y: float, height: float, tone: str, depth: float, nearness: float) -> Layer:
        def draw(brush: Brush) -> None:
            heights = rolling(rng, y, height, 5)
            hill(brush, light, heights, rgb(tone), depth, 0.1)
            i = min(range(1, 4), key=lambda i: heights[i])
            x, top = -0.2 + i * 0.35, heights[i]
            shade = light.ground(mix(rgb(tone), rgb("a3583f"), 0.38), depth)
            slope = blob(
                (
                    (x, top + 0.001),
                    (x + 0.13, height_at(heights, x + 0.13) + 0.004),
                    (x + 0.3, height_at(heights, x + 0.3) + 0.02),
                    (x + 0.22, top + 0.11),
                    (x + 0.04, top + 0.17),
                    (x - 0.03, top + 0.08),
                )
            )
            brush.fill(slope, shade, 0.55)

        return Layer(nearness, draw)

    def cacti(brush: Brush) -> None:
        for x in (rng.uniform(0.02, 0.2), rng.uniform(0.8, 0.98)):
            _cactus(brush, light, x, height_at(near, x) + 0.04, rng.uniform(0.2, 0.32), 0.05)
        _cactus(brush, light, rng.uniform(0.35, 0.65), 0.69, rng.uniform(0.1, 0.14), 0.25)

    def front(brush: Brush) -> None:
        hill(brush, light, near, rgb("ecb878"), 0.0, 0.16)
        for _ in range(9):
            x, y = rng.uniform(LEFT, RIGHT), rng.uniform(0.8, 0.98)
            w = rng.uniform(0.06, 0.14)
            brush.fill(
                blob(((x - w, y), (x, y - 0.008), (x + w, y), (x, y - 0.001))),
                light.ground(rgb("c98c56")),
                0.7,
            )
        for _ in range(4):
            x, y = rng.uniform(LEFT, RIGHT), rng.uniform(0.82, 0.97)
            brush.fill(oval(x, y, 0.02, 0.012), light.ground(rgb("a7795c")))
        puddles(brush, light, rng, 0.82)

    return [
        *sky(light, rng, 0.6, clouds=2),
        Layer(0.3, mesas),
        dune(0.58, 0.03, "f0c488", 0.35, 0.45),
        dune(0.65, 0.03, "efbd7d", 0.15, 0.65),
        Layer(0.8, cacti),
        Layer(1.0, front),
    ]


def mountains(light: Light, rng: random.Random) -> list[Layer]:
    """Two chains of snow-capped peaks over a valley with firs and a lake."""

    def chain(
        tops: tuple[float, float],
        half: tuple[float, float],
        step: float,
        rock: str,
        depth: float,
        nearness: float,
    ) -> Layer:
        def draw(brush: Brush) -> None:
            x = LEFT + rng.uniform(0, step)
            while x < RIGHT + 0.1:
                mountain(brush, light, rng, x, rng.uniform(*tops), rng.uniform(*half), 0.72, rgb(rock), depth)
                x += step * rng.uniform(0.85, 1.15)

        return Layer(nearness, draw)

    def foothills(brush: Brush) -> None:
        heights = rolling(rng, 0.67, 0.02)
        hill(brush, light, heights, rgb("7f9c78"), 0.22)
        x = LEFT
        while x < RIGHT:
            if rng.random() < 0.75:
                fir(
                    brush,
                    light,
                    x,
                    height_at(heights, x) + 0.015,
                    rng.uniform(0.07, 0.13),
                    0.15,
                    rgb("3f6f5c"),
                )
            x += rng.uniform(0.035, 0.07)

    def valley(brush: Brush) -> None:
        heights = rolling(rng, 0.75, 0.012)
        hill(brush, light, heights, rgb("93ad72"), 0.0, 0.25)
        for _ in range(9):
            x, y, r = rng.uniform(LEFT, RIGHT), rng.uniform(0.79, 0.98), rng.uniform(0.018, 0.04)
            stone = light.on(rgb("9a9aa6"))
            brush.shape(
                blob(
                    (
                        (x - r, y),
                        (x - r * 0.6, y - r * 0.7),
                        (x + r * 0.3, y - r * 0.8),
                        (x + r, y),
                        (x, y + r * 0.15),
                    )
                ),
                stone,
                mix(stone, light.on(rgb("4c4c60")), 0.4),
                outline=0.7,
            )
            if light.weather == "snow":
                brush.fill(oval(x - r * 0.1, y - r * 0.62, r * 0.6, r * 0.22), light.on(SNOW))
        puddles(brush, light, rng, 0.82)

    return [
        *sky(light, rng, 0.62, clouds=3),
        chain((0.16, 0.28), (0.22, 0.3), 0.3, "9aa3bd", 0.45, 0.3),
        chain((0.3, 0.42), (0.2, 0.28), 0.33, "79809c", 0.18, 0.5),
        Layer(0.75, foothills),
        Layer(1.0, valley),
    ]
