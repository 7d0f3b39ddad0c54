"""The stages of training on a benchmark: the paper's two and one for the open-set generator.

Where a process's part of a batch does not fit into memory, its features are computed twice, chunk by chunk (gradient
caching, Gao et al. 2021, arXiv 2101.06983), which changes neither loss nor gradients, unlike smaller batches.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..benchmarks import FinetuneConfig
from ..encoders import TextFeatures, VideoFeatures
from ..encoding import encode_batch
from ..evaluate import generate
from ..features import encode_captions
from ..frames import FrameCache, TrainingPairs
from ..fusion import fuse
from ..generators import Generator
from ..metrics import retrieval_metrics
from ..model import DIRECTIONS, DiffusionRet
from ..pool import make_pool
from .benchmark_pairs import Batches, ReadAhead
from .distributed import Process, gather
from .loop import Duration
from .openset_sets import set_loss, validate_sets
from .stage import Stage, Validation, settings_of

Parts = tuple[Tensor, ...]  # cls, tokens, text mask, frames, frame mask


class BenchmarkFeatures:
    """A benchmark's pairs as training sees them: batches, and what a model makes of them."""

    def __init__(
        self,
        config: FinetuneConfig,
        model: DiffusionRet,
        train: TrainingPairs,
        selection: TrainingPairs,
        cache: FrameCache,
        process: Process,
        steps: int | None = None,
    ) -> None:
        """model: moved to the process's device. selection: the pairs that select the weights. steps: of the training,
        None for the preset's epochs.

        Raises ValueError where a batch cannot be dealt out evenly, or is more than the pairs.
        """
        self.config, self.cache, self.process = config, cache, process
        self.train, self.selection = train, selection
        self.device, self.model = process.device, model.to(process.device)
        # A step of stages 2 and 3 takes milliseconds on cached features, so every process runs the whole batch.
        share = (process.process_index, process.num_processes) if config.stage == 1 else (0, 1)
        frames = cache if config.stage == 1 else None
        self.batches = Batches(train, frames, config.batch, config.seed, *share)
        steps = steps or config.epochs * self.batches.an_epoch
        every = max(1, round(config.evaluate_every * self.batches.an_epoch))
        self.duration = Duration(steps, every, config.patience)
        self.settings = settings_of(config, pairs=len(train.captions))

    def encode(self, pairs: np.ndarray, frames: np.ndarray, mask: np.ndarray) -> Parts:
        """Features of a `Batch`, in float32 whatever the precision of the towers."""
        ids, words = self.model.tokenize([self.train.captions[i] for i in pairs])
        with self.process.autocast():
            text = self.model.encode_token_ids(ids.to(self.device), words.to(self.device))
        video = self._encode_frames(self.model, frames, mask)
        return text.cls.float(), text.tokens.float(), text.mask, *video

    def _encode_frames(self, model: DiffusionRet, frames: np.ndarray, mask: np.ndarray) -> VideoFeatures:
        with self.process.autocast():
            return encode_batch(model, torch.from_numpy(frames), torch.from_numpy(mask))

    @torch.no_grad()
    def encode_videos(self, model: DiffusionRet, pairs: TrainingPairs) -> VideoFeatures:
        """A model's features of all clips of the pairs, on the device."""
        parts = []
        for i in range(0, len(pairs.places), 32):
            clips = [self.cache.load(place) for place in pairs.places[i : i + 32]]
            parts.append(self._encode_frames(model, *(np.stack(part) for part in zip(*clips, strict=True))))
        return VideoFeatures(*(torch.cat(part) for part in zip(*parts, strict=True)))

    @cached_property
    def video(self) -> VideoFeatures:
        """Of all training clips, where what makes them is frozen."""
        return self.encode_videos(self.model, self.train)

    def texts(self, step: int) -> tuple[TextFeatures, Tensor, torch.Generator]:
        """Where the text tower is frozen: features of a step's captions, the clip of each, and the randomness."""
        pairs = self.batches[step].pairs
        owner = torch.from_numpy(self.train.owner[pairs]).to(self.device)
        text = encode_captions(self.model, [self.train.captions[i] for i in pairs])
        return text, owner, torch.Generator().manual_seed(self.config.seed * 1_000_003 + step)

    def validation(self, model: DiffusionRet) -> tuple[TextFeatures, VideoFeatures]:
        """A model's features of the clips that select the weights, and of a caption each."""
        first = np.unique(self.selection.owner, return_index=True)[1]
        text = encode_captions(model, [self.selection.captions[i] for i in first])
        return text, self.encode_videos(model, self.selection)


def recalls(
    model: DiffusionRet, text: TextFeatures, video: VideoFeatures, generator: Generator | None = None
) -> Validation:
    """R@1 of both directions; the score is the mean of R@1, R@5 and R@10. generator: whose boost is added to the
    similarity, None for none."""
    similarity = model.similarity(text, video)
    figures, total = {}, []
    for direction, scores in zip(DIRECTIONS, (similarity, similarity.T.contiguous()), strict=True):
        if generator is not None:
            trajectory = generate(model, text, video, scores, direction, generator=generator)
            scores = fuse(model, text, video, scores, trajectory).added(scores)
        metrics = retrieval_metrics(scores)
        figures[f"R1_{direction}"] = metrics.R1
        total += [metrics.R1, metrics.R5, metrics.R10]
    return Validation(float(np.mean(total)), figures)


class BenchmarkDiscrimination:
    """Stage 1: everything trains on the loss of the whole batch (paper, section 3.2)."""

    def __init__(self, features: BenchmarkFeatures, chunk: int | None = None, workers: int = 0) -> None:
        """chunk: pairs that a process encodes at once, None for all of its part. workers: processes that read frames
        ahead."""
        self.features, self.settings, self.model = features, features.settings, features.model
        self.heads: nn.Module = nn.ModuleDict()
        self.chunk = chunk
        self.batches = ReadAhead(features.batches, features.duration.steps, workers)

    def trained(self) -> list[nn.Module]:
        return [self.model]

    def frozen(self) -> list[nn.Module]:
        return []

    def loss(self, step: int) -> Tensor:
        """The loss of the pairs of all processes."""
        batch = self.batches[step]
        videos = torch.from_numpy(self.features.train.owner[batch.pairs]).to(self.features.device)
        count = len(batch.pairs)
        size = min(self.chunk or count, count)
        if size == count:
            parts = self.features.encode(*batch)
        else:
            # A chunk's activations are dropped and computed anew when its gradients have come. Nothing is random.
            encoded = [
                checkpoint(
                    self.features.encode, *(part[i : i + size] for part in batch),
                    use_reentrant=False, preserve_rng_state=False,
                )
                for i in range(0, count, size)
            ]  # fmt: skip
            parts = tuple(torch.cat(part) for part in zip(*encoded, strict=True))
        cls, tokens, text_mask, frames, mask = (gather(part) for part in parts)
        text, video = TextFeatures(cls, tokens, text_mask), VideoFeatures(frames, mask)
        return self.model.discrimination_loss(text, video, gather(videos))

    def validate(self, model: DiffusionRet, heads: nn.Module) -> Validation:
        """As `recalls`, of the similarity."""
        return recalls(model, *self.features.validation(model))


class BenchmarkGeneration:
    """Stage 2: the published generator alone, on cached features (paper, section 3.3)."""

    def __init__(self, features: BenchmarkFeatures) -> None:
        self.features, self.settings, self.model = features, features.settings, features.model
        self.heads: nn.Module = nn.ModuleDict()

    def trained(self) -> list[nn.Module]:
        assert self.model.generator is not None
        return [self.model.generator]

    def frozen(self) -> list[nn.Module]:
        return []

    def loss(self, step: int) -> Tensor:
        """The published loss of both directions."""
        text, owner, generator = self.features.texts(step)
        video = VideoFeatures(*(part[owner] for part in self.features.video))
        with self.features.process.autocast():
            return self.model.generation_loss(
                text, video, owner, negatives=self.features.config.negatives, generator=generator
            )

    def validate(self, model: DiffusionRet, heads: nn.Module) -> Validation:
        """As `recalls`, after generation."""
        return recalls(model, *self.features.validation(model), model.choose("published"))


class BenchmarkOpenSet:
    """Stage 3: the open-set generator on the same features.

    The pool is the batch's captions and videos, each once. A caption is true of its own video, all captions of a video
    are, and nothing else is known to be.
    """

    def __init__(self, features: BenchmarkFeatures) -> None:
        self.features, self.settings, self.model = features, features.settings, features.model
        self.heads: nn.Module = nn.ModuleDict()
        assert self.model.openset is not None
        with torch.no_grad():
            self.model.openset.fill_bank(features.texts(0)[0].cls)

    def trained(self) -> list[nn.Module]:
        assert self.model.openset is not None
        return [self.model.openset]

    def frozen(self) -> list[nn.Module]:
        return []

    def loss(self, step: int) -> Tensor:
        """The sum over directions of the loss of one set of candidates a query."""
        assert self.model.openset is not None
        text, owner, generator = self.features.texts(step)
        ids, owner = owner.unique(return_inverse=True)
        video = VideoFeatures(*(part[ids] for part in self.features.video))
        fits = owner[:, None] == torch.arange(len(ids), device=owner.device)
        pool = make_pool(self.model, text, video, fits)
        losses = []
        for direction, size in zip(DIRECTIONS, fits.shape, strict=True):
            queries = pool.queries(direction, torch.arange(size, device=owner.device))
            count = min(self.features.config.negatives + 1, queries.fits.shape[1])
            with self.features.process.autocast():
                losses.append(set_loss(self.model.openset, queries, queries.fits, count, generator))
        return torch.stack(losses).sum()

    def validate(self, model: DiffusionRet, heads: nn.Module) -> Validation:
        """As `validate_sets`, with R@1 of both directions after generation beside it."""
        text, video = self.features.validation(model)
        own = torch.eye(len(text.cls), dtype=torch.bool, device=text.cls.device)
        pool = make_pool(model, text, video, own)
        score, figures = validate_sets(model, pool, torch.arange(len(own), device=own.device))
        return Validation(score, figures | recalls(model, text, video, model.choose("open-set")).figures)


def benchmark_stage(features: BenchmarkFeatures, chunk: int | None = None, workers: int = 0) -> Stage:
    """The stage of a preset. chunk, workers: as for `BenchmarkDiscrimination`; the other stages do without."""
    if features.config.stage == 1:
        return BenchmarkDiscrimination(features, chunk, workers)
    return (BenchmarkGeneration, BenchmarkOpenSet)[features.config.stage - 2](features)
