"""One call of the sampler: its inputs, what they share between parts of the queries, and the states to fill."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import linear

from . import limits
from .factorisation import Plan
from .prepared import PreparedGallery


class States(NamedTuple):
    """x [step+1 (seed) query candidate], row 0 the noise; x0_raw, x0 [step (seed) query candidate], the
    predictions before and after the clamp."""

    x: Tensor
    x0_raw: Tensor
    x0: Tensor


class Pairs(NamedTuple):
    """What the steps of some queries need. rows [query candidate] into table [row column], the candidates
    times `Plan.columns`; base [query candidate] and clock [query candidate step] (or no step), parts of the
    logits, with one axis of pairs for the compiled form."""

    rows: Tensor
    table: Tensor
    base: Tensor
    clock: Tensor


@dataclass
class Job:
    """cls [text dim], frames [video frame dim], mask [video frame], candidates [query candidate]: as `sample` is
    given them; mirrored: the queries are videos. weights [step 3], fresh [step seed query candidate] or no step: of
    DDIM. states: with a seed axis; all but the first row of x is to be filled."""

    cls: Tensor
    frames: Tensor
    mask: Tensor
    candidates: Tensor
    mirrored: bool
    temperature: float
    plan: Plan
    prepared: PreparedGallery | None
    weights: Tensor
    fresh: Tensor
    states: States

    @property
    def seeds(self) -> int:
        return self.states.x.shape[1]

    def bytes(self, numbers: int) -> int:
        """That so many numbers take."""
        return numbers * self.cls.element_size()

    def queries_at_once(self, compiled: bool) -> int:
        """How many queries a part takes."""
        per_pair = sum(self.plan.columns.shape) + len(self.plan.clock)
        if not compiled:
            per_pair += self.frames[0].numel()  # each pair has its frames side by side
        room = limits.PART if compiled else limits.MEMORY // 2
        return max(room // self.bytes(self.candidates.shape[1] * per_pair), 1)

    @cached_property
    def turned(self) -> Tensor:
        """All texts times `Plan.turn` [text dim]."""
        if self.mirrored and self.prepared is not None:
            return self.prepared.turned
        return linear(self.cls, self.plan.turn)

    @cached_property
    def texts(self) -> Tensor | None:
        """All texts times `Plan.columns` [text column]; None where that is too large."""
        if self.prepared is not None:
            return self.prepared.table
        fits = self.bytes(len(self.cls) * len(self.plan.columns)) <= limits.MEMORY
        return linear(self.cls, self.plan.columns) if fits else None

    def text_table(self, part: slice) -> tuple[Tensor, Tensor]:
        """Rows [query candidate] and the table [row column] for video queries."""
        if self.texts is not None:
            return self.candidates[part], self.texts
        used, rows = self.candidates[part].unique(return_inverse=True)
        return rows, linear(self.cls[used], self.plan.columns)
