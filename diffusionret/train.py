"""Training in three stages: towers, discrimination, generation. Stops and resumes at any step."""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .config import PRESETS, GeneratorConfig, TrainConfig
from .datasets.storybook import captions, clips, world
from .encoders import TextFeatures, VideoFeatures
from .evaluate import OMIT, encode_clips, generate, generator_scores
from .metrics import retrieval_metrics
from .model import DiffusionRet, build_model, initialise


def lr_scale(step: int, steps: int, warmup: float) -> float:
    """Linear warm-up, then cosine decay to 0; `step` counts from 0."""
    first = max(1, int(steps * warmup))
    if step < first:
        return (step + 1) / first
    return 0.5 * (1 + math.cos(math.pi * (step - first) / max(1, steps - first)))


def make_optimizer(model: DiffusionRet, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW over what the stage trains; biases, norms and single numbers do not decay."""
    if config.stage == 2:
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        assert model.generator is not None
        for parameter in model.generator.parameters():
            parameter.requires_grad_(True)
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.98))


def shift(frames: Tensor, rng: random.Random, most: int = 3) -> Tensor:
    """The clips moved by up to `most` pixels, edges repeated. No flips: left and right are words here.

    frames [clip frame 3 h w]. All clips of a call move alike; the next call moves them otherwise.
    """
    h, w = frames.shape[-2:]
    padded = torch.nn.functional.pad(frames.flatten(0, 1), (most,) * 4, mode="replicate")
    y, x = rng.randint(0, 2 * most), rng.randint(0, 2 * most)
    return padded[..., y : y + h, x : x + w].reshape(frames.shape)


def soften(x: Tensor, rng: random.Random) -> Tensor:
    """Frames [image 3 h w] mixed with their 3 x 3 mean by a random part: drawn clips are sharper than decoded ones."""
    part = rng.uniform(0.0, 0.6)
    return x.lerp(torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False), part)


class Trainer:
    """One stage on Storybook. `records()` yields a dict every few steps; checkpoints land in `folder`.

    folder/last.pt resumes (weights, averaged weights, optimizer, step); folder/best holds the averaged weights
    with the best validation R@1 in the format of `save_pretrained`.
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
        self.config, self.model, self.folder, self.cache = config, model, folder, cache
        self.device = model.device
        self.optimizer = make_optimizer(model, config)
        self.average = copy.deepcopy(model)
        self.step, self.best, self.seconds = 0, -1.0, 0.0
        self.encode_image = torch.compile(model.towers.visual) if compiled else model.towers.visual
        size, frames = model.config.clip.image_size, model.config.frames
        # Each stage sees clips of its own: the generator must not learn on features that were fitted to them.
        self.data = clips.TrainingClips(cache, families, frames, size, 10 * config.seed + config.stage)
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "last.pt").is_file():
            self._resume()
        self.video_features = self._encode_all() if config.stage == 2 else None

    def _resume(self) -> None:
        state = torch.load(self.folder / "last.pt", map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.best, self.seconds = state["step"], state["best"], state["seconds"]

    def save(self) -> None:
        """Write last.pt; a kill while writing leaves the previous one whole."""
        state = dict(
            model=self.model.state_dict(),
            average=self.average.state_dict(),
            optimizer=self.optimizer.state_dict(),
            step=self.step,
            best=self.best,
            seconds=self.seconds,
        )
        torch.save(state, self.folder / "last.part")
        (self.folder / "last.part").replace(self.folder / "last.pt")

    # --- one step ---------------------------------------------------------------------------------------

    def _see(self, indices: np.ndarray, rng: random.Random) -> VideoFeatures:
        """Features of clips from a random part of their frames; the frames not seen are masked."""
        model, total, seen = self.model, self.model.config.frames, self.config.frames_seen
        chosen = sorted(rng.sample(range(total), seen))
        frames = torch.from_numpy(self.data.frames[indices][:, chosen]).to(self.device)
        x = soften(shift(model.preprocess(frames), rng).flatten(0, 1), rng)
        x = x.contiguous(memory_format=torch.channels_last)
        seen_features = self.encode_image(x).unflatten(0, (len(indices), seen))
        embeddings = seen_features.new_zeros(len(indices), total, seen_features.shape[-1])
        embeddings[:, chosen] = seen_features
        mask = torch.zeros(len(indices), total, dtype=torch.long, device=self.device)
        mask[:, chosen] = 1
        return model.contextualise(embeddings, mask)

    def _read(self, texts: list[str]) -> TextFeatures:
        ids, mask = self.model.tokenize(texts)
        longest = int(mask.sum(1).max())  # positions that nobody uses need not run
        return self.model.encode_token_ids(
            ids[:, :longest].to(self.device), mask[:, :longest].to(self.device)
        )

    def loss(self, indices: np.ndarray, texts: list[str], rng: random.Random) -> Tensor:
        ids = torch.from_numpy(indices).to(self.device)
        if self.video_features is not None:
            with torch.no_grad():
                text = self._read(texts)
            video = VideoFeatures(*(part[ids] for part in self.video_features))
            generator = torch.Generator().manual_seed(rng.getrandbits(31))
            return self.model.generation_loss(
                text, video, ids, negatives=self.config.negatives, generator=generator
            )
        text, video = self._read(texts), self._see(indices, rng)
        return self.model.discrimination_loss(text, video, ids, cls_weight=self.config.cls_weight)

    def records(self, until: float = math.inf) -> Iterator[dict]:
        """Train; a record every 20 steps and at every evaluation. Stops early at time `until` (time.time())."""
        config = self.config
        batches = self.data.batches(config.batch, config.seed, config.omit, config.relatives)
        for _ in range(self.step):  # the same order after a resume
            next(batches)
        started, losses = time.monotonic() - self.seconds, []
        first_step, first_time = self.step, time.monotonic()
        while self.step < config.steps and time.time() < until:
            self.model.train(config.stage < 2)
            rng = random.Random(f"step {config.seed} {self.step}")
            for group in self.optimizer.param_groups:
                group["lr"] = config.lr * lr_scale(self.step, config.steps, config.warmup)
            loss = self.loss(*next(batches), rng)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(
                [p for g in self.optimizer.param_groups for p in g["params"]], config.clip_norm
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
        new = self.model.state_dict()
        for name, old in self.average.state_dict().items():
            if old.is_floating_point():
                old.lerp_(new[name], 1 - decay)
            else:
                old.copy_(new[name])

    # --- evaluation and features ------------------------------------------------------------------------

    def _encode_all(self) -> VideoFeatures:
        """Features of all training clips: they are frozen in stage 2."""
        start = time.monotonic()
        features = encode_clips(self.model.eval(), self.data.frames)
        print(f"encoded {len(self.data)} clips in {time.monotonic() - start:.0f} s", file=sys.stderr)
        return features

    @torch.no_grad()
    def _evaluate(self) -> dict:
        """Validation R@1 of the averaged weights; what is best is kept."""
        model = self.average
        model.eval()
        scenes = world.split("validation")
        frames = clips.split_frames(
            "validation", self.cache, model.config.frames, model.config.clip.image_size
        )
        video = encode_clips(model, frames)
        rng = random.Random("validation captions")
        full = model.encode_text([captions.write(s, rng, 0.0).text for s in scenes])
        natural = model.encode_text([captions.write(s, rng, OMIT).text for s in scenes])
        record = dict(step=self.step, minutes=self.seconds / 60)
        cls = torch.nn.functional.normalize(full.cls, dim=-1) @ video.frames.mean(1).T
        record["cls_R1"] = retrieval_metrics(cls).R1
        full_similarity = model.similarity(full, video)
        record["full_R1"] = score = retrieval_metrics(full_similarity).R1
        record["natural_R1"] = retrieval_metrics(model.similarity(natural, video)).R1
        if self.config.stage == 2:
            record |= self._evaluate_generator(model, full, video, full_similarity)
            score = record["generator_R1_t2v"] + record["generator_R1_v2t"]
        if score > self.best:
            self.best = score
            model.save_pretrained(self.folder / "best")
        return record | dict(best=self.best)

    def _evaluate_generator(
        self, model: DiffusionRet, text: TextFeatures, video: VideoFeatures, similarity: Tensor
    ) -> dict:
        """R@1 of the generator alone (candidates ranked by x0 before the clamp) and after re-ranking."""
        record = {}
        for direction, scores in (("t2v", similarity), ("v2t", similarity.T.contiguous())):
            walk = generate(model, text, video, scores, direction)
            record[f"generator_R1_{direction}"] = retrieval_metrics(generator_scores(scores, walk)).R1
            record[f"after_R1_{direction}"] = retrieval_metrics(model.rerank(scores, walk)).R1
        return record


def start_model(config: TrainConfig, runs: Path, seed: int) -> DiffusionRet:
    """The weights that a stage starts from: random, or the best of the stage before, new parts initialised."""
    torch.manual_seed(seed)
    if config.init is None:
        model = build_model(config.model)
        initialise(model)
        return model
    before = runs / config.init / "best"
    if not (before / "config.json").is_file():
        raise FileNotFoundError(
            f"{config.name} starts from {config.init}, which is not trained yet: run {before}."
        )
    model = DiffusionRet.from_pretrained(before)
    return model.trainable(GeneratorConfig(candidates=config.negatives + 1)) if config.stage == 2 else model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", required=True, choices=sorted(PRESETS), help="which stage of which model")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), help="folder of checkpoints (default: runs)"
    )
    parser.add_argument("--cache", type=Path, default=clips.CACHE, help="folder of drawn clips")
    parser.add_argument("--families", type=int, default=12000, help="training clips / 4")
    parser.add_argument("--steps", type=int, help="instead of the preset's number of steps")
    parser.add_argument("--batch", type=int, help="instead of the preset's batch")
    parser.add_argument("--seed", type=int, help="instead of the preset's seed")
    parser.add_argument("--compile", action="store_true", help="compile the image tower (a fifth faster)")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))


def run(args: argparse.Namespace) -> None:
    """Train a preset; standard output has one JSON record a line."""
    config = PRESETS[args.preset]
    changes = {k: getattr(args, k) for k in ("steps", "batch", "seed") if getattr(args, k) is not None}
    config = replace(config, **changes)
    device = ("cuda" if torch.cuda.is_available() else "cpu") if args.device == "auto" else args.device
    model = start_model(config, args.runs, config.seed).to(device)
    model.towers.visual.to(memory_format=torch.channels_last)  # three times as fast on a CPU
    trainer = Trainer(config, model, args.runs / config.name, args.cache, args.families, args.compile)
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
