"""Outlines in unit coordinates: x to the right, y down. They are shared skia paths: never change one."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise

import skia

Point = tuple[float, float]
Points = str | tuple[Point, ...]  # in words "x,y x,y ...", or as numbers where they are computed


def circle(x: float, y: float, rx: float, ry: float | None = None) -> skia.Rect:
    """The box round an ellipse with half axes rx, ry (ry = rx: circle)."""
    ry = rx if ry is None else ry
    return skia.Rect.MakeLTRB(x - rx, y - ry, x + rx, y + ry)


def joined(path: skia.Path) -> skia.Path:
    """The outline of all contours of a path together."""
    try:
        return skia.Simplify(path)
    except RuntimeError:  # skia gives up on a few degenerate overlaps
        return path


@lru_cache(4096)
def oval(x: float, y: float, rx: float, ry: float | None = None, turn: float = 0.0) -> skia.Path:
    """Ellipse round (x, y) with half axes rx, ry (ry = rx: circle), turned by `turn` degrees."""
    path = skia.Path()
    path.addOval(circle(x, y, rx, ry))
    return moved(path, turn=turn, about=(x, y)) if turn else path


@lru_cache(4096)
def box(x: float, y: float, width: float, height: float, radius: float = 0.0) -> skia.Path:
    """Rectangle with its upper left corner at (x, y) and rounded corners."""
    path = skia.Path()
    path.addRoundRect(skia.Rect.MakeXYWH(x, y, width, height), radius, radius)
    return path


def _clockwise(points: Points) -> tuple[Point, ...]:
    if isinstance(points, str):
        points = tuple((float(x), float(y)) for x, y in (point.split(",") for point in points.split()))
    # Overlapping parts are joined with the winding rule: opposite senses would cut holes.
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(points, points[1:] + points[:1], strict=True))
    return points if area > 0 else points[::-1]


@lru_cache(4096)
def polygon(points: Points, radius: float = 0.0) -> skia.Path:
    """Closed polygon; its corners are rounded by `radius`."""
    points = _clockwise(points)
    path = skia.Path()
    (ax, ay), (bx, by) = points[-1], points[0]
    path.moveTo((ax + bx) / 2, (ay + by) / 2)
    for (x, y), (nx, ny) in zip(points, points[1:] + points[:1], strict=True):
        path.arcTo(x, y, (x + nx) / 2, (y + ny) / 2, radius) if radius else path.lineTo(x, y)
    path.close()
    return path


@lru_cache(4096)
def blob(points: Points) -> skia.Path:
    """Smooth closed curve through the points (Catmull-Rom)."""
    points = _clockwise(points)
    path, n = skia.Path(), len(points)
    path.moveTo(*points[0])
    for i in range(n):
        a, b, c, d = points[i - 1], points[i], points[(i + 1) % n], points[(i + 2) % n]
        leave = b[0] + (c[0] - a[0]) / 6, b[1] + (c[1] - a[1]) / 6
        arrive = c[0] - (d[0] - b[0]) / 6, c[1] - (d[1] - b[1]) / 6
        path.cubicTo(*leave, *arrive, *c)
    path.close()
    return path


@lru_cache(4096)
def limb(x0: float, y0: float, x1: float, y1: float, width: float) -> skia.Path:
    """Capsule from one point to another."""
    length = math.hypot(x1 - x0, y1 - y0)
    path = skia.Path()
    rect = skia.Rect.MakeXYWH(-width / 2, -width / 2, length + width, width)
    path.addRoundRect(rect, width / 2, width / 2)
    matrix = skia.Matrix.RotateDeg(math.degrees(math.atan2(y1 - y0, x1 - x0)))
    matrix.postTranslate(x0, y0)
    path.transform(matrix)
    return path


@lru_cache(1024)
def curve(*points: Point) -> skia.Path:
    """Open stroke: two points a line, three a quadratic curve, four a cubic one."""
    path = skia.Path()
    path.moveTo(*points[0])
    draw = {2: path.lineTo, 3: path.quadTo, 4: path.cubicTo}[len(points)]
    draw(*(value for point in points[1:] for value in point))
    return path


def moved(
    path: skia.Path,
    x: float = 0.0,
    y: float = 0.0,
    turn: float = 0.0,
    about: Point = (0.0, 0.0),
    sx: float = 1.0,
    sy: float = 1.0,
) -> skia.Path:
    """A copy of the path, scaled and turned (degrees, clockwise) about a point, then shifted."""
    matrix = skia.Matrix.Translate(-about[0], -about[1])
    matrix.postScale(sx, sy)
    matrix.postRotate(turn)
    matrix.postTranslate(about[0] + x, about[1] + y)
    copy = skia.Path(path)
    copy.transform(matrix)
    return copy


def ridge(heights: list[float], left: float = -0.2, right: float = 1.2, bottom: float = 1.15) -> skia.Path:
    """Area under a smooth line through evenly spaced heights (y of each point), from left to right."""
    step = (right - left) / (len(heights) - 1)
    path = skia.Path()
    path.moveTo(left, heights[0])
    for i, (a, b) in enumerate(pairwise(heights)):
        x = left + i * step
        path.cubicTo(x + step / 2, a, x + step / 2, b, x + step, b)
    path.lineTo(right, bottom)
    path.lineTo(left, bottom)
    path.close()
    return path


def peaks(points: list[Point], bottom: float = 1.15) -> skia.Path:
    """Area under a straight-edged line through the points."""
    path = skia.Path()
    path.moveTo(*points[0])
    for point in points[1:]:
        path.lineTo(*point)
    path.lineTo(points[-1][0], bottom)
    path.lineTo(points[0][0], bottom)
    path.close()
    return path
