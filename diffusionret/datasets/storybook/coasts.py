"""The places by the water. Each function gives the layers of its scenery, back to front, in one light."""

from __future__ import annotations

import random

from .brush import Brush
from .palette import SNOW, WHITE, Colour, Light, mix, rgb
from .scenery import LEFT, RIGHT, Layer, puddles, sky, waves
from .shapes import blob, box, limb, oval, polygon, ridge


def _water(light: Light, tone: str, depth: float = 0.0) -> Colour:
    """Water stays bluer than other things in the red light of the evening."""
    return mix(light.on(rgb(tone), depth), rgb(tone), 0.3 if light.time == "sunset" else 0.0)


def sea(light: Light, rng: random.Random) -> list[Layer]:
    """Open water in bands of waves to the horizon, an island with a lighthouse."""
    horizon = 0.44
    side = rng.choice((rng.uniform(0.05, 0.25), rng.uniform(0.75, 0.95)))

    def water(brush: Brush) -> None:
        far, near = _water(light, "4aa9c8", 0.3), _water(light, "2b86b3")
        brush.shape(box(-0.2, horizon, 1.4, 0.8), far, near, outline=0.6)
        shine = mix(light.sky[2], WHITE, 0.35)
        for i in range(9):
            y = horizon + 0.012 + 0.018 * i
            x, width = rng.uniform(LEFT, RIGHT), rng.uniform(0.05, 0.16)
            brush.fill(box(x, y, width, 0.006, 0.003), shine, 0.7)

    def island(brush: Brush) -> None:
        brush.shape(
            blob(
                (
                    (side - 0.16, horizon + 0.012),
                    (side - 0.06, horizon - 0.05),
                    (side + 0.05, horizon - 0.06),
                    (side + 0.16, horizon + 0.012),
                    (side, horizon + 0.016),
                )
            ),
            light.ground(rgb("6f8f6a"), 0.3),
        )
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
            top = _water(light, tone)
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

    return [
        *sky(light, rng, horizon),
        Layer(0.2, water),
        Layer(0.3, island),
        band(0.58, 0.008, 0.16, "3d9cc2", 0.5, 0.008),
        band(0.69, 0.011, 0.22, "328db9", 0.7, -0.012),
        band(0.8, 0.014, 0.28, "287dac", 0.85, 0.016),
        band(0.91, 0.017, 0.34, "1f6c9c", 1.0, -0.02),
    ]


_STAR = (
    (0, -1), (0.45 * 0.59, 0.45 * -0.81), (0.95, -0.31), (0.45 * 0.95, 0.45 * 0.31), (0.59, 0.81),
    (0, 0.45), (-0.59, 0.81), (0.45 * -0.95, 0.45 * 0.31), (-0.95, -0.31), (0.45 * -0.59, 0.45 * -0.81),
)  # fmt: skip


def _palm(brush: Brush, light: Light, x: float, foot: float, lean: float) -> None:
    top_x, top_y = x + lean, foot - 0.46
    bark = light.on(rgb("9a7350"))
    brush.shape(
        blob(
            (
                (x - 0.025, foot),
                (x + lean * 0.25 - 0.016, foot - 0.2),
                (top_x - 0.012, top_y),
                (top_x + 0.014, top_y),
                (x + lean * 0.3 + 0.022, foot - 0.2),
                (x + 0.03, foot),
            )
        ),
        bark,
    )
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
        far, near = _water(light, "45a6c9", 0.25), _water(light, "6fd0d0")
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
        star = tuple((x + 0.034 * px, y + 0.024 * py) for px, py in _STAR)
        brush.shape(polygon(star, 0.006), light.on(rgb("e08a6a")), outline=0.5)
        for _ in range(3):
            x, y = rng.uniform(0, 1), rng.uniform(0.8, 0.96)
            brush.shape(oval(x, y, 0.016, 0.011), light.on(rgb("f6ead8")), outline=0.5)
        puddles(brush, light, rng, 0.8)

    return [*sky(light, rng, horizon), Layer(0.35, water, 0.006), Layer(0.7, sand), Layer(1.0, props)]
