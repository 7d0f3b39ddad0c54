"""The eight places. Each function gives the layers of its scenery, back to front, in one light."""

from __future__ import annotations

import random

from .brush import Brush
from .palette import SNOW, WHITE, Light, mix, rgb
from .scenery import (
    LEFT, RIGHT, Layer, cloud, fir, height_at, hill, leafy, mountain, puddles, rolling, sky, tufts, waves,
)  # fmt: skip
from .shapes import blob, box, limb, oval, polygon, ridge

GROUND = {"city": 0.86, "sea": 0.8, "forest": 0.87, "beach": 0.86, "field": 0.86, "desert": 0.86, "mountains": 0.87, "sky": 0.87}  # fmt: skip


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

    return [*sky(light, rng, 0.62, clouds=3), skyline(0.42, 0.2, "7f93b5", 0.5), skyline(0.5, 0.3, "6b7fa3", 0.25),
            Layer(0.8, houses), Layer(1.0, street)]  # fmt: skip


def sea(light: Light, rng: random.Random) -> list[Layer]:
    """Open water in bands of waves to the horizon, an island with a lighthouse."""
    horizon = 0.44
    side = rng.choice((rng.uniform(0.05, 0.25), rng.uniform(0.75, 0.95)))

    def water(brush: Brush) -> None:
        far, near = light.on(rgb("4aa9c8"), 0.3), light.on(rgb("2b86b3"))
        brush.shape(box(-0.2, horizon, 1.4, 0.8), far, near, outline=0.6)
        shine = mix(light.sky[2], WHITE, 0.35)
        for i in range(9):
            y = horizon + 0.012 + 0.018 * i
            x, width = rng.uniform(LEFT, RIGHT), rng.uniform(0.05, 0.16)
            brush.fill(box(x, y, width, 0.006, 0.003), shine, 0.7)

    def island(brush: Brush) -> None:
        brush.shape(blob(((side - 0.16, horizon + 0.012), (side - 0.06, horizon - 0.05), (side + 0.05, horizon - 0.06),
                          (side + 0.16, horizon + 0.012), (side, horizon + 0.016))), light.ground(rgb("6f8f6a"), 0.3))  # fmt: skip
        tower = polygon(
            (
                (side - 0.022, horizon - 0.05),
                (side - 0.014, horizon - 0.2),
                (side + 0.014, horizon - 0.2),
                (side + 0.022, horizon - 0.05),
            )
        )
        brush.shape(tower, light.on(rgb("f3ece0"), 0.1))
        for y in (0.17, 0.11):
            brush.fill(box(side - 0.018, horizon - y, 0.036, 0.026), light.on(rgb("9c5a54"), 0.1))
        if light.time != "day":
            brush.glow(side, horizon - 0.215, 0.12, rgb("ffe9a3"), 0.9)
        brush.shape(
            box(side - 0.012, horizon - 0.225, 0.024, 0.028),
            rgb("ffe9a3") if light.time != "day" else light.on(rgb("53606e")),
        )
        brush.shape(
            polygon(((side - 0.02, horizon - 0.222), (side, horizon - 0.25), (side + 0.02, horizon - 0.222))),
            light.on(rgb("7a4a48")),
        )

    def band(y: float, height: float, length: float, tone: str, near: float, sway: float) -> Layer:
        shift = rng.uniform(-0.6, 0.6)

        def draw(brush: Brush) -> None:
            top = light.on(rgb(tone), 0.0)
            crest = mix(top, light.on(WHITE), 0.42)
            brush.shape(ridge(waves(y, height, length, shift)), crest, outline=0)
            brush.shape(
                ridge(waves(y + 0.013, height, length, shift)), top, mix(top, light.on(rgb("123a63")), 0.35)
            )
            if light.weather == "snow":
                for _ in range(3):
                    x, rx = rng.uniform(LEFT, RIGHT), rng.uniform(0.07, 0.12)
                    brush.fill(
                        blob(
                            (
                                (x - rx, y + 0.05),
                                (x - rx * 0.3, y + 0.03),
                                (x + rx, y + 0.045),
                                (x + rx * 0.6, y + 0.07),
                                (x - rx * 0.7, y + 0.072),
                            )
                        ),
                        light.on(SNOW),
                    )

        return Layer(near, draw, sway)

    return [*sky(light, rng, horizon), Layer(0.2, water), Layer(0.3, island),
            band(0.58, 0.008, 0.16, "3d9cc2", 0.5, 0.008), band(0.69, 0.011, 0.22, "328db9", 0.7, -0.012),
            band(0.8, 0.014, 0.28, "287dac", 0.85, 0.016), band(0.91, 0.017, 0.34, "1f6c9c", 1.0, -0.02)]  # fmt: skip


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

    return [*sky(light, rng, 0.6, stars=30, clouds=2), rank(0.62, 0.34, 0.5, 0.095, 0.62), rank(0.68, 0.42, 0.6, 0.13, 0.36),
            rank(0.74, 0.44, 0.62, 0.2, 0.12), Layer(0.85, trunks), Layer(1.0, floor)]  # fmt: skip


def _palm(brush: Brush, light: Light, x: float, foot: float, lean: float) -> None:
    top_x, top_y = x + lean, foot - 0.46
    bark = light.on(rgb("9a7350"))
    brush.shape(blob(((x - 0.025, foot), (x + lean * 0.25 - 0.016, foot - 0.2), (top_x - 0.012, top_y), (top_x + 0.014, top_y),
                      (x + lean * 0.3 + 0.022, foot - 0.2), (x + 0.03, foot))), bark)  # fmt: skip
    leaf = light.on(rgb("3f8f5a"))
    for i, (dx, dy) in enumerate(
        ((-0.2, 0.08), (-0.19, -0.05), (-0.07, -0.12), (0.08, -0.12), (0.2, -0.04), (0.19, 0.09))
    ):
        mid = (top_x + dx * 0.55, top_y + dy * 0.55 - 0.06)
        under = (top_x + dx * 0.5, top_y + dy * 0.5 - 0.008)
        brush.shape(
            blob(((top_x, top_y), mid, (top_x + dx, top_y + dy), under)),
            mix(leaf, light.on(rgb("d8e08a")), 0.12 * (i % 2)),
        )
        if light.weather == "snow":
            brush.fill(
                limb(
                    top_x + dx * 0.2,
                    top_y + dy * 0.2 - 0.035,
                    top_x + dx * 0.62,
                    top_y + dy * 0.6 - 0.045,
                    0.018,
                ),
                light.on(SNOW),
            )
    for dx in (-0.016, 0.018):
        brush.fill(oval(top_x + dx, top_y + 0.018, 0.018), light.on(rgb("6b4632")))


def beach(light: Light, rng: random.Random) -> list[Layer]:
    """A strip of sea, foam on wide sand, palms."""
    horizon = 0.42
    side = rng.choice((-1, 1))

    def water(brush: Brush) -> None:
        far, near = light.on(rgb("45a6c9"), 0.25), light.on(rgb("6fd0d0"))
        brush.shape(box(-0.2, horizon, 1.4, 0.5), far, near, outline=0.6)
        for i in range(7):
            x, y = rng.uniform(LEFT, RIGHT), horizon + 0.02 + 0.022 * i
            brush.fill(box(x, y, rng.uniform(0.08, 0.2), 0.008, 0.004), light.on(WHITE), 0.55)

    def sand(brush: Brush) -> None:
        line = [0.61 + 0.02 * (-1) ** i + rng.uniform(-0.012, 0.012) for i in range(7)]
        brush.shape(ridge([y - 0.022 for y in line]), light.on(rgb("ffffff")), outline=0)
        brush.shape(ridge(line), light.ground(rgb("c9a877")), outline=0)
        warm = light.ground(rgb("f2d9a0"))
        brush.shape(
            ridge([y + 0.024 for y in line]), warm, mix(warm, light.on(rgb("c79a62")), 0.4), outline=0.6
        )
        for _ in range(26):
            brush.fill(
                oval(rng.uniform(LEFT, RIGHT), rng.uniform(0.7, 0.99), 0.006, 0.003),
                light.ground(rgb("b98f5c")),
                0.7,
            )

    def props(brush: Brush) -> None:
        x = 0.5 + side * rng.uniform(0.36, 0.44)
        _palm(brush, light, x, 0.74, -side * rng.uniform(0.02, 0.1))
        if rng.random() < 0.6:
            _palm(brush, light, x + side * 0.13, 0.7, side * 0.04)
        x, y = 0.5 - side * rng.uniform(0.2, 0.4), rng.uniform(0.9, 0.95)
        star = [(0.5, -0.0)]
        star = tuple((x + 0.034 * r * dx, y + 0.024 * r * dy) for r, dx, dy in (
            (1, 0, -1), (0.45, 0.59, -0.81), (1, 0.95, -0.31), (0.45, 0.95, 0.31), (1, 0.59, 0.81),
            (0.45, 0, 1), (1, -0.59, 0.81), (0.45, -0.95, 0.31), (1, -0.95, -0.31), (0.45, -0.59, -0.81)))  # fmt: skip
        brush.shape(polygon(star, 0.006), light.on(rgb("e08a6a")), outline=0.5)
        for _ in range(3):
            x, y = rng.uniform(0, 1), rng.uniform(0.8, 0.96)
            brush.shape(oval(x, y, 0.016, 0.011), light.on(rgb("f6ead8")), outline=0.5)
        puddles(brush, light, rng, 0.8)

    return [*sky(light, rng, horizon), Layer(0.35, water, 0.006), Layer(0.7, sand), Layer(1.0, props)]


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

    return [*sky(light, rng, 0.6, clouds=2), Layer(0.3, mesas), dune(0.58, 0.03, "f0c488", 0.35, 0.45),
            dune(0.65, 0.03, "efbd7d", 0.15, 0.65), Layer(0.8, cacti), Layer(1.0, front)]  # fmt: skip


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

    return [*sky(light, rng, 0.62, clouds=3), chain((0.16, 0.28), (0.22, 0.3), 0.3, "9aa3bd", 0.45, 0.3),
            chain((0.3, 0.42), (0.2, 0.28), 0.33, "79809c", 0.18, 0.5), Layer(0.75, foothills), Layer(1.0, valley)]  # fmt: skip


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
                cloud(brush, light, rng, x, y + rng.uniform(-0.03, 0.03), size * rng.uniform(0.85, 1.2), bright)

        return Layer(near, draw)

    def floor(brush: Brush) -> None:
        for row, y in enumerate((0.85, 0.93, 1.01)):
            for i in range(6):
                x = LEFT + (i + 0.5 * (row % 2) + rng.uniform(-0.15, 0.15)) * (RIGHT - LEFT) / 5.5
                cloud(brush, light, rng, x, y, rng.uniform(0.12, 0.16), 0.45 + 0.12 * row)

    layers = [bank(0.2, 0.08, 3, 0.2, 0.15), bank(0.42, 0.1, 2, 0.4, 0.25), bank(0.66, 0.12, 4, 0.6, 0.35)]
    return [*sky(light, rng, 1.0, stars=80, clouds=0), Layer(0.1, bow), *layers, Layer(1.0, floor)]


PLACES = {
    "city": city, "sea": sea, "forest": forest, "beach": beach,
    "field": field, "desert": desert, "mountains": mountains, "sky": sky_high,
}  # fmt: skip
