"""Training in stages: towers, discrimination, generation, the open-set generator. Stops and resumes at any step."""

from __future__ import annotations

import argparse
import copy
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from . import finetune
from .benchmarks import BENCHMARKS
from .config import PRESETS, GeneratorConfig, OpenSetConfig, TrainConfig
from .datasets.storybook import clips
from .finetune import lr_scale
from .model import DiffusionRet, build_model, initialise
from .stages import STAGES


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW over the parameters that are not frozen; biases, norms and single numbers do not decay."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.98))


class Trainer:
    """One stage on Storybook. `records()` yields a dict every few steps; checkpoints land in `folder`.

    folder/last.pt resumes (weights, averaged weights, optimizer, step); folder/best holds the averaged weights
    that did best on validation, in the format of `save_pretrained`.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: DiffusionRet,
        folder: Path,
        cache: Path,
        families: int,
        compiled: bool = False,
    ) -> None:
        self.config, self.folder = config, folder
        size, frames = model.config.clip.image_size, model.config.frames
        # Each stage sees clips of its own: it must not learn on features that were fitted to them.
        data = clips.TrainingClips(cache, families, frames, size, 10 * config.seed + config.stage)
        self.stage = STAGES[config.stage](config, model, data, cache, compiled)
        self.whole = nn.ModuleDict({"model": model, "heads": self.stage.heads})
        self.whole.requires_grad_(False)
        self._switch(lambda module, on: module.requires_grad_(on))
        self.optimizer = make_optimizer(self.whole, config)
        self.average = copy.deepcopy(self.whole)
        self.step, self.best, self.seconds = 0, -1.0, 0.0
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "last.pt").is_file():
            self._resume()

    def _switch(self, to: Callable[[nn.Module, bool], object]) -> None:
        """Something on for the parts that learn, off for those that are frozen."""
        for module in (*self.stage.trained(), self.stage.heads):
            to(module, True)
        for module in self.stage.frozen():
            to(module, False)

    def _resume(self) -> None:
        state = torch.load(self.folder / "last.pt", map_location=self.stage.device, weights_only=True)
        self.whole.load_state_dict(state["weights"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.best, self.seconds = state["step"], state["best"], state["seconds"]

    def save(self) -> None:
        """Write last.pt; a kill while writing leaves the previous one whole."""
        state = dict(
            weights=self.whole.state_dict(),
            average=self.average.state_dict(),
            optimizer=self.optimizer.state_dict(),
            step=self.step,
            best=self.best,
            seconds=self.seconds,
        )
        torch.save(state, self.folder / "last.part")
        (self.folder / "last.part").replace(self.folder / "last.pt")

    def records(self, until: float = math.inf) -> Iterator[dict]:
        """Train; a record every 20 steps and at every evaluation. Stops early at time `until` (time.time())."""
        config = self.config
        started, losses = time.monotonic() - self.seconds, []
        first_step, first_time = self.step, time.monotonic()
        while self.step < config.steps and time.time() < until:
            self.whole.eval()  # what is frozen keeps the statistics of its batch norms
            self._switch(lambda module, on: module.train(on))
            for group in self.optimizer.param_groups:
                group["lr"] = config.lr * lr_scale(self.step, config.steps, config.warmup)
            loss = self.stage.loss(self.step)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(
                [p for g in self.optimizer.param_groups for p in g["params"] if p.grad is not None],
                config.clip_norm,
            )
            self.optimizer.step()
            self._update_average()
            losses.append(loss.item())
            self.step += 1
            self.seconds = time.monotonic() - started
            last = self.step == config.steps
            if self.step % 20 == 0 or last:
                rate = (time.monotonic() - first_time) / (self.step - first_step)
                left = rate * (config.steps - self.step)
                yield dict(
                    step=self.step, loss=float(np.mean(losses)), seconds_a_step=rate, minutes_left=left / 60
                )
                losses = []
            if self.step % config.evaluate_every == 0 or last:
                self.save()
                yield self._evaluate()

    @torch.no_grad()
    def _update_average(self) -> None:
        """Move the averaged weights (and the statistics of batch norms) towards the trained ones."""
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))  # early on, little is worth keeping
        new = self.whole.state_dict()
        for name, old in self.average.state_dict().items():
            if old.is_floating_point():
                old.lerp_(new[name], 1 - decay)
            else:
                old.copy_(new[name])

    def _evaluate(self) -> dict:
        """Validation figures of the averaged weights; what is best is kept."""
        self.average.eval()
        figures = self.stage.validate(self.average["model"], self.average["heads"])
        score = figures.pop("score")
        if score > self.best:
            self.best = score
            self.average["model"].save_pretrained(self.folder / "best")
        return dict(step=self.step, minutes=self.seconds / 60) | figures | dict(best=self.best)


def start_model(config: TrainConfig, runs: Path, seed: int) -> DiffusionRet:
    """The weights that a stage starts from: random, or the best of the stage before, new parts initialised."""
    torch.manual_seed(seed)
    if config.init is None:
        model = build_model(config.model)
        initialise(model)
        assert model.temporal is not None
        # A tower of one's own gives embeddings three times as large as CLIP's: positions must not drown in them.
        torch.nn.init.normal_(model.temporal.positions.weight, std=0.5)
        return model
    before = runs / config.init / "best"
    if not (before / "config.json").is_file():
        raise FileNotFoundError(
            f"{config.name} starts from {config.init}, which is not trained yet: run {before}."
        )
    model = DiffusionRet.from_pretrained(before)
    if config.stage == 2:
        return model.trainable(GeneratorConfig(candidates=config.negatives + 1))
    if config.stage == 3:
        return model.trainable(openset=OpenSetConfig(), form="open-set")
    return model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset", required=True, choices=sorted(PRESETS | BENCHMARKS), help="which stage of which model"
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), help="folder of checkpoints (default: runs)"
    )
    parser.add_argument("--cache", type=Path, default=clips.CACHE, help="folder of drawn clips")
    parser.add_argument("--families", type=int, default=12000, help="training clips / 4")
    parser.add_argument("--steps", type=int, help="instead of the preset's number of steps")
    parser.add_argument("--batch", type=int, help="instead of the preset's batch")
    parser.add_argument(
        "--seed", type=int, help="instead of the preset's: the result goes to a folder of its own"
    )
    parser.add_argument("--compile", action="store_true", help="compile the image tower (a fifth faster)")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    finetune.add_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Train a preset; standard output has one JSON record a line."""
    if args.preset in BENCHMARKS:
        finetune.run(args)
        return
    config = PRESETS[args.preset]
    changes = {k: getattr(args, k) for k in ("steps", "batch", "seed") if getattr(args, k) is not None}
    config = replace(config, **changes)
    device = ("cuda" if torch.cuda.is_available() else "cpu") if args.device == "auto" else args.device
    model = start_model(config, args.runs, config.seed).to(device)
    own = "" if config.seed == PRESETS[args.preset].seed else f"-seed{config.seed}"
    trainer = Trainer(
        config, model, args.runs / f"{config.name}{own}", args.cache, args.families, args.compile
    )
    try:
        for record in trainer.records():
            line = json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in record.items()})
            print(line, flush=True)
            with (trainer.folder / "records.jsonl").open("a", encoding="utf-8") as log:
                log.write(line + "\n")
    except KeyboardInterrupt:
        trainer.save()
        print(f"stopped at step {trainer.step}; the same command goes on from there", file=sys.stderr)
        raise
