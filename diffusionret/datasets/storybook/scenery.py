"""What the places share: sky, lights, clouds, hills, trees, and the layers they are drawn on."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import NamedTuple

from .brush import Brush
from .palette import SNOW, WHITE, Colour, Light, mix, rgb
from .shapes import blob, box, circle, joined, limb, moved, oval, peaks, polygon, ridge

LEFT, RIGHT = -0.14, 1.14  # scenery reaches beyond the frame, so that a pan never shows its end


class Layer(NamedTuple):
    """A sheet of scenery. `near`, from 0 (the sky) to 1: how far a camera move shifts it.

    `sway`: how far waves rock it, in widths of the frame.
    """

    near: float
    draw: Callable[[Brush], None]
    sway: float = 0.0


def sky(light: Light, rng: random.Random, horizon: float, stars: int = 55, clouds: int = 4) -> list[Layer]:
    """Sky down to the horizon with sun, moon and stars; the clouds are a layer of their own."""
    top, middle, low = light.sky
    x = rng.choice((rng.uniform(0.14, 0.34), rng.uniform(0.66, 0.86)))

    def paint(brush: Brush) -> None:
        if brush.sketch:
            top_, middle_, low_ = (
                mix(c, brush.paper, 0.34 if light.time == "night" else 0.45) for c in (top, middle, low)
            )
        else:
            top_, middle_, low_ = top, middle, low
        half = horizon * 0.55
        brush.fade(box(-0.2, -0.1, 1.4, half + 0.1), top_, middle_, 0, half)
        brush.fade(box(-0.2, half - 0.002, 1.4, 1.2), middle_, low_, half, horizon)
        if brush.sketch:
            for i in range(26):
                y = i * horizon / 24 + rng.uniform(-0.01, 0.01)
                start = rng.uniform(-0.1, 0.5)
                brush.scribble(
                    limb(start, y, start + rng.uniform(0.3, 0.6), y - 0.02, 0.001),
                    mix(top, brush.paper, 0.2),
                    0.006,
                    0.002,
                    0.28,
                    1,
                )
        _lights(brush, light, rng, x, horizon, stars)

    def drift(brush: Brush) -> None:
        for i in range(clouds):
            cx = LEFT + (i + rng.uniform(0.2, 0.8)) * (RIGHT - LEFT) / clouds
            cloud(brush, light, rng, cx, rng.uniform(0.07, 0.6 * horizon), rng.uniform(0.07, 0.12))

    return [Layer(0.0, paint), Layer(0.12, drift)]


def _lights(brush: Brush, light: Light, rng: random.Random, x: float, horizon: float, stars: int) -> None:
    clear = light.weather == "clear"
    if light.time == "day" and clear:
        brush.glow(x, 0.17, 0.3, rgb("fff6cf"), 0.8)
        brush.shape(oval(x, 0.17, 0.075), rgb("ffe487"))
    elif light.time == "sunset":
        y, veil = horizon - 0.07, 1.0 if clear else 0.55
        brush.glow(x, y, 0.55, rgb("ffdf9a"), 0.85 * veil)
        brush.shape(oval(x, y, 0.115), mix(light.sky[2], rgb("fff0b8"), veil))
    elif light.time == "night":
        if clear:
            for _ in range(stars):
                star = oval(
                    rng.uniform(LEFT, RIGHT), rng.uniform(0, horizon), rng.choice((0.003, 0.0045, 0.0065))
                )
                brush.fill(star, rgb("fff7dc"), rng.uniform(0.55, 1.0))
        veil = 1.0 if clear else 0.3
        brush.glow(x, 0.17, 0.26, rgb("c9d6ff"), 0.5 * veil)
        brush.fill(oval(x, 0.17, 0.068), rgb("fdf3cf"), veil)
        for dx, dy, r in ((0.02, -0.015, 0.014), (-0.025, 0.015, 0.018), (0.02, 0.03, 0.01)):
            brush.fill(oval(x + dx, 0.17 + dy, r), rgb("e2d6b4"), veil)


def cloud(
    brush: Brush, light: Light, rng: random.Random, x: float, y: float, size: float, bright: float = 0.0
) -> None:
    """A flat-bottomed cloud of four puffs; `bright` in [0, 1] sets it off against a sky like it."""
    top, _, low = light.sky
    colour = {
        "day": mix(WHITE, low, 0.1),
        "sunset": mix(rgb("ffc3a8"), low, 0.3),
        "night": mix(low, rgb("7d8cc4"), 0.3),
    }[light.time]
    if light.weather == "rain":
        colour = mix(colour, mix(top, (0.2, 0.22, 0.28), 0.3), 0.55 if light.time != "night" else 0.3)
    elif light.weather == "snow":
        colour = mix(colour, top, 0.12)
    if bright:
        shine = {"day": WHITE, "sunset": rgb("ffe6cf"), "night": rgb("b4c0ea")}[light.time]
        colour = mix(colour, shine, bright if light.weather == "clear" else 0.8 * bright)
    foot = mix(colour, top, 0.34 if light.weather == "clear" else 0.55)
    path = moved(box(-1.45 * size, -0.02, 2.9 * size, 0.36 * size + 0.02, 0.2 * size), x, y)
    puffs = ((-0.85, 0.0, 0.42), (-0.25, -0.22, 0.58), (0.42, -0.1, 0.5), (0.95, 0.05, 0.36))
    for dx, dy, r in puffs:
        path.addOval(circle(x + dx * size, y + dy * size, r * size * rng.uniform(0.85, 1.12)))
    if brush.sketch:
        path = joined(path)
    brush.shape(path, colour, foot)


def rolling(rng: random.Random, y: float, height: float, count: int = 6) -> list[float]:
    """Heights of a gentle ridge round y."""
    return [y + rng.uniform(-height, height) for _ in range(count)]


def height_at(heights: list[float], x: float) -> float:
    """Height of such a ridge (drawn from -0.2 to 1.2) at x."""
    place = (x + 0.2) / 1.4 * (len(heights) - 1)
    i = min(max(int(place), 0), len(heights) - 2)
    share = place - i
    smooth = share * share * (3 - 2 * share)
    return heights[i] + (heights[i + 1] - heights[i]) * smooth


def hill(
    brush: Brush, light: Light, heights: list[float], colour: Colour, depth: float, shade: float = 0.16
) -> None:
    """Ground under a ridge, darker towards its foot."""
    top = light.ground(colour, depth)
    brush.shape(ridge(heights), top, mix(top, light.on(rgb("1f2f3a")), shade))


def fir(
    brush: Brush, light: Light, x: float, foot: float, height: float, depth: float, colour: Colour
) -> None:
    """A conifer in three tiers, capped in snow."""
    green = light.on(colour, depth)
    brush.shape(
        box(x - height * 0.035, foot - height * 0.16, height * 0.07, height * 0.17),
        light.on(rgb("6b4a3a"), depth),
        outline=0,
    )
    for i, (low, high, half) in enumerate(((0.1, 0.52, 0.25), (0.34, 0.76, 0.2), (0.58, 1.0, 0.145))):
        left, right, tip = (
            (x - half * height, foot - low * height),
            (x + half * height, foot - low * height),
            (x, foot - high * height),
        )
        brush.shape(polygon((left, tip, right), 0.012), mix(green, light.on(WHITE, depth), 0.05 * i))
        if light.weather == "snow":
            cut = 0.55
            a = (tip[0] - half * height * cut, tip[1] + (high - low) * height * cut)
            b = (tip[0] + half * height * cut, a[1])
            dip = (x, a[1] - 0.06 * height)
            brush.shape(polygon((a, tip, b, dip)), light.on(SNOW, depth), outline=0)


def leafy(
    brush: Brush, light: Light, x: float, foot: float, height: float, depth: float, colour: Colour
) -> None:
    """A broad-leaved tree: a trunk and a round crown."""
    r = height * 0.27
    brush.shape(
        polygon(
            (
                (x - height * 0.05, foot),
                (x - height * 0.03, foot - height * 0.6),
                (x + height * 0.03, foot - height * 0.6),
                (x + height * 0.05, foot),
            ),
            0.004,
        ),
        light.on(rgb("7a5540"), depth),
        outline=0,
    )
    green = light.on(colour, depth)
    y = foot - height + r
    brush.shape(
        blob(
            (
                (x - r * 1.05, y + r * 0.4),
                (x - r * 0.9, y - r * 0.45),
                (x, y - r),
                (x + r * 0.9, y - r * 0.45),
                (x + r * 1.05, y + r * 0.4),
                (x, y + r * 0.85),
            )
        ),
        mix(green, light.on(rgb("fff2b0"), depth), 0.16),
        green,
    )
    if light.weather == "snow":
        brush.shape(
            blob(
                (
                    (x - r * 0.88, y - r * 0.42),
                    (x, y - r * 1.02),
                    (x + r * 0.88, y - r * 0.42),
                    (x + r * 0.4, y - r * 0.3),
                    (x, y - r * 0.5),
                    (x - r * 0.4, y - r * 0.28),
                )
            ),
            light.on(SNOW, depth),
            outline=0,
        )


def mountain(
    brush: Brush,
    light: Light,
    rng: random.Random,
    x: float,
    top: float,
    half: float,
    foot: float,
    rock: Colour,
    depth: float,
) -> None:
    """A peak with a lit and a shaded flank and a snow cap (a deeper one in snowfall)."""
    lit, shade = light.on(rock, depth), light.on(mix(rock, rgb("2d3050"), 0.42), depth)
    ridge_x = x + half * rng.uniform(0.02, 0.14)
    brush.shape(peaks([(x - half, foot), (x, top), (x + half, foot)], foot), lit)
    brush.shape(
        polygon(
            (
                (x, top),
                (x + half, foot),
                (ridge_x + half * 0.2, foot),
                (ridge_x - half * 0.06, top + (foot - top) * 0.45),
            )
        ),
        shade,
        outline=0,
    )
    cap = (0.62 if light.weather == "snow" else 0.34) * rng.uniform(0.9, 1.1)
    h = (foot - top) * cap
    left, right = x - half * cap, x + half * cap
    teeth = [(x, top), (right, top + h)]
    for i in range(1, 5):
        teeth.append((right + (left - right) * i / 5, top + h * (0.72 if i % 2 else 1.08)))
    teeth.append((left, top + h))
    snow = light.on(SNOW, depth * 0.6)
    brush.shape(polygon(tuple(teeth)), snow, outline=0.5)
    brush.shape(
        polygon(
            (
                (x, top),
                (right, top + h),
                (x + half * cap * 0.45, top + h * 0.8),
                (x + half * 0.03, top + h * 0.5),
            )
        ),
        mix(snow, shade, 0.35),
        outline=0,
    )


def tufts(
    brush: Brush, light: Light, rng: random.Random, top: float, colours: tuple[str, ...], count: int
) -> None:
    """Grass and flowers scattered over the foreground."""
    for _ in range(count):
        x, y = rng.uniform(LEFT, RIGHT), rng.uniform(top, 0.99)
        size = 0.008 + 0.014 * (y - top) / (1 - top)
        colour = light.on(rgb(rng.choice(colours)))
        if light.weather == "snow":
            brush.fill(oval(x, y, size * 1.5, size * 0.6), light.on(rgb("d3dfee")), 0.8)
            continue
        brush.fill(limb(x, y, x, y + 1.8 * size, size * 0.35), light.on(rgb("3f7a3c")))
        brush.fill(oval(x, y, size), colour)
        brush.fill(oval(x, y, size * 0.4), light.on(rgb("fff3c4")))


def puddles(brush: Brush, light: Light, rng: random.Random, top: float) -> None:
    """Rain collects on the ground."""
    if light.weather != "rain":
        return
    for _ in range(4):
        x, y = rng.uniform(0, 1), rng.uniform(top, 0.97)
        rx = rng.uniform(0.05, 0.11)
        brush.fill(oval(x, y, rx, rx * 0.2), mix(light.sky[2], WHITE, 0.2), 0.6)


def waves(y: float, height: float, length: float, shift: float) -> list[float]:
    """Heights of a wavy line for `ridge`: two points a wave."""
    count = max(3, round(2 * 1.4 / length) + 1)
    return [y + height * math.cos(math.pi * i + shift) for i in range(count)]
