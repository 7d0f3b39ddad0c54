"""A look of the world as natural and as full captions."""

from __future__ import annotations

from typing import NamedTuple

from diffusionret import DiffusionRet

from .. import measure

LOOKS = {"storybook": "test", "sketchbook": "second look"}


class World(NamedTuple):
    """A look of the world, natural and full captions, and the runs that several questions share."""

    natural: measure.Test
    full: measure.Test

    @classmethod
    def load(cls, model: DiffusionRet, look: str, split: str = "test") -> World:
        natural = measure.load(model, look, True, split)
        return cls(natural, measure.load(model, look, False, split, natural.video))

    def of(self, model: DiffusionRet) -> World:
        """The same features, another generator."""
        return World(self.natural._replace(model=model), self.full._replace(model=model))
