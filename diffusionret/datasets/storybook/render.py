"""Draws a scene: one frame, or the frames of a clip."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
import skia

from .actors import draw_actor, draw_shadow
from .brush import Brush
from .effects import draw_mark
from .motion import course
from .palette import PAPER, Light
from .places import GROUND, PLACES
from .scenery import Layer
from .weather import Weather
from .world import Scene

PAN = 0.1  # how far the nearest layer slides in a clip, in widths of the frame
ZOOM = 0.1  # how much the nearest layer grows or shrinks in a clip
BLEED = 0.12  # scenery is drawn this far beyond each side of the frame


def duration(scene: Scene) -> float:
    """Length of the clip in seconds, 3 to 5."""
    return round(random.Random(f"duration {scene.seed}").uniform(3.0, 5.0), 2)


def render_frame(scene: Scene, t: float, size: int) -> np.ndarray:
    """The frame at t in [0, 1] of the clip: uint8 [size size 3], RGB."""
    return render_clip(scene, [t], size)[0]


def render_clip(scene: Scene, times: Sequence[float], size: int) -> np.ndarray:
    """The frames at `times`, each in [0, 1]: uint8 [frame size size 3], RGB.

    A frame depends on the scene, its own time and the size only, not on the other times.
    """
    stage = _Stage(scene, size)
    return np.stack([stage.frame(t) for t in times]) if len(times) else np.empty((0, size, size, 3), np.uint8)


def _info(size: int) -> skia.ImageInfo:
    # The one pixel format with fast paths for pictures, six times as fast as RGBA: blue comes first.
    return skia.ImageInfo.Make(size, size, skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType)


class _Stage:
    """What stays the same through a clip: the scenery as pictures, the actors' paths, the weather."""

    def __init__(self, scene: Scene, size: int):
        self.scene, self.size = scene, size
        self.light = Light(scene.time, scene.weather)
        self.sketch = scene.look == "sketchbook"
        self.pixels = np.zeros((size, size, 4), np.uint8)
        self.surface = skia.Surface.MakeRasterDirect(_info(size), self.pixels, size * 4)
        self.canvas = self.surface.getCanvas()
        self.course = course(scene, GROUND[scene.place])
        self.weather = Weather(self.light, scene.seed)
        self.sheets = self._sheets(PLACES[scene.place](self.light, random.Random(f"place {scene.seed}")))

    def _sheets(self, layers: list[Layer]) -> list[tuple[float, float, skia.Image]]:
        """(nearness, sway, picture) of each layer; layers that move alike share a picture."""
        still = self.scene.camera == "still"
        groups: list[tuple[float, float, list[Layer]]] = []
        for layer in layers:
            near = 0.0 if still else layer.near
            if groups and groups[-1][:2] == (near, layer.sway):
                groups[-1][2].append(layer)
            else:
                groups.append((near, layer.sway, [layer]))
        return [
            (near, sway, self._picture(group, first=i == 0)) for i, (near, sway, group) in enumerate(groups)
        ]

    def _picture(self, layers: list[Layer], first: bool) -> skia.Image:
        bleed = round(BLEED * self.size)
        surface = skia.Surface.MakeRaster(_info(self.size + 2 * bleed))
        canvas = surface.getCanvas()
        if first:
            canvas.clear(skia.Color4f(*PAPER, 1.0))
        canvas.translate(bleed, bleed)
        canvas.scale(self.size, self.size)
        brush = Brush(canvas, self.sketch, self.scene.seed, self.light.paper)
        for layer in layers:
            layer.draw(brush)
        return surface.makeImageSnapshot()

    def frame(self, t: float) -> np.ndarray:
        """uint8 [size size 3]"""
        canvas, size = self.canvas, self.size
        self._scenery(t)
        canvas.save()
        canvas.scale(size, size)
        brush = Brush(canvas, self.sketch, self.scene.seed, self.light.paper)
        self.weather.draw(brush, t, front=False)
        cast = self.course(t)
        for one in cast:
            draw_shadow(brush, one.actor.subject, one.stance, one.ground, self.light)
        for one in cast:
            if one.mark:
                draw_mark(brush, one.mark, one.stance, t, self.light)
            draw_actor(brush, one.actor.subject, one.actor.colour, one.stance, self.light)
        self.weather.draw(brush, t, front=True)
        canvas.restore()
        return self.pixels[:, :, 2::-1].copy()

    def _scenery(self, t: float) -> None:
        bleed, size, camera = round(BLEED * self.size), self.size, self.scene.camera
        sampling = skia.SamplingOptions(skia.FilterMode.kLinear)
        for near, sway, picture in self.sheets:
            x = sway * math.sin(math.tau * (1.5 * t + 0.1))
            grown = 1.0
            if camera.startswith("pan"):
                x += PAN * near * (t - 0.5) * (1 if camera == "pan left" else -1)
            elif camera.startswith("zoom"):
                way = t if camera == "zoom in" else 1 - t
                grown = 1 + ZOOM * (0.3 + 0.7 * near) * way
            if x == 0 and grown == 1:
                self.canvas.drawImage(picture, -bleed, -bleed)
                continue
            edge = grown * (size + 2 * bleed)
            middle = (size - edge) / 2
            rect = skia.Rect.MakeXYWH(middle + x * size, middle, edge, edge)
            self.canvas.drawImageRect(picture, rect, sampling)
