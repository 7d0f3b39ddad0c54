"""`sample`: what it is given is checked, and its queries run in the form that serves their device."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..denoiser import Denoiser
from ..diffusion import Schedule
from ..encoders import Mask
from . import compilation, cuda, torch_loop
from .cpu import CompiledJob
from .factorisation import make_plan
from .job import Job, States
from .precision import full_precision
from .prepared import prepared_gallery


@torch.no_grad()
def sample(
    network: Denoiser,
    cls: Float[Tensor, "text dim"],
    frames: Float[Tensor, "video frame dim"],
    mask: Mask[Tensor, "video frame"],
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
    candidates = _checked(cls, frames, mask, candidates, direction, noise, eta, generator)
    weights = _ddim_weights(tuple(schedule.alpha_bar.tolist()), eta)
    real = torch.float64 if cls.dtype == torch.float64 else torch.float32
    start = noise.to(cls.device, cls.dtype)
    start = start if noise.ndim == 3 else start[None]
    fresh = _fresh_noise(start, weights, generator)
    states = start.new_empty(3 * schedule.steps + 1, *start.shape, dtype=real)
    states[0] = start
    candidates = candidates.to(cls.device, torch.long).contiguous()
    with full_precision(cls.device):
        plan = make_plan(network, direction, schedule, real, cls.device)
        prepared = prepared_gallery(frames if direction == "t2v" else cls, plan)
        # What is done for each text is done for those that are candidates.
        if direction == "v2t" and prepared is None:
            used, candidates = candidates.unique(return_inverse=True)
            cls = cls[used]
        job = Job(
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
        _run(job)
    return _three((states if noise.ndim == 3 else states[:, 0]).to(cls.dtype))


def _checked(
    cls: Tensor, frames: Tensor, mask: Tensor, candidates: Tensor, direction: str, noise: Tensor, eta: float,
    generator: torch.Generator | None,
) -> Int[Tensor, "query candidate"]:  # fmt: skip
    """The candidates, counted from the start; raises what `sample` does."""
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
    return candidates % gallery if least < 0 else candidates


def _run(job: Job) -> None:
    """Fill the states, a part of the queries at a time."""
    queries, count = job.candidates.shape
    kernel, compiled, start = cuda.kernel_for(job.cls, count), CompiledJob(job), 0
    while start < queries and count:
        # Request anew for each part: they may have been compiled in the meantime.
        loops = compilation.loops_for(job.cls, queries * job.seeds)
        if loops is not None and compiled.whole_queries:
            compiled.run_whole_queries(loops, start)
            return
        part = slice(start, min(start + job.queries_at_once(loops is not None), queries))
        if loops is not None:
            compiled.run(loops, part)
        elif kernel is not None:
            cuda.run(kernel, job, part)
        else:
            torch_loop.run(job, part)
        start = part.stop


def _three(states: Tensor) -> States:
    """The states, that lie one after the other in memory."""
    steps = len(states) // 3
    return States(states[: steps + 1], states[steps + 1 : -steps], states[-steps:])


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
