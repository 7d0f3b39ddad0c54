"""The scene that all panels of the Watch tab look at: one result, its candidates, and who drew it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from diffusionret import Hit, Retriever, SearchResult
from diffusionret.readout import Readout
from diffusionret.trajectory import Trajectory

from .clips import name_of
from .watch import NO_MATCH, candidates


@dataclass(frozen=True)
class Scene:
    """What the player shows: a result, its candidates in the order of similarity, and who drew it."""

    retriever: Retriever
    result: SearchResult
    form: str

    @property
    def trajectory(self) -> Trajectory:
        """Of all seeds of the search; the first is the one that is played."""
        assert self.result.trajectory is not None
        return self.result.trajectory

    @property
    def readout(self) -> Readout:
        """What the generator's predictions mean."""
        return self.trajectory.readout

    @property
    def drawn(self) -> list[Hit]:
        return candidates(self.result)

    @property
    def names(self) -> list[str]:
        """Of the columns: the candidates and, where the generator can say it, no match."""
        none = [NO_MATCH] if self.readout.has_none else []
        return [name_of(hit.id, hit.caption) for hit in self.drawn] + none

    @property
    def seeds(self) -> int:
        """How many noises an answer takes."""
        return self.retriever.model.choose(self.form).config.seeds

    @property
    def x0_raw(self) -> torch.Tensor:
        """Predictions [step candidate] of the seed that is played."""
        return self.trajectory.predictions[:, 0, 0]

    def denoise(self, texts: list[str], **changes: Any) -> Trajectory:
        """The scene with some settings changed, on its own candidates unless others are given."""
        settings = self.result.settings
        chosen = changes.pop("candidates", self.trajectory.candidates).expand(len(texts), -1)
        same: dict[str, Any] = dict(steps=settings.steps, seed=settings.seed, form=self.form)
        return self.retriever.denoise(texts, chosen, **(same | changes))
