"""The exact sampler: what `diffusion.ddim` over a `Denoiser` gives, with hundreds of times fewer operations.

factorised.py derives what a step needs: for each candidate a row of `Plan.columns`, and for each pair of a
text and a video that it pools two parts of a logit. This file prepares both for some queries at a time and
runs their steps.

There are three forms. On a CPU loops compiled with numba take a query at a time, whose rows then stay in the
cache, and spread queries over as many threads as torch uses. On CUDA one kernel runs all steps of all queries.
The torch form serves other devices, CUDA without Triton, and a CPU as long as the loops are not compiled: that
happens in the background, on `warm_up` or at the first large call.

What candidates are multiplied with is linear in the frames that they pool, so a gallery that is searched again and
again may have its features multiplied beforehand (`prepare`).
"""

from __future__ import annotations

import atexit
import logging
import math
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from threading import Lock, Thread
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import linear
from torch.utils.weak import WeakTensorKeyDictionary

from .denoiser import Denoiser, pool_frames
from .diffusion import Schedule
from .factorised import Plan, make_plan

log = logging.getLogger(__name__)

MEMORY = 256 << 20  # bytes of the largest intermediate tensor
PART = 32 << 20  # bytes that the compiled form prepares at a time
GRAIN = 256  # pairs that a thread mixes at least
CACHE = 8 << 20  # bytes that a step of the torch form reads on a CPU


class States(NamedTuple):
    """x [step+1 (seed) query candidate], row 0 the noise; x0_raw, x0 [step (seed) query candidate], the
    predictions before and after the clamp."""

    x: Tensor
    x0_raw: Tensor
    x0: Tensor


@torch.no_grad()
def sample(
    network: Denoiser,
    cls: Float[Tensor, "text dim"],
    frames: Float[Tensor, "video frame dim"],
    mask: Int[Tensor, "video frame"],
    candidates: Int[Tensor, "query candidate"],
    direction: str,
    schedule: Schedule,
    noise: Tensor,
    temperature: float = 1.0,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
) -> States:
    """Denoise `noise` [(seed) query candidate] with DDIM over the network, forward only.

    direction: "t2v" (queries are the texts, candidates index videos) or "v2t" (the mirror image).
    temperature: of the attention over frames. eta, generator: as in `ddim`; the same numbers are drawn in
    the same order. The result is that of the plain loop up to rounding (1e-4 in float32, 1e-9 in float64)
    and has the features' dtype; the arithmetic is float64 for float64 features, else float32. Raises
    ValueError for shapes and settings that do not fit, IndexError for candidates that do not exist.
    """
    if direction not in ("t2v", "v2t"):
        raise ValueError(f"direction is {direction!r}: choose t2v (text to video) or v2t (video to text).")
    queries, gallery = (len(cls), len(frames)) if direction == "t2v" else (len(frames), len(cls))
    if candidates.ndim != 2 or len(candidates) != queries:
        raise ValueError(f"candidates are {tuple(candidates.shape)} for {queries} queries.")
    if noise.shape[-2:] != candidates.shape or noise.ndim not in (2, 3):
        raise ValueError(f"noise is {tuple(noise.shape)}, candidates are {tuple(candidates.shape)}.")
    if cls.shape[-1] != frames.shape[-1] or mask.shape != frames.shape[:2]:
        shapes = ", ".join(str(tuple(given.shape)) for given in (cls, frames, mask))
        raise ValueError(f"Texts, frames and their mask do not fit together: {shapes}.")
    least, most = (int(end) for end in candidates.aminmax()) if candidates.numel() else (0, -1)
    if not -gallery <= least <= most + 1 <= gallery:
        raise IndexError(f"The candidates reach beyond the {gallery} that there are.")
    if not 0 <= eta <= 1:
        raise ValueError(f"eta is {eta}: choose a value from 0 (deterministic) to 1 (ancestral).")
    if eta and generator is None:
        raise ValueError("eta > 0 draws noise at every step: pass a torch.Generator.")
    weights = _ddim_weights(tuple(schedule.alpha_bar.tolist()), eta)
    real = torch.float64 if cls.dtype == torch.float64 else torch.float32
    start = noise.to(cls.device, cls.dtype)
    start = start if noise.ndim == 3 else start[None]
    fresh = _fresh_noise(start, weights, generator)
    states = start.new_empty(3 * schedule.steps + 1, *start.shape, dtype=real)
    states[0] = start
    candidates = candidates.to(cls.device, torch.long).contiguous()
    if least < 0:
        candidates = candidates % gallery
    with _full_precision(cls.device):
        plan = make_plan(network, direction, schedule, real, cls.device)
        prepared = _prepared(frames if direction == "t2v" else cls, plan)
        if (
            direction == "v2t" and prepared is None
        ):  # what is done for each text is done for those that are shown
            shown, candidates = candidates.unique(return_inverse=True)
            cls = cls[shown]
        job = _Job(
            cls=cls.to(real).contiguous(),
            frames=frames,
            mask=mask,
            candidates=candidates,
            mirrored=direction == "v2t",
            temperature=temperature,
            plan=plan,
            prepared=prepared,
            weights=weights.to(cls.device, real),
            fresh=fresh.to(real),
            states=_three(states),
        )
        job.run()
    return _three((states if noise.ndim == 3 else states[:, 0]).to(cls.dtype))


def _full_precision(device: torch.device) -> AbstractContextManager:
    """Without autocast, where it is on: leaving it off takes as long as a part of a search."""
    on = torch.is_autocast_enabled(device.type)
    return torch.autocast(device.type, enabled=False) if on else nullcontext()


def _three(states: Tensor) -> States:
    """The states, that lie one after the other in memory."""
    steps = len(states) // 3
    return States(states[: steps + 1], states[steps + 1 : -steps], states[-steps:])


class _Prepared(NamedTuple):
    """Products of a gallery's features: with `columns`, those of a plan, `table` [video*frame column] or [text
    column]; with `Plan.turn`, `turned`, of their shape. state: of the features then, see `_state`."""

    columns: Tensor
    state: tuple
    table: Tensor
    turned: Tensor


_PREPARED: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


@torch.no_grad()
def prepare(network: Denoiser, direction: str, gallery: Tensor, schedule: Schedule) -> int:
    """Multiply the features of a gallery with what queries of a direction need of them; the bytes that this takes.

    gallery: the frames [video frame dim] for "t2v", the texts [text dim] for "v2t". The product serves every
    `sample` that is given this very tensor and schedule, until the features or the network's weights change, and is
    forgotten with the tensor. A write behind torch's back (to `.data` or a NumPy view) goes unnoticed. 0 where nothing
    is kept: for features that are not contiguous on the CPU, and where it would take more than MEMORY.
    """
    served = gallery.dtype in (torch.float32, torch.float64) and gallery.device.type == "cpu"
    if not served or not gallery.is_contiguous() or gallery.is_inference():
        return 0
    with _full_precision(gallery.device):
        plan = make_plan(network, direction, schedule, gallery.dtype, gallery.device)
        rows = gallery.flatten(0, -2)
        size = len(rows) * (len(plan.columns) + len(plan.turn)) * gallery.element_size()
        if size > MEMORY:
            return 0
        if _prepared(gallery, plan) is None:
            # A text's turned row times a pooled video: for frames the turning moves to the other side.
            turned = linear(rows, plan.turn if direction == "v2t" else plan.turn.T).view_as(gallery)
            table = linear(rows, plan.columns)
            _PREPARED[gallery] = _Prepared(plan.columns, _state(gallery), table, turned)
    return size


def _state(gallery: Tensor) -> tuple:
    """What changes with a tensor, but for writes behind torch's back."""
    return gallery._version, gallery.data_ptr(), gallery.shape


def _prepared(gallery: Tensor, plan: Plan) -> _Prepared | None:
    """What `prepare` made of these features, where it is for this plan and still true."""
    kept = _PREPARED.get(gallery)
    same = kept is not None and kept.columns is plan.columns and kept.state == _state(gallery)
    return kept if same else None


def _times_columns(rows: Tensor, columns: Tensor) -> Tensor:
    """linear(rows, columns) for rows [... dim]. For the few rows of a single query MKL multiplies the other way
    round twice as fast, the copy that turns the result included."""
    if rows.numel() // rows.shape[-1] > 64:
        return linear(rows, columns)
    return (columns @ rows.flatten(0, -2).T).T.contiguous().unflatten(0, rows.shape[:-1])


@lru_cache(maxsize=64)
def _ddim_weights(alpha_bar: tuple[float, ...], eta: float) -> Float[Tensor, "step 3"]:
    """The weights of x0, x and fresh noise in each step: eq. 12 of DDIM with its eps written out."""
    weights = []
    for a_prev, a in reversed(list(pairwise((1.0, *alpha_bar)))):
        sigma = eta * math.sqrt((1 - a_prev) / (1 - a) * (1 - a / a_prev))
        keep = math.sqrt(max(1 - a_prev - sigma**2, 0.0)) / math.sqrt(1 - a)
        weights.append((math.sqrt(a_prev) - keep * math.sqrt(a), keep, sigma))
    return torch.tensor(weights, dtype=torch.float64)


def _fresh_noise(like: Tensor, weights: Tensor, generator: torch.Generator | None) -> Tensor:
    """[step ...], or no step where none is needed. Drawn step by step as `ddim` does, for equal numbers."""
    if generator is None or not (sigmas := weights[:, 2]).any():
        return like.new_empty(0, *like.shape)
    fresh = like.new_zeros(len(sigmas), *like.shape)
    for s in sigmas.nonzero()[:, 0]:
        fresh[s] = torch.randn(like.shape, generator=generator, device=generator.device, dtype=like.dtype)
    return fresh


class _Pairs(NamedTuple):
    """What the steps of some queries need. rows [query candidate] into table [row column], the candidates
    times `Plan.columns`; base [query candidate] and clock [query candidate step] (or no step), parts of the
    logits, with one axis of pairs for the compiled form."""

    rows: Tensor
    table: Tensor
    base: Tensor
    clock: Tensor


@dataclass
class _Job:
    """One call of `sample`: its inputs, and `states`, which `run` fills a part of the queries at a time."""

    cls: Tensor
    frames: Tensor
    mask: Tensor
    candidates: Tensor
    mirrored: bool
    temperature: float
    plan: Plan
    prepared: _Prepared | None
    weights: Tensor
    fresh: Tensor
    states: States

    def run(self) -> None:
        queries, count = self.candidates.shape
        fused, start = _fused(self.cls, count), 0
        while start < queries and count:
            # Asked anew for each part: they may have been compiled in the meantime.
            loops = _loops(self.cls, queries * self.states.x.shape[1])
            if loops is not None and self._mixes_at_once:
                self._mixed_walk(loops, start)
                return
            part = slice(start, min(start + self._queries_at_once(loops is not None), queries))
            if loops is not None:
                self._compiled_walk(loops, part, self._compiled_pairs(loops, part))
            elif fused is not None:
                self._fused_walk(fused, part, self._pairs(part))
            else:
                self._walk(part, self._pairs(part))
            start = part.stop

    def _queries_at_once(self, compiled: bool) -> int:
        per_pair = sum(self.plan.columns.shape) + len(self.plan.clock)
        if not compiled:
            per_pair += self.frames[0].numel()  # each pair has its frames side by side
        return max((PART if compiled else MEMORY // 2) // self._bytes(self.candidates.shape[1] * per_pair), 1)

    def _bytes(self, numbers: int) -> int:
        return numbers * self.cls.element_size()

    @cached_property
    def _turned(self) -> Tensor:
        if self.mirrored and self.prepared is not None:
            return self.prepared.turned
        return linear(self.cls, self.plan.turn)

    @cached_property
    def _texts(self) -> Tensor | None:
        """All texts times `Plan.columns`; None where that is too large."""
        if self.prepared is not None:
            return self.prepared.table
        fits = self._bytes(len(self.cls) * len(self.plan.columns)) <= MEMORY
        return linear(self.cls, self.plan.columns) if fits else None

    def _text_table(self, part: slice) -> tuple[Tensor, Tensor]:
        """Rows [query candidate] and the table [row column] for video queries."""
        if self._texts is not None:
            return self.candidates[part], self._texts
        shown, rows = self.candidates[part].unique(return_inverse=True)
        return rows, linear(self.cls[shown], self.plan.columns)

    # --- the torch form ---------------------------------------------------------------------------------

    def _pairs(self, part: slice) -> _Pairs:
        shown = self.candidates[part]
        query = torch.arange(part.start, part.stop, device=shown.device)[:, None].expand_as(shown)
        text, video = (shown, query) if self.mirrored else (query, shown)
        frames = self.frames[video].to(self.cls.dtype)
        pooled = pool_frames(self.cls[text], frames, self.mask[video], self.temperature)
        base = (pooled * self._turned[text]).sum(dim=-1)
        clock = linear(pooled, self.plan.clock)
        if self.mirrored:
            return _Pairs(*self._text_table(part), base, clock)
        table = linear(pooled.flatten(0, 1), self.plan.columns)
        return _Pairs(torch.arange(len(table), device=table.device).view_as(shown), table, base, clock)

    def _walk(self, part: slice, pairs: _Pairs) -> None:
        x, x0_raw, x0 = self.states
        seeds, hidden = x.shape[1], len(self.plan.sign)
        room = (CACHE if x.device.type == "cpu" else MEMORY) // self._bytes(pairs.rows.shape[1] * hidden)
        seeds_at_once = max(min(room, seeds), 1)
        queries_at_once = max(room // seeds_at_once, 1)
        for first in range(0, len(pairs.rows), queries_at_once):
            some = slice(first, first + queries_at_once)
            u, n, own, time = pairs.table[pairs.rows[some]].split([hidden, hidden, 1, len(x0)], dim=-1)
            own = own[..., 0] + self.plan.bias
            logits = pairs.base[some, :, None] + time
            if self.mirrored:
                logits = logits + pairs.clock[some]
            column = slice(part.start + first, min(part.start + first + queries_at_once, part.stop))
            for seed in range(0, seeds, seeds_at_once):
                at = (slice(seed, seed + seeds_at_once), column)
                state = x[0][at]
                for s in range(len(x0)):
                    w = (logits[..., s] + state).softmax(dim=-1)  # [seed query candidate]
                    a = torch.einsum("sqk,qkh->sqh", w, u) + self.plan.shift[s]
                    raw = torch.maximum(a[:, :, None], n) @ self.plan.sign + own + w
                    clean = raw.clamp(-1, 1)
                    state = self.weights[s, 0] * clean + self.weights[s, 1] * state
                    if len(self.fresh):
                        state = state + self.weights[s, 2] * self.fresh[s][at]
                    x0_raw[s][at], x0[s][at], x[s + 1][at] = raw, clean, state

    # --- the fused form ---------------------------------------------------------------------------------

    def _fused_walk(self, fused: ModuleType, part: slice, pairs: _Pairs) -> None:
        plan = self.plan
        fused.walk(
            part.start, *pairs, plan.shift, plan.sign, plan.bias, self.weights, self.fresh, *self.states
        )

    # --- the compiled form ------------------------------------------------------------------------------

    @cached_property
    def _videos(self) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """For text queries: frames [video frame dim] and mask of the videos shown, the candidates as
        indices into them and, where these are fewer rows than pairs, the frames times `Plan.columns`
        [video*frame column]."""
        frames, mask, candidates = self.frames, self.mask, self.candidates
        if self.prepared is not None:
            return frames, mask, candidates, self.prepared.table
        fits = frames.dtype == self.cls.dtype and frames.is_contiguous()
        if fits and len(candidates) <= frames.shape[1]:  # too few queries to share videos
            return frames, mask, candidates, None
        shown, rows = candidates.unique(return_inverse=True)
        if len(shown) < len(frames):
            frames, mask, candidates = frames[shown], mask[shown], rows
        frames = frames.to(self.cls.dtype).contiguous()
        count = len(frames) * frames.shape[1]
        if count >= candidates.numel() or self._bytes(count * len(self.plan.columns)) > MEMORY:
            return frames, mask, candidates, None
        return frames, mask, candidates, linear(frames.flatten(0, 1), self.plan.columns)

    @cached_property
    def _mixes_at_once(self) -> bool:
        """Whether each query is done by one thread from its frames to its sample: many are, and a small one."""
        (queries, count), seeds = self.candidates.shape, self.states.x.shape[1]
        spread = queries > 1 or (seeds == 1 and count < 2 * GRAIN)
        return not self.mirrored and self._videos[3] is not None and spread

    def _factors(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The rows of texts and of frames whose products, mixed, make the base: either side may be the turned one."""
        if self.prepared is None or self.mirrored:
            return self._turned, frames
        return self.cls, self.prepared.turned

    def _mixed_walk(self, loops: ModuleType, start: int) -> None:
        plan, (frames, mask, candidates, table) = self.plan, self._videos
        real = mask.to(self.cls.dtype).contiguous()
        tensors = (self.cls, frames, *self._factors(frames), real, table, plan.shift, plan.bias)
        arrays = [tensor.numpy() for tensor in (*tensors, self.weights, self.fresh, *self.states)]
        shown, temperature = candidates.numpy(), arrays[0].dtype.type(self.temperature)

        def work(first: int, last: int) -> None:
            loops.mixed_walk(first, last, start, plan.positive, shown, temperature, *arrays)

        _spread(work, len(shown) - start, grain=1)

    def _compiled_pairs(self, loops: ModuleType, part: slice) -> _Pairs:
        count = self.candidates.shape[1]
        query = np.arange(part.start, part.stop).repeat(count)
        if self.mirrored:
            frames, mask = self.frames[part].to(self.cls.dtype).contiguous(), self.mask[part]
            text, video = self.candidates[part].flatten().numpy(), query - part.start
            table = linear(frames.flatten(0, 1), self.plan.clock)
            base, clock = self._mix(loops, text, video, frames, mask, table)
            return _Pairs(*self._text_table(part), base, clock)
        frames, mask, candidates, projected = self._videos
        video = candidates[part].flatten().numpy()
        if projected is not None:
            base, table = self._mix(loops, query, video, frames, mask, projected)
        else:
            base, pooled = self._mix(loops, query, video, frames, mask, frames.flatten(0, 1))
            table = _times_columns(pooled, self.plan.columns)
        rows = torch.arange(len(table)).view(-1, count)
        return _Pairs(rows, table, base, base.new_empty(len(table), 0))

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
        base = self.cls.new_empty(len(text))
        out = self.cls.new_empty(len(text), table.shape[1])
        # Pairs of one video follow each other, so that its rows are read once.
        many = len(text) > 1024 and not self.mirrored
        order = video.argsort(kind="stable") if many else np.arange(len(text))
        real = mask.to(self.cls.dtype).contiguous()
        tensors = (self.cls, frames, *self._factors(frames), real, table, out, base)
        arrays = [tensor.numpy() for tensor in tensors]
        temperature = arrays[0].dtype.type(self.temperature)

        def work(first: int, last: int) -> None:
            loops.mix(first, last, order, text, video, temperature, *arrays)

        _spread(work, len(text), grain=GRAIN)
        return base, out

    def _compiled_walk(self, loops: ModuleType, part: slice, pairs: _Pairs) -> None:
        plan = self.plan
        tensors = (
            pairs.rows,
            pairs.table,
            pairs.clock,
            pairs.base,
            plan.shift,
            plan.bias,
            self.weights,
            self.fresh,
        )
        arrays = [tensor.numpy() for tensor in (*tensors, *self.states)]

        def work(first: int, last: int) -> None:
            loops.walk(first, last, part.start, plan.positive, *arrays)

        _spread(work, pairs.rows.shape[0] * self.states.x.shape[1], grain=2)


def _spread(work: Callable[[int, int], None], count: int, grain: int) -> None:
    """work(first, last) over ranges of 0..count of `grain` or more, on as many threads as torch uses."""
    threads = torch.get_num_threads()
    ranges = min(count // grain, 4 * threads)  # more than threads: some cores have more time than others
    if threads == 1 or ranges < 2:
        work(0, count)
        return
    left = deque(pairwise([count * i // ranges for i in range(ranges + 1)]))

    def some() -> None:
        while True:
            try:
                first, last = left.popleft()
            except IndexError:  # nothing is left
                return
            work(first, last)

    helpers = [_helpers().submit(some) for _ in range(threads - 1)]
    try:
        some()
    finally:  # after an error, too, nobody works on when this returns
        left.clear()
        begun = [helper for helper in helpers if not helper.cancel()]
        wait(begun)
    for helper in begun:
        helper.result()


@lru_cache(maxsize=1)
def _helpers() -> ThreadPoolExecutor:
    """Threads that stay, for starting one takes as long as a walk."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="sampler")


if hasattr(os, "register_at_fork"):  # a forked child has none of the threads
    os.register_at_fork(after_in_child=_helpers.cache_clear)


# --- compilation ----------------------------------------------------------------------------------------


class _Compiler:
    """Compiles kernels.py in the background, in one thread for each dtype asked for."""

    def __init__(self) -> None:
        self.ready: dict[torch.dtype, ModuleType] = {}
        self._threads: dict[torch.dtype, Thread] = {}
        self._lock = Lock()

    def start(self, dtype: torch.dtype) -> Thread:
        with self._lock:
            if dtype not in self._threads:
                name = f"compile sampler {dtype}"
                thread = self._threads[dtype] = Thread(
                    target=self._compile, args=[dtype], name=name, daemon=True
                )
                thread.start()
                atexit.register(thread.join)  # the process must not end while LLVM is at work
            return self._threads[dtype]

    def _compile(self, dtype: torch.dtype) -> None:
        try:
            from . import kernels

            kernels.compile_for(np.float32 if dtype == torch.float32 else np.float64)
            self.ready[dtype] = kernels
        except Exception:  # whatever stops numba, the torch form gives the same result
            log.warning("The sampler's loops could not be compiled: it runs slower, in torch.", exc_info=True)


_COMPILER = _Compiler()
PATIENCE = 64  # walks of a call that make compiling worth its while


def warm_up(wait: bool = False, dtype: torch.dtype = torch.float32, at_most: float | None = None) -> None:
    """Compile the CPU's loops in the background: seconds the first time, then they come from numba's cache in
    half a second.

    For programs that will sample again and again. wait: until it is done, so that every result comes from
    the same loops, digit for digit; at_most: so many seconds. dtype: float32 or float64.
    """
    thread = _COMPILER.start(dtype)
    if wait:
        thread.join(at_most)


def _loops(like: Tensor, walks: int) -> ModuleType | None:
    """kernels.py, where its loops serve tensors as `like` and are compiled."""
    if like.device.type != "cpu":
        return None
    if like.dtype not in _COMPILER.ready and walks >= PATIENCE:
        _COMPILER.start(like.dtype)
    return _COMPILER.ready.get(like.dtype)


# --- the kernel for CUDA --------------------------------------------------------------------------------


def _fused(like: Tensor, candidates: int) -> ModuleType | None:
    """fused.py, where its kernel serves tensors as `like`."""
    if like.device.type != "cuda" or (kernel := _working_kernel(like.dtype, like.device)) is None:
        return None
    return kernel if candidates <= kernel.MOST_CANDIDATES else None


@lru_cache
def _working_kernel(dtype: torch.dtype, device: torch.device) -> ModuleType | None:
    """fused.py after a first small launch; None, said once, where Triton or a compiler is missing."""
    try:
        from . import fused

        one = torch.ones(1, 1, 1, dtype=dtype, device=device)
        row = torch.ones(1, 4, dtype=dtype, device=device)  # U, N, c and a time logit
        x = torch.zeros(2, 1, 1, 1, dtype=dtype, device=device)
        weights, at = row[:, :3].contiguous(), torch.zeros(1, 1, dtype=torch.long, device=device)
        vectors = (one[0], one[0, 0], one[0, 0])
        fused.walk(0, at, row, one[:0], one[0], *vectors, weights, x[:0], x, x[1:].clone(), x[1:].clone())
        torch.cuda.synchronize(device)
    except Exception:  # whatever stops Triton, the torch form gives the same result
        log.warning("The sampler's kernel could not be compiled: it runs slower, in torch.", exc_info=True)
        return None
    return fused
