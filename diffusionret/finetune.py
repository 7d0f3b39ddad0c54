"""Training on a benchmark: the paper's two stages and one for the open-set generator, on one process or many.

Stops and resumes at any step.

Every process encodes its part of a batch, the features of all parts are gathered with their gradients, and each
process computes the loss of the whole batch: the mean of the processes' gradients is then that of one process with
the whole batch. Where a part does not fit into memory, features are computed twice, chunk by chunk (gradient
caching, Gao et al. 2021, arXiv 2101.06983), which changes neither loss nor gradients, unlike smaller batches.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, distributed
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from . import datasets
from .benchmarks import BENCHMARKS, FinetuneConfig
from .checkpoint import load_model
from .config import GeneratorConfig, OpenSetConfig
from .encoders import TextFeatures, VideoFeatures
from .evaluate import generate
from .features import encode_captions
from .frames import CACHE, FrameCache, Steps, TrainingPairs, find_files, held_out
from .generators.openset import candidate_sets
from .metrics import retrieval_metrics
from .model import DIRECTIONS, DiffusionRet

if TYPE_CHECKING:  # slow to import, and every other command does without
    from accelerate import Accelerator

Parts = tuple[Tensor, ...]  # cls, tokens, text mask, frames, frame mask

# Of the open-set generator's queries: the share whose matches are taken out, so that none fits; how many draws of
# the noise one look at the candidates serves; the weights of its probability that selection tries, the last of
# which ranks by probability and lets similarity decide ties.
ABSENT = 0.3
DRAWS = 4
ALPHAS = (0.03, 0.1, 0.3, 1.0, 3.0, 100.0)


def lr_scale(step: int, steps: int, warmup: float) -> float:
    """Linear warm-up, then cosine decay to 0; `step` counts from 0."""
    first = max(1, int(steps * warmup))
    if step < first:
        return (step + 1) / first
    return 0.5 * (1 + math.cos(math.pi * (step - first) / max(1, steps - first)))


class Gather(torch.autograd.Function):
    """The parts of all processes, one after the other, with the gradients that they have there.

    Every process computes the same loss of the whole, so the gradient of its own part, times the number of processes,
    is what the others would send back: nothing needs to be sent. `average_gradients` takes the factor out again.
    """

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:  # type: ignore[override]
        parts = [torch.empty_like(x) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, x.contiguous())
        ctx.own = slice(len(x) * distributed.get_rank(), len(x) * (distributed.get_rank() + 1))
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return gradient[ctx.own] * distributed.get_world_size()


def gather(x: Tensor) -> Tensor:
    """As `Gather`; with one process x itself."""
    return Gather.apply(x) if distributed.is_available() and distributed.is_initialized() else x  # type: ignore


def contrast(model: DiffusionRet, parts: Parts, videos: Tensor) -> Tensor:
    """The loss of stage 1 over the pairs of all processes."""
    cls, tokens, text_mask, frames, mask = (gather(part) for part in parts)
    return model.discrimination_loss(
        TextFeatures(cls, tokens, text_mask), VideoFeatures(frames, mask), gather(videos)
    )


def average_gradients(model: DiffusionRet) -> None:
    """The mean over processes, in place."""
    if distributed.is_available() and distributed.is_initialized():
        for parameter in model.parameters():
            if parameter.grad is not None:
                distributed.all_reduce(parameter.grad)
                parameter.grad /= distributed.get_world_size()


class Finetune:
    """One stage on one benchmark. `records()` yields a dict every few steps; checkpoints land in `folder`.

    folder/last.pt resumes; folder/best holds the averaged weights that did best on the held-out training videos, in
    the format of `save_pretrained`. chunk: pairs that a process encodes at once, None for all of its part.
    """

    def __init__(
        self,
        config: FinetuneConfig,
        model: DiffusionRet,
        train: TrainingPairs,
        selection: TrainingPairs,
        cache: FrameCache,
        folder: Path,
        accelerator: Accelerator,
        steps: int | None = None,
        chunk: int | None = None,
        workers: int = 0,
    ) -> None:
        self.config, self.folder, self.accelerator = config, folder, accelerator
        self.cache, self.train, self.selection = cache, train, selection
        self.chunk, self.workers = chunk, workers
        self.model = model.to(accelerator.device)
        self.model.requires_grad_(config.stage == 1)
        if config.stage > 1:
            generator = model.generator if config.stage == 2 else model.openset
            assert generator is not None
            generator.requires_grad_(True)
        stage_one = config.stage == 1
        self.batches = Steps(
            train, cache if stage_one else None, config.batch, config.seed,
            accelerator.process_index if stage_one else 0, accelerator.num_processes if stage_one else 1,
        )  # fmt: skip
        self.steps = steps or config.epochs * self.batches.an_epoch
        self.every = max(1, round(config.evaluate_every * self.batches.an_epoch))
        self.optimizer = accelerator.prepare_optimizer(torch.optim.AdamW(self._groups(), betas=(0.9, 0.98)))
        self.average = AveragedModel(
            self.model, multi_avg_fn=get_ema_multi_avg_fn(config.ema), use_buffers=False
        )
        self.step, self.best, self.waited, self.seconds = 0, -1.0, 0, 0.0
        if (folder / "last.pt").is_file():
            self._resume()
        self.video = self._encode_videos(train) if config.stage > 1 else None

    def _groups(self) -> list[dict]:
        """CLIP's towers learn slowly, the new parts fast; biases, norms and single numbers do not decay."""
        groups = []
        for tower, lr in ((True, self.config.clip_lr), (False, self.config.lr)):
            own = [
                p for n, p in self.model.named_parameters()
                if p.requires_grad and n.startswith("towers.") == tower
            ]  # fmt: skip
            for decays in (True, False):
                chosen = [p for p in own if (p.ndim >= 2) == decays]
                decay = self.config.weight_decay if decays else 0.0
                groups.append({"params": chosen, "lr": lr, "most": lr, "weight_decay": decay})
        return [group for group in groups if group["params"]]

    # --- the losses -------------------------------------------------------------------------------------

    def _encode(self, pairs: np.ndarray, frames: np.ndarray, mask: np.ndarray) -> Parts:
        """Features of pairs, in float32 whatever the precision of the towers."""
        device, model = self.accelerator.device, self.model
        ids, words = model.tokenize([self.train.captions[i] for i in pairs])
        seen = torch.from_numpy(mask).to(device)
        x = model.preprocess(torch.from_numpy(frames).to(device)) * seen[..., None, None, None]
        with self.accelerator.autocast():
            text = model.encode_token_ids(ids.to(device), words.to(device))
            video = model.encode_frames(x, seen.long())
        return text.cls.float(), text.tokens.float(), text.mask, video.frames.float(), video.mask

    def discriminate(self, step: int) -> Tensor:
        """Stage 1: the loss of the whole batch; gradients are added to the parameters."""
        batch = self.batches[step] if self._loader is None else next(self._loader)
        videos = torch.from_numpy(self.train.owner[batch.pairs]).to(self.accelerator.device)
        count = len(batch.pairs)
        size = min(self.chunk or count, count)
        if size == count:
            loss = contrast(self.model, self._encode(*batch), videos)
            self.accelerator.backward(loss)
            return loss.detach()
        pieces = [tuple(part[i : i + size] for part in batch) for i in range(0, count, size)]
        with torch.no_grad():
            found = [self._encode(*piece) for piece in pieces]
        whole = tuple(torch.cat(part) for part in zip(*found, strict=True))
        leaves = tuple(x.requires_grad_() if x.is_floating_point() else x for x in whole)
        loss = contrast(self.model, leaves, videos)
        self.accelerator.backward(loss)
        for k, piece in enumerate(pieces):
            again = self._encode(*piece)
            learn = [(x, leaf.grad[k * size : (k + 1) * size])
                     for x, leaf in zip(again, leaves, strict=True) if leaf.grad is not None]  # fmt: skip
            torch.autograd.backward(*zip(*learn, strict=True))
        return loss.detach()

    def denoise(self, step: int) -> Tensor:
        """Stage 2, on cached features. A step takes milliseconds, so every process runs the whole batch."""
        text, video, owner, generator = self._cached(step)
        video = VideoFeatures(video.frames[owner], video.mask[owner])
        with self.accelerator.autocast():
            loss = self.model.generation_loss(
                text, video, owner, negatives=self.config.negatives, generator=generator
            )
        self.accelerator.backward(loss)
        return loss.detach()

    def match(self, step: int) -> Tensor:
        """Stage 3, as stage 2: the bits of the most similar candidates, asked as a search asks.

        A gallery is a random part of the batch's videos (or texts), each once. A caption is true of its own video,
        all captions of a video are; of ABSENT of the queries nothing true is in the gallery.
        """
        text, video, owner, generator = self._cached(step)
        device = self.accelerator.device
        ids, owner = owner.unique(return_inverse=True)
        video = VideoFeatures(video.frames[ids], video.mask[ids])
        fits = owner[:, None] == torch.arange(len(ids), device=device)
        with torch.no_grad():
            similarity = self.model.similarity(text, video)
        total = similarity.new_zeros(())
        for direction, scores, true in zip(
            DIRECTIONS, (similarity, similarity.T), (fits, fits.T), strict=True
        ):
            share = 0.2 + 0.8 * torch.rand(len(scores), 1, generator=generator)
            there = (torch.rand(scores.shape, generator=generator) < share).to(device) | true
            absent = (torch.rand(len(scores), 1, generator=generator) < ABSENT).to(device)
            count = min(self.config.negatives + 1, scores.shape[1])
            candidates = candidate_sets(scores, there & ~(absent & true), count)
            strata = torch.arange(DRAWS)[:, None]  # every noise level gets its share of the draws
            u = (strata + torch.rand(DRAWS, len(scores), generator=generator)) / DRAWS
            noise = torch.randn(DRAWS, *candidates.shape, generator=generator)
            with self.accelerator.autocast():
                total = total + self.model.choose("open-set").loss(
                    text,
                    video,
                    candidates,
                    true.gather(1, candidates),
                    direction,
                    u.to(device),
                    noise.to(device),
                )
        self.accelerator.backward(total)
        return total.detach()

    def _cached(self, step: int) -> tuple[TextFeatures, VideoFeatures, Tensor, torch.Generator]:
        """Of stages 2 and 3: features of a step's texts, of all videos, whose each text is, and the randomness."""
        assert self.video is not None
        pairs = self.batches[step].pairs
        owner = torch.from_numpy(self.train.owner[pairs]).to(self.accelerator.device)
        text = encode_captions(self.model, [self.train.captions[i] for i in pairs])
        return text, self.video, owner, torch.Generator().manual_seed(self.config.seed * 1_000_003 + step)

    # --- training ---------------------------------------------------------------------------------------

    def records(self) -> Iterator[dict]:
        """Train; a record every 20 steps and at every evaluation."""
        config, accelerator = self.config, self.accelerator
        self.folder.mkdir(parents=True, exist_ok=True)
        self._loader = self._load()
        started, losses = time.monotonic() - self.seconds, []
        first_step, first_time = self.step, time.monotonic()
        while self.step < self.steps and self.waited < config.patience:
            self.model.train()
            scale = lr_scale(self.step, self.steps, config.warmup)
            for group in self.optimizer.param_groups:
                group["lr"] = group["most"] * scale
            self.optimizer.zero_grad()
            loss = (self.discriminate, self.denoise, self.match)[config.stage - 1](self.step)
            average_gradients(self.model)
            accelerator.clip_grad_norm_(
                [p for group in self.optimizer.param_groups for p in group["params"]], config.clip_norm
            )
            self.optimizer.step()
            self.average.update_parameters(self.model)
            losses.append(loss)
            self.step += 1
            self.seconds = time.monotonic() - started
            last = self.step == self.steps
            if self.step % 20 == 0 or last:
                rate = (time.monotonic() - first_time) / (self.step - first_step)
                yield dict(
                    step=self.step, loss=torch.stack(losses).mean().item(), lr=config.lr * scale,
                    seconds_a_step=rate, minutes_left=rate * (self.steps - self.step) / 60,
                )  # fmt: skip
                losses = []
            if self.step % self.every == 0 or last:
                record = self._select()
                self.save()
                yield record

    _loader: Iterator | None = None

    def _load(self) -> Iterator | None:
        """The batches from this step on, read ahead by other processes; None reads them here."""
        if not self.workers or self.config.stage > 1:
            return None
        return iter(DataLoader(
            self.batches, batch_size=None, sampler=range(self.step, self.steps), num_workers=self.workers,
            collate_fn=_same, multiprocessing_context="spawn",
        ))  # fmt: skip

    @torch.no_grad()
    def _select(self) -> dict:
        """Figures of the averaged weights on the held-out videos, by the first process; what is best is kept."""
        from accelerate.utils import broadcast_object_list

        told: list[dict | None] = [None]
        if self.accelerator.is_main_process:
            model = self.average.module.eval()
            figures = self._figures(model)
            score = figures.pop("score")
            better = score > self.best
            if better:
                model.save_pretrained(self.folder / "best")
            told[0] = dict(step=self.step, minutes=self.seconds / 60) | figures | dict(
                best=max(self.best, score), waited=0 if better else self.waited + 1
            )  # fmt: skip
        broadcast_object_list(told)
        assert told[0] is not None
        self.best, self.waited = told[0]["best"], told[0]["waited"]
        return told[0]

    def _figures(self, model: DiffusionRet) -> dict:
        """R@1 of both directions, in stages 2 and 3 after generation; the score is the mean of R@1, R@5 and R@10, or
        in stage 3 how probable the truth about a candidate is, by geometric mean."""
        first = np.unique(self.selection.owner, return_index=True)[1]  # a caption a video
        text = encode_captions(model, [self.selection.captions[i] for i in first])
        video = self._encode_videos(self.selection, model)
        similarity = model.similarity(text, video)
        record = self._choose_alpha(model, text, video, similarity) if self.config.stage == 3 else {}
        total = []
        for direction, scores in (("t2v", similarity), ("v2t", similarity.T.contiguous())):
            if self.config.stage > 1:
                generator = model.choose("published" if self.config.stage == 2 else "open-set")
                walk = generate(model, text, video, scores, direction, generator=generator)
                scores = model.rerank(scores, walk, generator.config.alpha)
            m = retrieval_metrics(scores)
            record[f"R1_{direction}"] = m.R1
            total += [m.R1, m.R5, m.R10]
        return {"score": float(np.mean(total))} | record

    def _choose_alpha(
        self, model: DiffusionRet, text: TextFeatures, video: VideoFeatures, similarity: Tensor
    ) -> dict:
        """How good the open-set generator's probabilities are where a third of the queries has no match, and the
        weight beside the similarity that puts the most of the others right; the model's config then keeps it."""
        config = model.generator_config("open-set")
        count = min(config.candidates, len(similarity))
        own = torch.eye(len(similarity), dtype=torch.bool, device=similarity.device)
        absent = torch.arange(len(own), device=own.device) % 3 == 2
        likelihood, right = [], []
        for direction, scores in zip(DIRECTIONS, (similarity, similarity.T.contiguous()), strict=True):
            candidates = candidate_sets(scores, ~(absent[:, None] & own), count)
            noise = torch.randn(8, *candidates.shape, generator=torch.Generator().manual_seed(0))
            walk = model.generate(
                text, video, candidates, direction, min(8, config.steps), noise=noise.to(scores.device),
                respace_from=config.steps, form="open-set",
            )  # fmt: skip
            true, said = own.gather(1, candidates), walk.probability
            likelihood.append(torch.where(true, said, 1 - said).clamp(min=1e-3).log().mean())
            near = scores.gather(1, candidates)
            firsts = [(near + alpha * said).argmax(1, keepdim=True) for alpha in ALPHAS]
            right.append(torch.stack([true.gather(1, i)[~absent].float().mean() for i in firsts]))
        alpha = ALPHAS[int(torch.stack(right).mean(0).argmax())]
        model.config = replace(model.config, openset=replace(config, alpha=alpha))  # type: ignore[type-var]
        return {"score": torch.stack(likelihood).mean().exp().item(), "alpha": alpha}

    @torch.no_grad()
    def _encode_videos(self, pairs: TrainingPairs, model: DiffusionRet | None = None) -> VideoFeatures:
        """Features of the clips, on the device."""
        model, device = model or self.model, self.accelerator.device
        model.eval()
        parts = []
        for i in range(0, len(pairs.places), 32):
            found = [self.cache.load(place) for place in pairs.places[i : i + 32]]
            frames, mask = (torch.from_numpy(np.stack(part)).to(device) for part in zip(*found, strict=True))
            x = model.preprocess(frames) * mask[..., None, None, None]
            with self.accelerator.autocast():
                video = model.encode_frames(x, mask.long())
            parts.append(VideoFeatures(video.frames.float(), video.mask))
        return VideoFeatures(*(torch.cat(part) for part in zip(*parts, strict=True)))

    # --- stopping and resuming --------------------------------------------------------------------------

    def _run(self) -> dict:
        """What must stay the same for a run to go on."""
        return asdict(self.config) | {"steps_in_all": self.steps, "pairs": len(self.train.captions)}

    def save(self) -> None:
        """Write last.pt; a kill while writing leaves the previous one whole."""
        if not self.accelerator.is_main_process:
            return
        scaler = self.accelerator.scaler
        state = dict(
            run=json.dumps(self._run()),
            weights=self.model.state_dict(),
            average=self.average.state_dict(),
            optimizer=self.optimizer.state_dict(),
            scaler=scaler.state_dict() if scaler else {},
            place=dict(step=self.step, best=self.best, waited=self.waited, seconds=self.seconds),
        )
        torch.save(state, self.folder / "last.part")
        (self.folder / "last.part").replace(self.folder / "last.pt")

    def _resume(self) -> None:
        state = torch.load(self.folder / "last.pt", map_location=self.accelerator.device, weights_only=True)
        before, now = json.loads(state["run"]), json.loads(json.dumps(self._run()))
        if changed := [key for key in now if before.get(key) != now[key]]:
            raise ValueError(
                f"{self.folder} holds a run with another {', '.join(changed)}: pass its settings, or another --runs."
            )
        self.model.load_state_dict(state["weights"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.accelerator.scaler and state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        for key, value in state["place"].items():
            setattr(self, key, value)


def _same(batch: object) -> object:
    return batch


# --- the command ----------------------------------------------------------------------------------------


def start_model(config: FinetuneConfig, runs: Path, init: str | None = None) -> DiffusionRet:
    """The weights that a stage starts from, new parts initialised as published."""
    name = init or config.init
    if name in BENCHMARKS:
        before = runs / name / "best"
        if not (before / "config.json").is_file():
            raise FileNotFoundError(
                f"{config.name} starts from {before}: train {name} first, or pass --init."
            )
        name = str(before)
    model = load_model(name, "cpu")
    torch.manual_seed(config.seed)
    about = dict(words=config.words, frames=config.frames, name=config.name, dataset=config.data)
    if model.temporal is not None and model.temporal.positions.num_embeddings < config.frames:
        raise ValueError(f"{name} knows fewer positions than {config.frames} frames: start from CLIP.")
    settings = dict(schedule=config.schedule, steps=config.steps, candidates=config.negatives + 1)
    wanted = GeneratorConfig(**settings) if config.stage == 2 else None
    if config.stage == 3:
        about |= dict(openset=OpenSetConfig(**settings), form="open-set")
    return model.trainable(wanted, frame_rule="published", **about)


def read_pairs(
    config: FinetuneConfig,
    annotations: Path,
    videos: Path,
    cache: FrameCache,
    accelerator: Accelerator,
) -> tuple[TrainingPairs, TrainingPairs, list[str]]:
    """The pairs to train on, those that select the weights, and why each missing video is missing.

    Every process decodes its share of the videos; the folder of frames must be shared by all.
    """
    from accelerate.utils import gather_object

    captioned = datasets.read(config.data, annotations, "train")
    files, missing = find_files(captioned, videos)
    wanted = [(path, clip) for clip, path in files.items()]
    errors = cache.fill(wanted[accelerator.process_index :: accelerator.num_processes])
    missing += sorted(gather_object([f"{clip.id}: {error}" for clip, error in errors.items()]))
    accelerator.wait_for_everyone()
    places = [cache.place(files[c], c) if c in files else None for c in captioned.clips]
    kept = [i for i, place in enumerate(places) if place is not None and place.is_file()]
    if not kept:
        raise ValueError(f"None of the {len(captioned.clips)} training videos could be read in {videos}.")
    found = captioned.only(kept)
    pairs = TrainingPairs(
        found.captions, np.array(found.owner), tuple(p for p in (places[i] for i in kept) if p)
    )
    aside = held_out([clip.id for clip in found.clips], config.held_out, config.seed)
    train, selection = (
        pairs.only([i for i, out in enumerate(aside) if out == side]) for side in (False, True)
    )
    return train, selection, missing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("of a benchmark")
    group.add_argument("--annotations", type=Path, help="folder of its annotation files")
    group.add_argument("--videos", type=Path, help="folder of its videos, looked for at any depth")
    group.add_argument("--init", help="model to start from instead of the preset's")
    group.add_argument("--precision", default="bf16", choices=("no", "bf16", "fp16"), help="default: bf16")
    group.add_argument(
        "--chunk", type=int, help="pairs that a process encodes at once (less memory, same result)"
    )
    group.add_argument("--frame-cache", type=Path, default=CACHE, help="folder of decoded frames")
    group.add_argument("--workers", type=int, default=4, help="processes that read frames ahead (default: 4)")


def run(args: argparse.Namespace) -> None:
    """Train a preset; standard output has one JSON record a line, TensorBoard's logs lie beside the weights."""
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise ValueError(
            "Training on a benchmark needs accelerate: run `pip install accelerate tensorboard`."
        ) from error

    config = BENCHMARKS[args.preset]
    changes = {k: getattr(args, k) for k in ("batch", "seed") if getattr(args, k) is not None}
    config = replace(config, **changes)
    if args.annotations is None or args.videos is None:
        raise ValueError(
            f"Training on {config.data} needs --annotations and --videos, the folders of its files."
        )
    on_cpu = args.device == "cpu" or not torch.cuda.is_available()
    folder = args.runs / config.name
    accelerator = Accelerator(
        cpu=on_cpu,
        mixed_precision="no" if on_cpu else args.precision,
        log_with="tensorboard",
        project_dir=folder,
    )
    main = accelerator.is_main_process
    model = start_model(config, args.runs, args.init)
    cache = FrameCache(args.frame_cache, model.config)
    train, selection, missing = read_pairs(config, args.annotations, args.videos, cache, accelerator)
    if main:
        about = f"{len(train.places):,} videos with {len(train.captions):,} captions train, "
        about += f"{len(selection.places):,} videos select, {len(missing):,} are missing"
        sys.stderr.write(f"{about}{': ' if missing else ''}{'; '.join(missing[:5])}\n")
    job = Finetune(
        config, model, train, selection, cache, folder, accelerator, args.steps, args.chunk, args.workers
    )
    accelerator.init_trackers("logs")
    log = (folder / "records.jsonl").open("a", encoding="utf-8") if main else nullcontext()
    with log as file:
        for record in job.records():
            accelerator.log({k: v for k, v in record.items() if math.isfinite(v)}, step=record["step"])
            if file is not None:
                line = json.dumps({k: round(v, 6) if isinstance(v, float) else v for k, v in record.items()})
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
                file.write(line + "\n")
                file.flush()
    accelerator.end_training()
