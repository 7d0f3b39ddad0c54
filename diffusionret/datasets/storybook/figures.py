"""What a character is made of: parts in back-to-front order, and the frame they are fitted into."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import skia

from .shapes import Point, curve, limb, oval


class Part(NamedTuple):
    path: skia.Path
    tone: str  # body, dark, deep, light, pale: the actor's colour; or one of actors.NEUTRALS
    width: float  # of a stroke; 0 = filled


@dataclass
class Figure:
    """A character in a box of about [-0.5, 0.5] squared, facing right, y down.

    `outline` joins the parts that make its silhouette.
    """

    parts: list[Part] = field(default_factory=list)
    outline: skia.Path = field(default_factory=skia.Path)

    def add(self, tone: str, *paths: skia.Path) -> None:
        """Parts of the silhouette."""
        for path in paths:
            self.parts.append(Part(path, tone, 0.0))
            self.outline.addPath(path)

    def mark(self, tone: str, *paths: skia.Path) -> None:
        """Details that lie inside the silhouette."""
        self.parts += [Part(path, tone, 0.0) for path in paths]

    def line(self, tone: str, width: float, *points: Point) -> None:
        """A drawn line inside the silhouette."""
        self.parts.append(Part(curve(*points), tone, width))

    def eye(self, x: float, y: float, radius: float) -> None:
        """A friendly eye that looks ahead (to the right)."""
        self.mark("eye", oval(x, y, radius, radius * 1.12))
        self.mark("ink", oval(x + radius * 0.25, y + radius * 0.08, radius * 0.62, radius * 0.72))
        self.mark("eye", oval(x + radius * 0.42, y - radius * 0.25, radius * 0.24))

    def legs(self, tone: str, beat: float, hips: tuple[Point, ...], length: float, width: float) -> None:
        """Legs that walk: neighbours swing in opposite phase."""
        for i, (x, y) in enumerate(hips):
            swing = math.sin(math.tau * beat + math.pi * i) * length * 0.45
            lift = max(math.cos(math.tau * beat + math.pi * i), 0.0) * length * 0.12
            self.add(tone, limb(x, y, round(x + swing, 3), round(y + length - lift, 3), width))
