"""The stages of training on Storybook: what each trains, its loss, and what it is judged by.

Stage 0 teaches the image tower to see single frames, stage 1 is the paper's discrimination on frozen frame
embeddings (text tower, temporal transformer, weights of the similarity), stage 2 the paper's generation on
frozen features, stage 3 the open-set generator on the same features.
"""

from __future__ import annotations

import random
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, binary_cross_entropy, cross_entropy, mse_loss, normalize, pad

from .config import TrainConfig
from .datasets.storybook import captions, clips, lessons, world
from .datasets.storybook.labels import NUMBERS, TRAITS, FrameLabels, frame_labels
from .encoders import TextFeatures, VideoFeatures
from .evaluate import OMIT, encode_clips, generate, generator_only
from .generators.openset import bit_loss, candidate_sets, make_pairs
from .losses import choice_loss, contrastive_loss
from .metrics import reliability, retrieval_metrics
from .model import DIRECTIONS, DiffusionRet
from .similarity import cls_similarity, mean_frame, wti_pairs

READ_IN = 4  # parts of a batch of texts
MASKED = -1e4  # the logit of what is not there


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
        """Features of texts, in parts of like length: positions that nobody uses need not run."""
        ids, mask = self.model.tokenize(texts)
        lengths = mask.sum(1)
        order = lengths.argsort()
        parts = []
        for chosen in order.chunk(READ_IN):
            longest = int(lengths[chosen].max())
            text = self.model.encode_token_ids(
                ids[chosen, :longest].to(self.device), mask[chosen, :longest].to(self.device)
            )
            more = int(lengths.max()) - longest
            parts.append((text.cls, pad(text.tokens, (0, 0, 0, more)), pad(text.mask, (0, more))))
        back = order.argsort().to(self.device)
        return TextFeatures(*(torch.cat(part)[back] for part in zip(*parts, strict=True)))


class FrameHeads(nn.Module):
    """Linear readings of a frame's embedding: its traits; of every subject colour and stance; which of two acts."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.traits = nn.ModuleDict({name: nn.Linear(dim, len(lessons.GROUPS[name])) for name in TRAITS})
        self.colour = nn.Linear(dim, len(world.SUBJECTS) * len(world.COLOURS))
        self.stance = nn.Linear(dim, len(world.SUBJECTS) * len(NUMBERS))
        self.acts = nn.Linear(dim, len(world.SUBJECTS))

    def losses(self, embedding: Float[Tensor, "frame dim"], labels: FrameLabels) -> dict[str, Tensor]:
        """By trait the divergence from the true shares; colour and stance of the subjects that are there; which of
        the two that are there acts."""
        device, things = embedding.device, len(world.SUBJECTS)
        traits, *rest = labels
        present, colour, stance, acts = (torch.from_numpy(part).to(device) for part in rest)
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
        parts["acts"] = choice_loss(self.acts(embedding).masked_fill(~present, MASKED), acts.float())
        return parts


class Sight(Stage):
    """Stage 0: the image tower learns to see, from labels of single frames.

    It stands for the pre-training that CLIP brings along: on a few minutes of two CPU cores captions alone teach
    a tower colours and places, while it takes labels to make it see what moves there. One frame a clip makes a
    batch as varied as can be.
    """

    # What is hardest to see by far.
    WEIGHTS: Mapping[str, float] = {"subject": 3.0, "acts": 3.0, "stance of": 2.0}

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
        """Shares of frames in which the heads find every subject and no other (cast) and which of two acts (actor);
        losses by name."""
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
        acts = torch.from_numpy(labels.acts).to(self.device)
        guess = heads.acts(embedding).masked_fill(~present, MASKED).argmax(dim=1)
        actor = acts.gather(1, guess[:, None])[acts.any(1)].float().mean().item()
        losses = {name: part.item() for name, part in heads.losses(embedding, labels).items()}
        return {"score": cast, "cast": cast, "actor": actor} | losses


class CaptionHeads(nn.Module):
    """Linear readings of a caption's end token: everything that it says."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.facts = nn.ModuleDict(
            {name: nn.Linear(dim, len(lessons.values(name))) for name in captions.ATTRIBUTES}
        )

    def loss(self, cls: Float[Tensor, "text dim"], facts: Sequence[Mapping[str, str]]) -> Float[Tensor, ""]:
        """The sum over attributes of the cross entropy (nats), each the mean over the texts that say it."""
        losses = []
        for name, head in self.facts.items():
            told = [i for i, fact in enumerate(facts) if name in fact]
            if told:
                true = [lessons.values(name).index(facts[i][name]) for i in told]
                losses.append(cross_entropy(head(cls[told]), torch.tensor(true, device=cls.device)))
        return torch.stack(losses).sum()


class Discrimination(Stage):
    """Stage 1: every text against every clip, token by token (the weighted interaction) and by end token alone.

    A batch has three kinds of texts. The captions of its clips, contrasted with each other as in the paper, but
    without those pairs that happen to be true. Beside each caption a wrong one that differs in one fact: the
    clip must prefer the right one. And phrases of one fact each, who acts in a relation and who is acted upon among
    them, over which the clips must spread as they truly do. The end token, all that the published generator sees of
    a text, learns the same with less weight.

    Beside that the end token must tell all facts of its caption. It stands for the knowledge of language that CLIP's
    text tower brings along: who acts follows from the order of words and the voice of the verb together, which
    contrast with clips alone did not teach in as many steps.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.config.fact_weight:
            self.heads = CaptionHeads(self.model.config.clip.embed_dim).to(self.device)

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
        rng = self.rng(step)
        relation = rng.choice(world.RELATIONS)
        asked = lessons.phrases(rng) + lessons.role_phrases(relation, rng)
        told = batch.texts + batch.wrong
        text = self.read([caption.text for caption in told] + asked)
        others = TextFeatures(*(torch.cat([part[:count], part[2 * count :]]) for part in text))
        wrong = TextFeatures(*(part[count : 2 * count] for part in text))
        video = self._watch(batch.indices)
        fits = torch.from_numpy(batch.fits).to(self.device)
        held = (*lessons.truth(batch.scenes).values(), *lessons.role_truth(relation, batch.scenes))
        truth = [torch.from_numpy(share).to(self.device) for share in held]
        total = torch.zeros((), device=self.device)
        if isinstance(self.heads, CaptionHeads):
            total = config.fact_weight * self.heads.loss(text.cls[: 2 * count], [c.facts for c in told])
        readings = (
            (1.0, model.similarity, partial(pair_similarity, model)),
            (
                config.cls_weight,
                cls_similarity,
                lambda a, b: (normalize(a.cls, dim=-1) * mean_frame(b)).sum(1),
            ),
        )
        for weight, similarity, of_pairs in readings:
            logits = model.logit_scale * similarity(others, video)
            right = logits[:count]
            versus = torch.stack([right.diagonal(), model.logit_scale * of_pairs(wrong, video)], dim=1)
            told_apart = cross_entropy(versus, torch.zeros(count, dtype=torch.long, device=self.device))
            said = logits[count:].T.split([share.shape[1] for share in truth], dim=1)
            choices = [choice_loss(x, share) for x, share in zip(said, truth, strict=True)]
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
        """R@1 of full captions, by end token and by tokens, and of natural captions, which leave things out; percent of
        the clips that fit their caption better than the same with the roles or the direction turned round."""
        text, natural, video = self.validation_features(model)
        record = dict(
            cls_R1=retrieval_metrics(cls_similarity(text, video)).R1,
            full_R1=retrieval_metrics(model.similarity(text, video)).R1,
            natural_R1=retrieval_metrics(model.similarity(natural, video)).R1,
            roles=self._told_apart(model, video, world.swapped),
            direction=self._told_apart(model, video, world.opposite),
        )
        return {"score": record["natural_R1"] + record["roles"] + record["direction"]} | record

    def _told_apart(
        self, model: DiffusionRet, video: VideoFeatures, twin_of: Callable[[world.Scene], world.Scene | None]
    ) -> float:
        """Percent of validation clips that fit their caption better than what the same words say of their twin."""
        scenes = world.split("validation")
        twins = {
            i: t for i, s in enumerate(scenes) if (t := twin_of(s)) and s.motion not in ("grow", "shrink")
        }
        shown = torch.tensor(list(twins), device=self.device)
        clips_shown = VideoFeatures(*(part[shown] for part in video))
        fit = []
        for meant in ({i: scenes[i] for i in twins}, twins):
            written = [captions.write(s, random.Random(f"validation twins {i}")) for i, s in meant.items()]
            fit.append(pair_similarity(model, model.encode_text([c.text for c in written]), clips_shown))
        return 100 * (fit[0] > fit[1]).float().mean().item()

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
            text = self.read([caption.text for caption in batch.texts])
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
            record[f"generator_R1_{direction}"] = retrieval_metrics(generator_only(scores, walk)).R1
            record[f"after_R1_{direction}"] = retrieval_metrics(model.rerank(scores, walk)).R1
        return {"score": record["generator_R1_t2v"] + record["generator_R1_v2t"]} | record


class Pool(NamedTuple):
    """Clips, a natural caption of each, and what holds between them. The weights are those of the similarity.

    similarity, fits (whether the caption is true of the clip): [text video].
    """

    text: TextFeatures
    video: VideoFeatures
    token_weights: Tensor
    frame_weights: Tensor
    similarity: Tensor
    fits: Tensor

    def asked(self, direction: str, queries: Tensor) -> tuple[Tensor, Tensor, TextFeatures, VideoFeatures]:
        """similarity and fits [query gallery] of some queries; features with these queries in place of all."""
        if direction == "t2v":
            text = TextFeatures(*(part[queries] for part in self.text))
            return self.similarity[queries], self.fits[queries], text, self.video
        video = VideoFeatures(*(part[queries] for part in self.video))
        return self.similarity.T[queries], self.fits.T[queries], self.text, video


class OpenSet(Generation):
    """Stage 3: the open-set generator of both directions on frozen features.

    Its samples can only mean what they say if training asks as a search does: the candidates are the most similar
    of a large pool of clips, one a family, since relatives would make the near misses more frequent than a gallery
    has them and every answer too modest; captions leave things out, so that several may fit; of ABSENT of the queries
    nothing that fits is in the pool; how much of the pool is there, and how many candidates are drawn, varies. A pool
    serves many steps, and one look at a set of candidates several draws of the noise.
    """

    POOL, TURNS = 1024, 2  # clips, and how often each of them is asked for before others come
    ABSENT = 0.3  # share of queries whose matches are taken out
    SIZES = (16, 24, 32, 32, 32, 48)  # numbers of candidates, one a step
    DRAWS = 4  # of the noise for every set
    ASKED = DIRECTIONS
    objective = staticmethod(bit_loss)
    ALPHAS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # the last ranks by probability, similarity decides ties

    def trained(self) -> list[nn.Module]:
        assert self.model.openset is not None
        return [self.model.openset]

    def loss(self, step: int) -> Tensor:
        size = min(self.POOL, len(self.data.families))
        turn, part = divmod(step, max(1, size // self.config.batch))  # a turn asks all of a pool once
        pool = self.pool(turn // self.TURNS, size)
        shuffled = torch.randperm(size, generator=_generator(f"order {self.config.seed} {turn}"))
        queries = shuffled[part * self.config.batch :][: self.config.batch].to(self.device)
        count = min(self.rng(step).choice(self.SIZES), size)
        generator = _generator(f"sets {self.config.seed} {step}")
        losses = [self._loss(pool, direction, queries, count, generator) for direction in self.ASKED]
        return torch.stack(losses).mean()

    def _loss(
        self, pool: Pool, direction: str, queries: Tensor, count: int, generator: torch.Generator
    ) -> Tensor:
        assert self.model.openset is not None
        scores, fits, text, video = pool.asked(direction, queries)
        there = self._there(queries, fits.shape[1], generator)
        there |= fits & (torch.arange(fits.shape[1], device=self.device) == queries[:, None])
        absent = torch.rand(len(queries), 1, generator=generator).to(self.device) < self.ABSENT
        candidates = candidate_sets(scores, there & ~(absent & fits), count)
        weights = pool.token_weights, pool.frame_weights
        if direction == "t2v":
            weights = weights[0][queries], weights[1]
        else:
            weights = weights[0], weights[1][queries]
        context = self.model.openset.context(
            make_pairs(text, video, *weights, candidates, direction), direction
        )
        strata = torch.arange(self.DRAWS)[:, None]  # every noise level gets its share of the draws
        u = (strata + torch.rand(self.DRAWS, len(queries), generator=generator)) / self.DRAWS
        noise = torch.randn(self.DRAWS, *candidates.shape, generator=generator)
        match = fits.gather(1, candidates)
        return self.objective(self.model.openset, context, match, u.to(self.device), noise.to(self.device))

    def _there(self, queries: Tensor, size: int, generator: torch.Generator) -> Tensor:
        """Which part of the pool a query may find, bool [query gallery]: galleries are of any size."""
        share = 0.2 + 0.8 * torch.rand(len(queries), 1, generator=generator)
        return (torch.rand(len(queries), size, generator=generator) < share).to(self.device)

    def pool(self, number: int, size: int) -> Pool:
        """Pool number `number`, the same whenever it is asked for."""
        if self._kept is None or self._kept[0] != number:
            rng = random.Random(f"pool {self.config.seed} {number}")
            chosen = self.members(rng, size)
            scenes = [self.data.scenes[i] for i in chosen]
            written = [captions.write(scene, rng, rng.uniform(0, self.config.omit)) for scene in scenes]
            ids = torch.tensor(chosen, device=self.device)
            video = VideoFeatures(*(part[ids] for part in self.video))
            self._kept = number, self._pool(self.model, written, scenes, video)
        return self._kept[1]

    def members(self, rng: random.Random, size: int) -> list[int]:
        """The clips of a pool."""
        families = rng.sample(range(len(self.data.families)), size)
        return [clips.FAMILY * family + rng.randrange(clips.FAMILY) for family in families]

    _kept: tuple[int, Pool] | None = None

    @torch.no_grad()
    def _pool(
        self,
        model: DiffusionRet,
        written: Sequence[captions.Caption],
        scenes: Sequence[world.Scene],
        video: VideoFeatures,
    ) -> Pool:
        assert model.text_weights is not None and model.video_weights is not None
        text = self.read([caption.text for caption in written])
        weights = model.text_weights.weigh(text.tokens, text.mask)
        fits = torch.from_numpy(captions.fit_matrix(written, scenes)).to(self.device)
        frame_weights = model.video_weights.weigh(video.frames, video.mask)
        return Pool(text, video, weights, frame_weights, model.similarity(text, video), fits)

    @cached_property
    def validation_pool(self) -> Pool:
        """Natural captions and clips of validation."""
        scenes, rng = world.split("validation"), random.Random("validation captions")
        written = [captions.write(s, rng, OMIT) for s in scenes]
        return self._pool(self.model, written, scenes, encode_clips(self.model, self.validation_frames()))

    @torch.no_grad()
    def validate(self, model: DiffusionRet, heads: nn.Module) -> dict[str, float]:
        """How good the probabilities are, both directions together, and the ranking that they give.

        Of ABSENT of the queries nothing that fits is in the pool. log_loss (nats), calibration_error: of the
        probability that a candidate matches; no_match_error: of the probability that none does. top1_fits: percent
        of the other queries whose first fits, by similarity, by probability alone, and fused with the similarity
        as did best, which the model's config then keeps.
        """
        asked = [self._ask(model, direction) for direction in DIRECTIONS]
        said, true, none, empty = (torch.cat(parts) for parts in zip(*(a[:4] for a in asked), strict=True))
        firsts = torch.cat([a[4] for a in asked], dim=1).mean(dim=1)  # [similarity, each alpha]
        best = int(firsts[1:].argmax())
        assert model.config.openset is not None
        model.config = replace(model.config, openset=replace(model.config.openset, alpha=self.ALPHAS[best]))
        log_loss = binary_cross_entropy(said.clamp(0.001, 0.999), true).item()
        record = dict(
            log_loss=log_loss,
            calibration_error=reliability(said, true).error,
            no_match_error=reliability(none, empty).error,
            top1_fits_similarity=100 * firsts[0].item(),
            top1_fits_alone=100 * firsts[-1].item(),
            top1_fits_fused=100 * firsts[1 + best].item(),
            alpha=self.ALPHAS[best],
        )
        return {"score": -log_loss} | record

    def _ask(self, model: DiffusionRet, direction: str) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Every second query of validation: of each candidate what is said and true of it, of each query the
        same of no match, and [rule query] whether the first fits (0, 1), by similarity and by each of ALPHAS."""
        pool, config = self.validation_pool, model.generator_config("open-set")
        queries = torch.arange(0, len(pool.fits), 2, device=self.device)
        scores, fits, text, video = pool.asked(direction, queries)
        absent = torch.arange(len(queries), device=self.device) % 10 < 10 * self.ABSENT
        candidates = candidate_sets(scores, ~(absent[:, None] & fits), min(config.candidates, len(pool.fits)))
        noise = torch.randn(8, *candidates.shape, generator=_generator(f"validation {direction}"))
        walk = model.generate(
            text, video, candidates, direction, min(8, config.steps), noise=noise.to(self.device),
            respace_from=config.steps, form="open-set",
        )  # fmt: skip
        match, none = fits.gather(1, candidates).float(), walk.no_match
        assert none is not None
        similarity = scores.gather(1, candidates)
        rules = [similarity, *(similarity + alpha * walk.probability for alpha in self.ALPHAS)]
        first = [match.gather(1, rule.argmax(dim=1, keepdim=True))[~absent, 0] for rule in rules]
        empty = 1 - match.amax(dim=1)
        return walk.probability.flatten(), match.flatten(), none, empty, torch.stack(first)


STAGES: tuple[type[Stage], ...] = (Sight, Discrimination, Generation, OpenSet)


def pair_similarity(model: DiffusionRet, text: TextFeatures, video: VideoFeatures) -> Float[Tensor, " pair"]:
    """The weighted token interaction of text i and video i."""
    assert model.text_weights is not None and model.video_weights is not None
    text_weights = model.text_weights.weigh(text.tokens, text.mask)
    return wti_pairs(text, video, text_weights, model.video_weights.weigh(video.frames, video.mask))


def _generator(seed: str) -> torch.Generator:
    return torch.Generator().manual_seed(random.Random(seed).getrandbits(31))


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
