"""The stages of training on Storybook: what each trains, its loss, and what it is judged by.

Stage 0 pre-trains the image tower on single frames, stage 1 is the paper's discrimination on frozen frame
embeddings (text tower, temporal transformer, weights of the similarity), stage 2 the paper's generation on
frozen features, stage 3 the open-set generator on the same features.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from ..datasets.storybook import captions, clips, lessons, queries, world
from ..datasets.storybook.labels import FrameLabels, frame_labels
from ..encoders import TextFeatures, VideoFeatures
from ..encoding import encode_clips
from ..evaluate import generate
from ..fusion import fuse
from ..generators.openset import BANK
from ..lexicon import Lexicon
from ..losses import choice_loss, contrastive_loss
from ..metrics import retrieval_metrics
from ..model import DIRECTIONS, DiffusionRet
from ..pool import Pool, seeded
from ..reading import Reader
from ..similarity import cls_similarity, mean_frame, wti_pairs
from .augmentation import shift, soften
from .openset_sets import SetConfig, set_loss, validate_sets
from .stage import Validation
from .storybook_features import StorybookFeatures
from .storybook_heads import MASKED, FrameHeads, TextHeads


class FramePretraining:
    """Stage 0: the image tower learns from labels of single frames.

    It stands for the pre-training that CLIP brings along: on a few minutes of two CPU cores captions alone teach
    a tower colours and places, while it takes labels to make it see what moves there. One frame a clip makes a
    batch as varied as can be.
    """

    # What is hardest to see by far.
    WEIGHTS: Mapping[str, float] = {"subject": 3.0, "acts": 3.0, "stance of": 2.0}

    def __init__(self, features: StorybookFeatures, compiled: bool = False) -> None:
        """compiled: run the tower compiled in training."""
        self.features, self.settings, self.model = features, features.settings, features.model
        tower = self.model.towers.visual
        self.tower: Callable[[Tensor], Tensor] = torch.compile(tower) if compiled else tower
        self.heads: nn.Module = FrameHeads(self.model.config.clip.embed_dim).to(features.device)

    def trained(self) -> list[nn.Module]:
        return [self.model.towers.visual]

    def frozen(self) -> list[nn.Module]:
        return []

    def loss(self, step: int) -> Tensor:
        """The weighted sum of the losses of one frame a clip."""
        rng, data = self.features.rng(step), self.features.data
        chosen = rng.sample(range(len(data)), self.features.config.batch)
        moments = [rng.randrange(self.model.config.frames) for _ in chosen]
        frames = torch.from_numpy(data.frames[chosen, moments]).to(self.features.device)
        x = soften(shift(self.model.preprocess(frames), rng), rng)
        embedding = self.tower(x.contiguous(memory_format=torch.channels_last))
        labels = self._labels([data.scenes[i] for i in chosen], moments)
        assert isinstance(self.heads, FrameHeads)
        parts = self.heads.losses(embedding, labels)
        return torch.stack([self.WEIGHTS.get(name, 1.0) * part for name, part in parts.items()]).sum()

    def _labels(self, scenes: Sequence[world.Scene], moments: Sequence[int]) -> FrameLabels:
        times = clips.frame_times(self.model.config.frames)
        return frame_labels(scenes, [times[i] for i in moments])

    @torch.no_grad()
    def validate(self, model: DiffusionRet, heads: nn.Module) -> Validation:
        """Shares of frames in which the heads find every subject and no other (cast), the score, and which of two
        acts (actor); losses by name."""
        scenes, clip_frames = world.split("validation"), self.features.validation_frames()
        device = self.features.device
        moments = [i % clip_frames.shape[1] for i in range(len(scenes))]
        frames = clip_frames[np.arange(len(scenes)), moments]
        embedding = torch.cat([
            model.towers.visual(model.preprocess(torch.from_numpy(part).to(device)))
            for part in np.array_split(frames, max(1, len(frames) // 250))
        ])  # fmt: skip
        labels = self._labels(scenes, moments)
        present = torch.from_numpy(labels.present).to(device)
        assert isinstance(heads, FrameHeads)
        order = heads.traits["subject"](embedding).argsort(dim=1, descending=True)
        ranks = order.argsort(dim=1)
        cast = ((ranks < present.sum(1, keepdim=True)) == present).all(1).float().mean().item()
        acts = torch.from_numpy(labels.acts).to(device)
        guess = heads.acts(embedding).masked_fill(~present, MASKED).argmax(dim=1)
        actor = acts.gather(1, guess[:, None])[acts.any(1)].float().mean().item()
        losses = {name: part.item() for name, part in heads.losses(embedding, labels).items()}
        return Validation(cast, {"cast": cast, "actor": actor} | losses)


def caption_loss(
    features: StorybookFeatures, heads: nn.Module, batch: clips.Batch, video: VideoFeatures, step: int
) -> Float[Tensor, ""]:
    """The objectives of captions (see `StorybookDiscrimination`), each by its weight in the preset.

    heads: `TextHeads`, anything else where the end token need not tell facts. video: features of the batch's clips.
    """
    config, model, device = features.config, features.model, features.device
    count = len(batch.indices)
    rng = features.rng(step)
    relation = rng.choice(world.RELATIONS)
    phrases = lessons.phrases(rng) + lessons.role_phrases(relation, rng)
    sentences = batch.texts + batch.wrong
    text = features.encode_texts([caption.text for caption in sentences] + phrases)
    others = TextFeatures(*(torch.cat([part[:count], part[2 * count :]]) for part in text))
    wrong = TextFeatures(*(part[count : 2 * count] for part in text))
    fits = torch.from_numpy(batch.fits).to(device)
    held = (*lessons.truth(batch.scenes).values(), *lessons.role_truth(relation, batch.scenes))
    shares = [torch.from_numpy(share).to(device) for share in held]
    total = torch.zeros((), device=device)
    if isinstance(heads, TextHeads):
        total = config.fact_weight * heads.loss(text.cls[: 2 * count], sentences)
    readings = (
        (1.0, model.similarity, partial(aligned_similarity, model)),
        (
            config.cls_weight,
            cls_similarity,
            lambda a, b: (normalize(a.cls, dim=-1) * mean_frame(b)).sum(1),
        ),
    )
    for weight, similarity, aligned in readings:
        logits = model.logit_scale * similarity(others, video)
        own = logits[:count]
        versus = torch.stack([own.diagonal(), model.logit_scale * aligned(wrong, video)], dim=1)
        preference = cross_entropy(versus, torch.zeros(count, dtype=torch.long, device=device))
        choices = logits[count:].T.split([share.shape[1] for share in shares], dim=1)
        divergences = [choice_loss(x, share) for x, share in zip(choices, shares, strict=True)]
        spread = torch.stack(divergences).sum()
        total = total + weight * (contrastive_loss(own, fits) + preference + config.phrase_weight * spread)
    return total


class StorybookDiscrimination:
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

    def __init__(self, features: StorybookFeatures) -> None:
        self.features, self.settings, self.model = features, features.settings, features.model
        self.heads: nn.Module = nn.ModuleDict()
        if features.config.fact_weight:
            self.heads = TextHeads(self.model.config.clip.embed_dim).to(features.device)

    def trained(self) -> list[nn.Module]:
        model = self.model
        parts = (model.towers, model.temporal, model.text_weights, model.video_weights)
        return [part for part in parts if part is not None]

    def frozen(self) -> list[nn.Module]:
        return [self.model.towers.visual]

    def loss(self, step: int) -> Tensor:
        """The sum of all objectives, each by its weight in the preset."""
        batch = self.features.batch(step)
        return caption_loss(
            self.features, self.heads, batch, self.features.contextualise(batch.indices), step
        )

    @torch.no_grad()
    def validate(self, model: DiffusionRet, heads: nn.Module) -> Validation:
        """R@1 of full captions, by end token and by tokens, and of natural captions, which leave things out; percent of
        the clips that fit their caption better than the same with the roles or the direction reversed. The score is
        the sum of the last three."""
        text, natural, video = self.features.validation(model)
        figures = dict(
            cls_R1=retrieval_metrics(cls_similarity(text, video)).R1,
            full_R1=retrieval_metrics(model.similarity(text, video)).R1,
            natural_R1=retrieval_metrics(model.similarity(natural, video)).R1,
            roles=twin_accuracy(model, video, world.swapped),
            direction=twin_accuracy(model, video, world.opposite),
        )
        return Validation(figures["natural_R1"] + figures["roles"] + figures["direction"], figures)


class StorybookGeneration:
    """Stage 2: the generator of both directions on frozen features (paper, section 3.3)."""

    def __init__(self, features: StorybookFeatures) -> None:
        self.features, self.settings, self.model = features, features.settings, features.model
        self.heads: nn.Module = nn.ModuleDict()

    def trained(self) -> list[nn.Module]:
        assert self.model.generator is not None
        return [self.model.generator]

    def frozen(self) -> list[nn.Module]:
        return []

    def loss(self, step: int) -> Tensor:
        """The published loss of both directions."""
        batch = self.features.batch(step)
        ids = torch.from_numpy(batch.indices).to(self.features.device)
        with torch.no_grad():
            text = self.features.encode_texts([caption.text for caption in batch.texts])
        video = VideoFeatures(*(part[ids] for part in self.features.video))
        generator = torch.Generator().manual_seed(self.features.rng(step).getrandbits(31))
        negatives = self.features.config.negatives
        return self.model.generation_loss(text, video, ids, negatives=negatives, generator=generator)

    @torch.no_grad()
    def validate(self, model: DiffusionRet, heads: nn.Module) -> Validation:
        """R@1 before generation, of the generator alone (candidates ranked by x0 before the clamp), whose sum over
        directions is the score, and after re-ranking."""
        text, _, video = self.features.validation(model)
        similarity = model.similarity(text, video)
        figures = {}
        for direction, scores in zip(DIRECTIONS, (similarity, similarity.T.contiguous()), strict=True):
            trajectory = generate(model, text, video, scores, direction)
            figures[f"before_R1_{direction}"] = retrieval_metrics(scores).R1
            fusion = fuse(model, text, video, scores, trajectory)
            figures[f"generator_R1_{direction}"] = retrieval_metrics(fusion.alone(scores)).R1
            figures[f"after_R1_{direction}"] = retrieval_metrics(fusion.added(scores)).R1
        return Validation(figures["generator_R1_t2v"] + figures["generator_R1_v2t"], figures)


def one_a_family(data: clips.TrainingClips, rng: random.Random, size: int) -> list[int]:
    """`size` clips of different families. Relatives would make the near misses more frequent than a gallery has them,
    and every answer too modest."""
    families = rng.sample(range(len(data.families)), size)
    return [clips.FAMILY * family + rng.randrange(clips.FAMILY) for family in families]


@dataclass(frozen=True)
class PoolConfig:
    """size: clips of a pool, at most one a family. turns: how often each of them is asked for before others come.
    counts: numbers of candidates, one a step. directions: of the queries, one a step in turn; people search by text.
    queries: share of the texts that are queries as people type them, the others are captions. members: which clips make
    a pool. sets: how candidates come of it."""

    size: int = 1024
    turns: int = 2
    counts: tuple[int, ...] = (16, 24, 32, 32, 32, 48)
    directions: tuple[str, ...] = ("t2v", "t2v", "t2v", "v2t")
    queries: float = 0.5
    members: Callable[[clips.TrainingClips, random.Random, int], list[int]] = one_a_family
    sets: SetConfig = SetConfig()  # noqa: RUF009


class StorybookOpenSet:
    """Stage 3: the open-set generator of both directions on frozen features.

    The candidates are the most similar of galleries of any size, drawn from a large pool of clips; captions leave
    things out, and half of the texts are queries, so that several may fit, or none. Queries are as a search reads them:
    typing errors are corrected, and what is ruled out is no matter of the network. A pool serves many steps.
    """

    def __init__(self, features: StorybookFeatures, pools: PoolConfig = PoolConfig()) -> None:
        self.features, self.settings, self.model = features, features.settings, features.model
        self.heads: nn.Module = nn.ModuleDict()
        self.pools = pools
        self.reader = Reader(Lexicon.bundled(), None, self.model.config.words - 2)
        self._last: tuple[int, Pool] | None = None
        assert self.model.openset is not None
        rng = random.Random("bank of captions")
        scenes = [
            features.data.scenes[i]
            for i in one_a_family(features.data, rng, min(BANK, len(features.data.families)))
        ]
        self.model.openset.fill_bank(
            features.encode_texts(
                [captions.write(scene, rng, rng.uniform(0, features.config.omit)).text for scene in scenes]
            ).cls
        )

    def trained(self) -> list[nn.Module]:
        assert self.model.openset is not None
        return [self.model.openset]

    def frozen(self) -> list[nn.Module]:
        return []

    def loss(self, step: int) -> Tensor:
        """The loss of one set of candidates a query, in the direction whose turn it is."""
        assert self.model.openset is not None
        config, pools, device = self.features.config, self.pools, self.features.device
        size = min(pools.size, len(self.features.data.families))
        turn, part = divmod(step, max(1, size // config.batch))  # a turn asks all of a pool once
        pool = self.pool(turn // pools.turns, size)
        shuffled = torch.randperm(size, generator=seeded(f"order {config.seed} {turn}"))
        indices = shuffled[part * config.batch :][: config.batch].to(device)
        count = min(self.features.rng(step).choice(pools.counts), size)
        generator = seeded(f"sets {config.seed} {step}")
        group = pool.queries(pools.directions[step % len(pools.directions)], indices)
        own = group.fits & (torch.arange(size, device=device) == indices[:, None])
        return set_loss(self.model.openset, group, own, count, generator, pools.sets)

    def pool(self, number: int, size: int) -> Pool:
        """Pool number `number`, the same whenever it is asked for."""
        if self._last is None or self._last[0] != number:
            config, data = self.features.config, self.features.data
            rng = random.Random(f"pool {config.seed} {number}")
            members = self.pools.members(data, rng, size)
            scenes = [data.scenes[i] for i in members]
            written = [self._write(scene, rng) for scene in scenes]
            ids = torch.tensor(members, device=self.features.device)
            video = VideoFeatures(*(part[ids] for part in self.features.video))
            self._last = number, self.features.pool(written, scenes, video)
        return self._last[1]

    def _write(self, scene: world.Scene, rng: random.Random) -> captions.Caption | queries.Query:
        if rng.random() < self.pools.queries:
            return query_as_read(self.reader, scene, rng)
        return captions.write(scene, rng, rng.uniform(0, self.features.config.omit))

    @torch.no_grad()
    def validate(self, model: DiffusionRet, heads: nn.Module) -> Validation:
        """As `validate_sets`, on every second text and clip of validation, texts as in training."""
        pool = self.validation_pool
        return validate_sets(model, pool, torch.arange(0, len(pool.fits), 2, device=self.features.device))

    @cached_property
    def validation_pool(self) -> Pool:
        """A text and the features of each clip of validation: all that makes them is frozen."""
        scenes, rng = list(world.split("validation")), random.Random("validation texts")
        written = [self._write(scene, rng) for scene in scenes]
        video = encode_clips(self.model, self.features.validation_frames())
        return self.features.pool(written, scenes, video)


def query_as_read(reader: Reader, scene: world.Scene, rng: random.Random) -> queries.Query:
    """A query as the search passes it on: read, and nothing to subtract."""
    while True:
        query = queries.write(scene, rng)
        reading = reader.read(query.text)
        if not (reading.parts or reading.unheard or reading.refusal):
            return replace(query, text=reading.searched)


def aligned_similarity(
    model: DiffusionRet, text: TextFeatures, video: VideoFeatures
) -> Float[Tensor, " pair"]:
    """The weighted token interaction of text i and video i."""
    assert model.text_weights is not None and model.video_weights is not None
    text_weights = model.text_weights.weigh(text.tokens, text.mask)
    return wti_pairs(text, video, text_weights, model.video_weights.weigh(video.frames, video.mask))


def twin_accuracy(
    model: DiffusionRet, video: VideoFeatures, twin_of: Callable[[world.Scene], world.Scene | None]
) -> float:
    """Percent of validation clips that fit their caption better than what the same words say of their twin.

    video: of all validation clips. twin_of: the twin of a scene, None where it has none; such scenes do not count.
    """
    scenes = world.split("validation")
    twins = {i: t for i, s in enumerate(scenes) if (t := twin_of(s)) and s.motion not in ("grow", "shrink")}
    own = torch.tensor(list(twins), device=video.frames.device)
    clips_with_twins = VideoFeatures(*(part[own] for part in video))
    fit = []
    for meant in ({i: scenes[i] for i in twins}, twins):
        written = [captions.write(s, random.Random(f"validation twins {i}")) for i, s in meant.items()]
        fit.append(aligned_similarity(model, model.encode_text([c.text for c in written]), clips_with_twins))
    return 100 * (fit[0] > fit[1]).float().mean().item()
