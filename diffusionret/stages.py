"""The three stages of training on Storybook: what each trains, its loss, and what it is judged by.

Stage 0 teaches the image tower to see single frames, stage 1 is the paper's discrimination on frozen frame
embeddings (text tower, temporal transformer, weights of the similarity), stage 2 the paper's generation on
frozen features.
"""

from __future__ import annotations

import random
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy, mse_loss, pad

from .config import TrainConfig
from .datasets.storybook import captions, clips, lessons, world
from .datasets.storybook.labels import NUMBERS, TRAITS, FrameLabels, frame_labels
from .encoders import TextFeatures, VideoFeatures
from .evaluate import OMIT, encode_clips, generate, generator_scores
from .losses import choice_loss, contrastive_loss
from .metrics import retrieval_metrics
from .model import DiffusionRet
from .similarity import cls_similarity


def shift(frames: Tensor, rng: random.Random, most: int = 3) -> Tensor:
    """Frames [... 3 h w] moved by up to `most` pixels, edges repeated. No flips: left and right are words here.

    All frames of a call move alike; the next call moves them otherwise.
    """
    h, w = frames.shape[-2:]
    padded = pad(frames.flatten(0, -4), (most,) * 4, mode="replicate")
    y, x = rng.randint(0, 2 * most), rng.randint(0, 2 * most)
    return padded[..., y : y + h, x : x + w].reshape(frames.shape)


def soften(x: Float[Tensor, "image 3 h w"], rng: random.Random) -> Float[Tensor, "image 3 h w"]:
    """Mixed with their 3 x 3 mean by a random part: drawn clips are sharper than decoded ones."""
    return x.lerp(avg_pool2d(x, 3, 1, 1, count_include_pad=False), rng.uniform(0.0, 0.6))


class Stage(ABC):
    """heads: what is trained beside the model and dropped afterwards."""

    def __init__(
        self,
        config: TrainConfig,
        model: DiffusionRet,
        data: clips.TrainingClips,
        cache: Path,
        compiled: bool = False,
    ) -> None:
        self.config, self.model, self.data, self.cache = config, model, data, cache
        self.device = model.device
        self.heads: nn.Module = nn.ModuleDict()
        self.see = torch.compile(model.towers.visual) if compiled else model.towers.visual

    @abstractmethod
    def trained(self) -> list[nn.Module]:
        """The parts of the model that learn."""

    def frozen(self) -> list[nn.Module]:
        """The parts of these that do not."""
        return []

    @abstractmethod
    def loss(self, step: int) -> Float[Tensor, ""]:
        """Of one batch; step number `step` always sees the same batch."""

    @abstractmethod
    def validate(self, model: DiffusionRet, heads: nn.Module) -> dict[str, float]:
        """Figures on the validation split; "score" is what the best weights have most of."""

    def rng(self, step: int) -> random.Random:
        return random.Random(f"step {self.config.seed} {step}")

    def batch(self, step: int) -> clips.Batch:
        c = self.config
        return self.data.batch(step, c.batch, c.seed, c.omit, c.relatives)

    def validation_frames(self) -> np.ndarray:
        config = self.model.config
        return clips.split_frames("validation", self.cache, config.frames, config.clip.image_size)

    def read(self, texts: list[str]) -> TextFeatures:
        ids, mask = self.model.tokenize(texts)
        longest = int(mask.sum(1).max())  # positions that nobody uses need not run
        return self.model.encode_token_ids(
            ids[:, :longest].to(self.device), mask[:, :longest].to(self.device)
        )


class FrameHeads(nn.Module):
    """Linear readings of a frame's embedding: its traits; of every subject the colour and the stance."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.traits = nn.ModuleDict({name: nn.Linear(dim, len(lessons.GROUPS[name])) for name in TRAITS})
        self.colour = nn.Linear(dim, len(world.SUBJECTS) * len(world.COLOURS))
        self.stance = nn.Linear(dim, len(world.SUBJECTS) * len(NUMBERS))

    def losses(self, embedding: Float[Tensor, "frame dim"], labels: FrameLabels) -> dict[str, Tensor]:
        """By trait the divergence from the true shares; colour and stance of the subjects that are there."""
        device, things = embedding.device, len(world.SUBJECTS)
        traits, *rest = labels
        present, colour, stance = (torch.from_numpy(part).to(device) for part in rest)
        parts = {
            name: choice_loss(head(embedding), torch.from_numpy(traits[name]).to(device))
            for name, head in self.traits.items()
        }
        parts["colour of"] = cross_entropy(
            self.colour(embedding).unflatten(1, (things, -1))[present], colour[present]
        )
        parts["stance of"] = mse_loss(
            self.stance(embedding).unflatten(1, (things, -1))[present], stance[present]
        )
        return parts


class Sight(Stage):
    """Stage 0: the image tower learns to see, from labels of single frames.

    It stands for the pre-training that CLIP brings along: on a few minutes of two CPU cores captions alone teach
    a tower colours and places, while it takes labels to make it see what moves there. One frame a clip makes a
    batch as varied as can be.
    """

    WEIGHTS: Mapping[str, float] = {"subject": 3.0}  # the hardest of the traits by far

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.heads = FrameHeads(self.model.config.clip.embed_dim).to(self.device)

    def trained(self) -> list[nn.Module]:
        return [self.model.towers.visual]

    def loss(self, step: int) -> Tensor:
        rng = self.rng(step)
        chosen = rng.sample(range(len(self.data)), self.config.batch)
        moments = [rng.randrange(self.model.config.frames) for _ in chosen]
        frames = torch.from_numpy(self.data.frames[chosen, moments]).to(self.device)
        x = soften(shift(self.model.preprocess(frames), rng), rng)
        embedding = self.see(x.contiguous(memory_format=torch.channels_last))
        parts = self.heads.losses(embedding, self._labels([self.data.scenes[i] for i in chosen], moments))
        return torch.stack([self.WEIGHTS.get(name, 1.0) * part for name, part in parts.items()]).sum()

    def _labels(self, scenes: Sequence[world.Scene], moments: Sequence[int]) -> FrameLabels:
        times = clips.frame_times(self.model.config.frames)
        return frame_labels(scenes, [times[i] for i in moments])

    @torch.no_grad()
    def validate(self, model: DiffusionRet, heads: nn.Module) -> dict[str, float]:
        """cast: share of frames in which the heads find every subject and no other; the losses by name."""
        scenes, frames = world.split("validation"), self.validation_frames()
        moments = [i % frames.shape[1] for i in range(len(scenes))]
        shown = frames[np.arange(len(scenes)), moments]
        embedding = torch.cat([
            model.towers.visual(model.preprocess(torch.from_numpy(part).to(self.device)))
            for part in np.array_split(shown, max(1, len(shown) // 250))
        ])  # fmt: skip
        labels = self._labels(scenes, moments)
        present = torch.from_numpy(labels.present).to(self.device)
        order = heads.traits["subject"](embedding).argsort(dim=1, descending=True)
        ranks = order.argsort(dim=1)
        cast = ((ranks < present.sum(1, keepdim=True)) == present).all(1).float().mean().item()
        losses = {name: part.item() for name, part in heads.losses(embedding, labels).items()}
        return {"score": cast, "cast": cast} | losses


class Discrimination(Stage):
    """Stage 1: every text against every clip, token by token (the weighted interaction) and by end token alone.

    A batch has three kinds of texts. The captions of its clips, contrasted with each other as in the paper, but
    without those pairs that happen to be true. Beside each caption a wrong one that differs in one fact: the
    clip must prefer the right one. And phrases of one fact each, over which the clips must spread as they truly
    do. The end token, all that the published generator sees of a text, learns the same with less weight.
    """

    def trained(self) -> list[nn.Module]:
        model = self.model
        parts = (model.towers, model.temporal, model.text_weights, model.video_weights)
        return [part for part in parts if part is not None]

    def frozen(self) -> list[nn.Module]:
        return [self.model.towers.visual]

    @cached_property
    def embeddings(self) -> Float[Tensor, "clip frame dim"]:
        """Of the training clips, by the image tower, which is frozen."""
        return embed_clips(self.model, self.data.frames)

    def loss(self, step: int) -> Tensor:
        config, model = self.config, self.model
        batch = self.batch(step)
        count = len(batch.indices)
        text = self.read(batch.texts + batch.wrong + lessons.phrases(self.rng(step)))
        video = self._watch(batch.indices)
        fits = torch.from_numpy(batch.fits).to(self.device)
        truth = {k: torch.from_numpy(v).to(self.device) for k, v in lessons.truth(batch.scenes).items()}
        total = torch.zeros((), device=self.device)
        for weight, similarity in ((1.0, model.similarity), (config.cls_weight, cls_similarity)):
            logits = model.logit_scale * similarity(text, video)
            right, wrong = logits[:count], logits[count : 2 * count]
            versus = torch.stack([right.diagonal(), wrong.diagonal()], dim=1)
            told_apart = cross_entropy(versus, torch.zeros(count, dtype=torch.long, device=self.device))
            said = logits[2 * count :].T.split([share.shape[1] for share in truth.values()], dim=1)
            choices = [choice_loss(x, share) for x, share in zip(said, truth.values(), strict=True)]
            spread = torch.stack(choices).sum()
            total = total + weight * (
                contrastive_loss(right, fits) + told_apart + config.phrase_weight * spread
            )
        return total

    def _watch(self, indices: np.ndarray) -> VideoFeatures:
        embeddings = self.embeddings[torch.from_numpy(indices).to(self.device)]
        return self.model.contextualise(embeddings, torch.ones_like(embeddings[..., 0], dtype=torch.long))

    @torch.no_grad()
    def validate(self, model: DiffusionRet, heads: nn.Module) -> dict[str, float]:
        """R@1 of full captions, by end token and by tokens, and of natural captions, which leave things out."""
        text, natural, video = self.validation_features(model)
        record = dict(
            cls_R1=retrieval_metrics(cls_similarity(text, video)).R1,
            full_R1=retrieval_metrics(model.similarity(text, video)).R1,
            natural_R1=retrieval_metrics(model.similarity(natural, video)).R1,
        )
        return {"score": record["natural_R1"]} | record

    def validation_features(self, model: DiffusionRet) -> tuple[TextFeatures, TextFeatures, VideoFeatures]:
        """Of full captions, of natural ones, and of the clips."""
        scenes, rng = world.split("validation"), random.Random("validation captions")
        full = model.encode_text([captions.write(s, rng, 0.0).text for s in scenes])
        natural = model.encode_text([captions.write(s, rng, OMIT).text for s in scenes])
        return full, natural, encode_clips(model, self.validation_frames())


class Generation(Discrimination):
    """Stage 2: the generator of both directions on frozen features (paper, section 3.3)."""

    def trained(self) -> list[nn.Module]:
        assert self.model.generator is not None
        return [self.model.generator]

    @cached_property
    def video(self) -> VideoFeatures:
        """Of the training clips: all of it is frozen."""
        with torch.no_grad():
            parts = [self._watch(part) for part in np.array_split(np.arange(len(self.data)), 20)]
        return VideoFeatures(*(torch.cat(part) for part in zip(*parts, strict=True)))

    def loss(self, step: int) -> Tensor:
        batch = self.batch(step)
        ids = torch.from_numpy(batch.indices).to(self.device)
        with torch.no_grad():
            text = self.read(batch.texts)
        video = VideoFeatures(*(part[ids] for part in self.video))
        generator = torch.Generator().manual_seed(self.rng(step).getrandbits(31))
        return self.model.generation_loss(
            text, video, ids, negatives=self.config.negatives, generator=generator
        )

    @torch.no_grad()
    def validate(self, model: DiffusionRet, heads: nn.Module) -> dict[str, float]:
        """R@1 of the generator alone (candidates ranked by x0 before the clamp) and after re-ranking."""
        text, _, video = self.validation_features(model)
        similarity = model.similarity(text, video)
        record = {}
        for direction, scores in (("t2v", similarity), ("v2t", similarity.T.contiguous())):
            walk = generate(model, text, video, scores, direction)
            record[f"before_R1_{direction}"] = retrieval_metrics(scores).R1
            record[f"generator_R1_{direction}"] = retrieval_metrics(generator_scores(scores, walk)).R1
            record[f"after_R1_{direction}"] = retrieval_metrics(model.rerank(scores, walk)).R1
        return {"score": record["generator_R1_t2v"] + record["generator_R1_v2t"]} | record


STAGES: tuple[type[Stage], ...] = (Sight, Discrimination, Generation)


@torch.no_grad()
def embed_clips(model: DiffusionRet, frames: np.ndarray) -> Float[Tensor, "clip frame dim"]:
    """The image tower's embedding of every frame of clips, uint8 [clip frame h w 3]."""
    start, parts = time.monotonic(), []
    model.towers.visual.eval()
    for first in range(0, len(frames), 64):
        x = model.preprocess(torch.from_numpy(np.array(frames[first : first + 64])).to(model.device))
        x = x.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        parts.append(model.towers.visual(x).unflatten(0, (-1, frames.shape[1])))
        if len(parts) % 50 == 0:
            left = (time.monotonic() - start) * (len(frames) / (64 * len(parts)) - 1)
            _say(f"encoded {64 * len(parts)} of {len(frames)} clips, {left / 60:.1f} minutes left")
    return torch.cat(parts)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
