"""The one training loop: batches, optimiser, validation, what is kept of it, and how a stopped run goes on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from ..config import Optimisation
from ..model import DiffusionRet
from . import state
from .distributed import OneProcess, Process, average_gradients, from_main
from .optimiser import Average, lr_scale, make_optimiser, set_rate
from .records import LossRecord, Record, ValidationRecord
from .stage import Stage

LOSS_EVERY = 20  # steps between records of the loss
BEST = "best"


@dataclass(frozen=True)
class Duration:
    """steps: of the whole training. evaluate_every: steps between validations; the last step has one too.
    patience: validations without a better one after which training stops, None for never."""

    steps: int
    evaluate_every: int
    patience: int | None = None


@dataclass(frozen=True)
class Progress:
    """How far a training is: steps done, the best score, validations since then, seconds of the wall clock."""

    step: int = 0
    best: float = -math.inf
    waited: int = 0
    seconds: float = 0.0


def never() -> bool:
    return False


class Loop:
    """Trains a stage. `records()` does the work and yields what there is to say.

    folder/last.pt is the state that a stopped training goes on from, folder/best the averaged weights with the best
    score, in the format of `save_pretrained`. The state is written after the validation of its step, with the best
    score that this one left, so that whenever the process is killed, a resumed run knows what `best` holds or comes to
    the same validation again.
    """

    def __init__(
        self,
        stage: Stage,
        optimisation: Optimisation,
        duration: Duration,
        folder: Path,
        process: Process | None = None,
    ) -> None:
        """folder: of this training, made where it is missing. process: None for one process in full precision.

        Goes on from the folder's state where there is one. Raises ValueError, which names what differs, where that
        belongs to a run with other settings.
        """
        self.stage, self.optimisation, self.duration, self.folder = stage, optimisation, duration, folder
        self.process: Process = process or OneProcess(stage.model.device)
        self.settings = asdict(duration) | asdict(optimisation) | dict(stage.settings)
        self.weights = nn.ModuleDict({"model": stage.model, "heads": stage.heads})
        self.weights.requires_grad_(False)
        self._switch(lambda module, on: module.requires_grad_(on))
        self.optimiser = self.process.prepare_optimizer(make_optimiser(self.weights, optimisation))
        self.average = Average(self.weights, optimisation)
        self.progress = Progress()
        folder.mkdir(parents=True, exist_ok=True)
        self._resume()

    @property
    def step(self) -> int:
        """Steps done."""
        return self.progress.step

    @property
    def is_over(self) -> bool:
        """Whether all steps are done, or patience is at its end."""
        patience = self.duration.patience
        return self.step >= self.duration.steps or (patience is not None and self.progress.waited >= patience)

    def records(self, stop: Callable[[], bool] = never) -> Iterator[Record]:
        """Train to the end: a record every LOSS_EVERY steps and at every validation.

        stop: asked before every step; where it says so, the state is written and the records end.
        """
        clock = time.monotonic()
        first, before = self.step, self.progress.seconds
        losses: list[Tensor] = []
        while not self.is_over:
            if stop():
                self.save()
                return
            scale = lr_scale(self.step, self.duration.steps, self.optimisation.warmup)
            losses.append(self._train(scale))
            seconds = time.monotonic() - clock
            self.progress = replace(self.progress, step=self.step + 1, seconds=before + seconds)
            is_last = self.step == self.duration.steps
            if self.step % LOSS_EVERY == 0 or is_last:
                rate = seconds / (self.step - first)
                yield LossRecord(
                    step=self.step,
                    loss=torch.stack(losses).double().mean().item(),
                    lr=self.optimisation.lr * scale,
                    seconds_a_step=rate,
                    minutes_left=rate * (self.duration.steps - self.step) / 60,
                )
                losses = []
            if self.step % self.duration.evaluate_every == 0 or is_last:
                record = self._validate()
                self.save()
                yield record

    def _train(self, scale: float) -> Tensor:
        """One step; its loss. scale: the learning rate as a share of the highest."""
        self.weights.eval()  # what is frozen keeps the statistics of its batch norms
        self._switch(lambda module, on: module.train(on))
        set_rate(self.optimiser, scale)
        self.optimiser.zero_grad()
        loss = self.stage.loss(self.step)
        self.process.backward(loss)
        average_gradients(self.weights)
        self.process.clip_grad_norm_(
            [p for group in self.optimiser.param_groups for p in group["params"]], self.optimisation.clip_norm
        )
        self.optimiser.step()
        self.average.update(self.weights, self.step)
        return loss.detach()

    def _switch(self, to: Callable[[nn.Module, bool], object]) -> None:
        """Something on for the parts that learn, off for those that are frozen."""
        for module in (*self.stage.trained(), self.stage.heads):
            to(module, True)
        for module in self.stage.frozen():
            to(module, False)

    @torch.no_grad()
    def _validate(self) -> ValidationRecord:
        """Validate the averaged weights, in the first process, and keep them where they are the best so far."""
        record = None
        if self.process.is_main_process:
            average = self.average.module.eval()
            model = cast(DiffusionRet, average["model"])
            score, figures = self.stage.validate(model, average["heads"])
            progress, is_best = self.progress, score > self.progress.best
            if is_best:
                keep(model, self.folder / BEST)
            record = ValidationRecord(
                step=progress.step,
                minutes=progress.seconds / 60,
                score=score,
                best=score if is_best else progress.best,
                waited=0 if is_best else progress.waited + 1,
                figures=figures,
            )
        record = from_main(record)
        assert record is not None
        self.progress = replace(self.progress, best=record.best, waited=record.waited)
        return record

    def save(self) -> None:
        """Write the state, in the first process."""
        if not self.process.is_main_process:
            return
        scaler = self.process.scaler
        state.write(self.folder, self.settings, dict(
            weights=self.weights.state_dict(),
            average=self.average.module.state_dict(),
            optimiser=self.optimiser.state_dict(),
            scaler=scaler.state_dict() if scaler else {},
            progress=asdict(self.progress),
        ))  # fmt: skip

    def _resume(self) -> None:
        before = state.read(self.folder, self.settings, self.process.device)
        if before is None:
            return
        self.weights.load_state_dict(before["weights"])
        self.average.module.load_state_dict(before["average"])
        self.optimiser.load_state_dict(before["optimiser"])
        if self.process.scaler and before["scaler"]:
            self.process.scaler.load_state_dict(before["scaler"])
        self.progress = Progress(**before["progress"])


def keep(model: DiffusionRet, folder: Path) -> None:
    """Write a model in the format of `save_pretrained`, each file whole or not at all."""
    part = folder.with_name(f"{folder.name}.part")
    model.save_pretrained(part)
    folder.mkdir(exist_ok=True)
    for file in part.iterdir():
        file.replace(folder / file.name)
    part.rmdir()
