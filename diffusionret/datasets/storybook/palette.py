"""Colours, and how the hour and the weather light them. A colour is (red, green, blue), each in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

Colour = tuple[float, float, float]


@cache
def rgb(code: str) -> Colour:
    """Colour of a hexadecimal code such as "e5383b"."""
    red, green, blue = (int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """`share` of b, the rest of a."""
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share


INK = rgb("23263f")
WHITE = rgb("ffffff")
ALARM = rgb("ffe470")
CREAM = rgb("fff8e7")
PAPER = rgb("f7f0de")
SNOW = rgb("f1f5fb")

ACTOR = {
    "red": rgb("e0312f"),
    "blue": rgb("2468e0"),
    "green": rgb("35a845"),
    "yellow": rgb("ffd426"),
    "orange": rgb("fb8122"),
    "purple": rgb("7d3cc2"),
    "pink": rgb("ff86b6"),
    "white": rgb("fdfcf7"),
}

# Sky from top to horizon, in clear weather.
SKY = {
    "day": (rgb("5fb3e6"), rgb("a7daf0"), rgb("e4f3ea")),
    "sunset": (rgb("5b4a92"), rgb("e5766f"), rgb("ffcf8b")),
    "night": (rgb("0d1433"), rgb("1c2857"), rgb("3a4b86")),
}
# What cloud cover turns it into, and how much.
OVERCAST = {
    ("day", "rain"): (rgb("8494a3"), rgb("c1cace"), 0.92),
    ("day", "snow"): (rgb("b3c6da"), rgb("e9eff5"), 0.85),
    ("sunset", "rain"): (rgb("6a5a78"), rgb("c79a8c"), 0.62),
    ("sunset", "snow"): (rgb("9a86b4"), rgb("f0c6b4"), 0.55),
    ("night", "rain"): (rgb("171c30"), rgb("384258"), 0.8),
    ("night", "snow"): (rgb("26304f"), rgb("5f6d95"), 0.6),
}


@dataclass(frozen=True)
class Light:
    """The light of an hour and a weather."""

    time: str
    weather: str

    @cached_property
    def sky(self) -> tuple[Colour, Colour, Colour]:
        """Colours of the sky at the top, half way down and at the horizon."""
        top, middle, low = SKY[self.time]
        if self.weather == "clear":
            return top, middle, low
        high, horizon, share = OVERCAST[self.time, self.weather]
        return mix(top, high, share), mix(middle, mix(high, horizon, 0.5), share), mix(low, horizon, share)

    def on(self, colour: Colour, depth: float = 0.0) -> Colour:
        """How a thing of this colour looks in this light, at a depth from 0 (near) to 1 (the horizon)."""
        if self.weather == "rain":
            grey = sum(colour) / 3
            colour = mix(colour, (grey * 0.84, grey * 0.88, grey * 0.92), 0.45)
        elif self.weather == "snow":
            colour = mix(colour, rgb("dfe8f2"), 0.22)
        if self.time == "night":
            red, green, blue = colour
            colour = mix((red * 0.5, green * 0.54, blue * 0.74), rgb("2b3a78"), 0.15)
        elif self.time == "sunset":
            red, green, blue = colour
            green, blue = (
                (green * 0.86, blue * 0.86) if self.weather == "snow" else (green * 0.77, blue * 0.73)
            )
            colour = mix((red * 0.98, green, blue), rgb("d9627a"), 0.1)
        return mix(colour, self.sky[2], 0.72 * depth) if depth else colour

    @property
    def paper(self) -> Colour:
        """The sketchbook's sheet: cream, toned blue for the night."""
        return rgb("aeb6d2") if self.time == "night" else PAPER

    def ground(self, colour: Colour, depth: float = 0.0) -> Colour:
        """The same for the ground, which snow covers."""
        return self.on(mix(colour, SNOW, 0.9) if self.weather == "snow" else colour, depth)

    def actor(self, colour: Colour) -> Colour:
        """An actor keeps its colour in every light, but for a touch."""
        if self.time == "night":
            return mix(colour, rgb("2b3a78"), 0.1)
        return mix(colour, rgb("f08a5b"), 0.05) if self.time == "sunset" else colour
