"""The compiled form of the sampler, for a CPU: loops.py over the arrays of a job."""

from __future__ import annotations

from functools import cached_property
from types import ModuleType

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from . import limits
from .job import Job, Pairs
from .threads import spread


class CompiledJob:
    """A job of which some or all queries run compiled. loops, in all methods: loops.py, compiled for its dtype."""

    def __init__(self, job: Job) -> None:
        self.job = job

    @cached_property
    def videos(self) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """For text queries: frames [video frame dim] and mask of the videos among the candidates, the candidates as
        indices into them and, where these are fewer rows than pairs, the frames times `Plan.columns`
        [video*frame column]."""
        job = self.job
        frames, mask, candidates = job.frames, job.mask, job.candidates
        if job.prepared is not None:
            return frames, mask, candidates, job.prepared.table
        fits = frames.dtype == job.cls.dtype and frames.is_contiguous()
        if fits and len(candidates) <= frames.shape[1]:  # too few queries to share videos
            return frames, mask, candidates, None
        used, rows = candidates.unique(return_inverse=True)
        if len(used) < len(frames):
            frames, mask, candidates = frames[used], mask[used], rows
        frames = frames.to(job.cls.dtype).contiguous()
        count = len(frames) * frames.shape[1]
        if count >= candidates.numel() or job.bytes(count * len(job.plan.columns)) > limits.MEMORY:
            return frames, mask, candidates, None
        return frames, mask, candidates, linear(frames.flatten(0, 1), job.plan.columns)

    @cached_property
    def whole_queries(self) -> bool:
        """Whether each query is done by one thread from its frames to its sample: many are, and a small one."""
        (queries, count), seeds = self.job.candidates.shape, self.job.seeds
        spreads = queries > 1 or (seeds == 1 and count < 2 * limits.GRAIN)
        return not self.job.mirrored and self.videos[3] is not None and spreads

    def run_whole_queries(self, loops: ModuleType, start: int) -> None:
        """Fill the states of the queries from number `start` on, a query a thread."""
        job, plan, (frames, mask, candidates, table) = self.job, self.job.plan, self.videos
        assert table is not None  # see `whole_queries`
        real = mask.to(job.cls.dtype).contiguous()
        tensors = (job.cls, frames, *self._factors(frames), real, table, plan.shift, plan.bias)
        arrays = [tensor.numpy() for tensor in (*tensors, job.weights, job.fresh, *job.states)]
        indices, temperature = candidates.numpy(), arrays[0].dtype.type(job.temperature)

        def work(first: int, last: int) -> None:
            loops.denoise_mixed(first, last, start, plan.positive, indices, temperature, *arrays)

        spread(work, len(indices) - start, grain=1)

    def run(self, loops: ModuleType, part: slice) -> None:
        """Fill the states of the queries of a part, a (query, seed) pair a thread."""
        pairs, job, plan = self._pairs(loops, part), self.job, self.job.plan
        tensors = (
            pairs.rows, pairs.table, pairs.clock, pairs.base, plan.shift, plan.bias, job.weights, job.fresh,
        )  # fmt: skip
        arrays = [tensor.numpy() for tensor in (*tensors, *job.states)]

        def work(first: int, last: int) -> None:
            loops.denoise(first, last, part.start, plan.positive, *arrays)

        spread(work, pairs.rows.shape[0] * job.seeds, grain=2)

    def _factors(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The rows of texts and of frames whose products, mixed, make the base: either side may be the turned one."""
        if self.job.prepared is None or self.job.mirrored:
            return self.job.turned, frames
        return self.job.cls, self.job.prepared.turned

    def _pairs(self, loops: ModuleType, part: slice) -> Pairs:
        job = self.job
        count = job.candidates.shape[1]
        query = np.arange(part.start, part.stop).repeat(count)
        if job.mirrored:
            frames, mask = job.frames[part].to(job.cls.dtype).contiguous(), job.mask[part]
            text, video = job.candidates[part].flatten().numpy(), query - part.start
            table = linear(frames.flatten(0, 1), job.plan.clock)
            base, clock = self._mix(loops, text, video, frames, mask, table)
            return Pairs(*job.text_table(part), base, clock)
        frames, mask, candidates, projected = self.videos
        video = candidates[part].flatten().numpy()
        if projected is not None:
            base, table = self._mix(loops, query, video, frames, mask, projected)
        else:
            base, pooled = self._mix(loops, query, video, frames, mask, frames.flatten(0, 1))
            table = _times_columns(pooled, job.plan.columns)
        rows = torch.arange(len(table)).view(-1, count)
        return Pairs(rows, table, base, base.new_empty(len(table), 0))

    def _mix(
        self,
        loops: ModuleType,
        text: np.ndarray,
        video: np.ndarray,
        frames: Tensor,
        mask: Tensor,
        table: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """base [pair], and `table` mixed as the texts attend to the frames, [pair column]. text, video [pair]."""
        job = self.job
        base = job.cls.new_empty(len(text))
        out = job.cls.new_empty(len(text), table.shape[1])
        # Pairs of one video follow each other, so that its rows are read once.
        many = len(text) > 1024 and not job.mirrored
        order = video.argsort(kind="stable") if many else np.arange(len(text))
        real = mask.to(job.cls.dtype).contiguous()
        tensors = (job.cls, frames, *self._factors(frames), real, table, out, base)
        arrays = [tensor.numpy() for tensor in tensors]
        temperature = arrays[0].dtype.type(job.temperature)

        def work(first: int, last: int) -> None:
            loops.mix(first, last, order, text, video, temperature, *arrays)

        spread(work, len(text), grain=limits.GRAIN)
        return base, out


def _times_columns(rows: Tensor, columns: Tensor) -> Tensor:
    """linear(rows, columns) for rows [... dim]. For the few rows of a single query MKL multiplies the other way
    round twice as fast, the copy that turns the result included."""
    if rows.numel() // rows.shape[-1] > 64:
        return linear(rows, columns)
    return (columns @ rows.flatten(0, -2).T).T.contiguous().unflatten(0, rows.shape[:-1])
