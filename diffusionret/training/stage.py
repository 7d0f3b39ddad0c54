"""What a stage tells the loop: the parts that learn, the loss of a batch, and how good the weights are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from ..benchmarks import FinetuneConfig
from ..config import TrainConfig
from ..model import DiffusionRet

# Of a preset: what it says to people, which may be reworded without making another training of it.
DESCRIPTION = {"command", "minutes", "hours", "reaches"}


class Validation(NamedTuple):
    """score: the best weights have the largest. figures: by name, for people."""

    score: float
    figures: dict[str, float]


@runtime_checkable
class Stage(Protocol):
    """One stage of training. heads: what is trained beside the model and dropped afterwards, an empty module where
    there is nothing. settings: what a resumed training must share with the one that it goes on with."""

    model: DiffusionRet
    heads: nn.Module
    settings: dict[str, object]

    def trained(self) -> Sequence[nn.Module]:
        """The parts of the model that learn."""
        ...

    def frozen(self) -> Sequence[nn.Module]:
        """The parts of these that do not."""
        ...

    def loss(self, step: int) -> Float[Tensor, ""]:
        """The loss of one batch, with its gradient. Step number `step`, from 0, always sees the same batch."""
        ...

    def validate(self, model: DiffusionRet, heads: nn.Module) -> Validation:
        """How good averaged weights are, without gradients. May set what validation chooses in the model's config."""
        ...


def settings_of(config: TrainConfig | FinetuneConfig, **others: object) -> dict[str, object]:
    """Everything in a preset that decides what is trained, and `others`, by name."""
    flat = asdict(config) | asdict(config.optimisation) | others
    return {name: value for name, value in flat.items() if name not in {*DESCRIPTION, "optimisation"}}
