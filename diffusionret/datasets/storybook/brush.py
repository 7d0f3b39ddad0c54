"""The two hands that draw the same shapes: flat picture-book colour, or crayon and ink on paper."""

from __future__ import annotations

from functools import lru_cache

import skia

from .palette import INK, PAPER, Colour, mix


@lru_cache(4096)
def _argb(colour: Colour, alpha: float = 1.0) -> int:
    red, green, blue = (round(min(max(c, 0.0), 1.0) * 255) for c in colour)
    return round(alpha * 255) << 24 | red << 16 | green << 8 | blue


@lru_cache(1024)
def _vertical(top: Colour, bottom: Colour, y0: float, y1: float, alpha: float) -> skia.Shader:
    ends = [skia.Point(0, y0), skia.Point(0, y1)]
    return skia.GradientShader.MakeLinear(ends, [_argb(top, alpha), _argb(bottom, alpha)])


@lru_cache(256)
def _wobble(seed: int, reach: float) -> skia.PathEffect:
    return skia.DiscretePathEffect.Make(reach * 8, reach, seed)


@lru_cache(8)
def hatching(spacing: float, extent: float = 1.4) -> skia.Path:
    """Slanted pencil strokes over a square of +-extent round the origin."""
    path, x = skia.Path(), -2 * extent
    while x < 2 * extent:
        path.moveTo(x, extent)
        path.lineTo(x + extent, -extent)
        x += spacing
    return path


class Brush:
    """Draws shapes in the current coordinates of a canvas.

    `sketch` chooses the second hand, on a sheet of the colour `paper`. Widths and wobble are in the
    canvas's coordinates.
    """

    def __init__(self, canvas: skia.Canvas, sketch: bool = False, seed: int = 0, paper: Colour = PAPER):
        self.canvas, self.sketch, self.seed, self.paper = canvas, sketch, seed, paper
        self.paint = skia.Paint(AntiAlias=True)
        self.blend = skia.Paint(AntiAlias=True)
        line = {
            "AntiAlias": True,
            "Style": skia.Paint.kStroke_Style,
            "StrokeCap": skia.Paint.kRound_Cap,
            "StrokeJoin": skia.Paint.kRound_Join,
        }
        self.pen, self.pencil = skia.Paint(**line), skia.Paint(**line)

    def fill(self, path: skia.Path, colour: Colour, alpha: float = 1.0) -> None:
        """Flat colour, in either hand."""
        self.paint.setColor(_argb(colour, alpha))
        self.canvas.drawPath(path, self.paint)

    def fade(
        self, path: skia.Path, top: Colour, bottom: Colour, y0: float, y1: float, alpha: float = 1.0
    ) -> None:
        """Fill with a vertical gradient from y0 to y1."""
        self.blend.setShader(_vertical(top, bottom, y0, y1, alpha))
        self.canvas.drawPath(path, self.blend)

    def stroke(self, path: skia.Path, colour: Colour, width: float, alpha: float = 1.0) -> None:
        """A line with round ends."""
        self.pen.setColor(_argb(colour, alpha))
        self.pen.setStrokeWidth(width)
        self.canvas.drawPath(path, self.pen)

    def scribble(
        self, path: skia.Path, colour: Colour, width: float, reach: float, alpha: float = 1.0, lines: int = 2
    ) -> None:
        """A hand-drawn outline that strays by `reach` at most, gone over `lines` times."""
        self.pencil.setColor(_argb(colour, alpha))
        self.pencil.setStrokeWidth(width)
        for line in range(lines):
            self.pencil.setPathEffect(_wobble((self.seed + 17 * line) % 97, reach))
            self.canvas.drawPath(path, self.pencil)

    def shape(
        self, path: skia.Path, colour: Colour, bottom: Colour | None = None, outline: float = 1.0
    ) -> None:
        """A piece of scenery, `bottom` its colour at its foot: cut from paper, or a wash in pencil lines."""
        bounds = path.getBounds()
        if not self.sketch:
            if bottom is None:
                self.fill(path, colour)
            else:
                self.fade(path, colour, bottom, bounds.top(), min(bounds.bottom(), 1.0))
            return
        wash = mix(colour, self.paper, 0.5)
        self.fade(path, wash, mix(wash, self.paper, 0.4), bounds.top(), min(bounds.bottom(), 1.0))
        if outline:
            self.scribble(path, mix(colour, INK, 0.55), 0.0045, 0.003, 0.55 * outline, lines=1)

    def glow(self, x: float, y: float, radius: float, colour: Colour, alpha: float) -> None:
        """Soft light round a point."""
        colours = [_argb(colour, alpha), _argb(colour, alpha * 0.35), _argb(colour, 0.0)]
        self.blend.setShader(skia.GradientShader.MakeRadial(skia.Point(x, y), radius, colours, [0, 0.4, 1]))
        self.canvas.drawCircle(x, y, radius, self.blend)

    def shadow(self, x: float, y: float, rx: float, ry: float, colour: Colour, alpha: float) -> None:
        """Soft contact shadow."""
        self.canvas.save()
        self.canvas.translate(x, y)
        self.canvas.scale(rx, ry)
        self.glow(0, 0, 1, colour, alpha)
        self.canvas.restore()
