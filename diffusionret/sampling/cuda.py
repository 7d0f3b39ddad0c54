"""The form of the sampler for CUDA: one kernel launch for all steps of the queries of a part."""

from __future__ import annotations

import logging
from functools import lru_cache
from types import ModuleType

import torch
from torch import Tensor

from .job import Job
from .torch_loop import make_pairs

log = logging.getLogger(__name__)


def run(kernel: ModuleType, job: Job, part: slice) -> None:
    """Fill the states of the queries of a part. kernel: kernel.py, see `kernel_for`."""
    pairs, plan = make_pairs(job, part), job.plan
    kernel.denoise(
        part.start, *pairs, plan.shift, plan.sign, plan.bias, job.weights, job.fresh, *job.states
    )  # fmt: skip


def kernel_for(like: Tensor, candidates: int) -> ModuleType | None:
    """kernel.py, where its kernel serves tensors as `like`."""
    if like.device.type != "cuda" or (kernel := working_kernel(like.dtype, like.device)) is None:
        return None
    return kernel if candidates <= kernel.MOST_CANDIDATES else None


@lru_cache
def working_kernel(dtype: torch.dtype, device: torch.device) -> ModuleType | None:
    """kernel.py after a first small launch; None, said once, where Triton or a compiler is missing."""
    try:
        from . import kernel

        one = torch.ones(1, 1, 1, dtype=dtype, device=device)
        row = torch.ones(1, 4, dtype=dtype, device=device)  # U, N, c and a time logit
        x = torch.zeros(2, 1, 1, 1, dtype=dtype, device=device)
        weights, at = row[:, :3].contiguous(), torch.zeros(1, 1, dtype=torch.long, device=device)
        vectors = (one[0], one[0, 0], one[0, 0])
        base, clock, fresh = one[0], one[:0], x[:0]  # without a clock, as for texts that ask
        kernel.denoise(0, at, row, base, clock, *vectors, weights, fresh, x, x[1:].clone(), x[1:].clone())
        torch.cuda.synchronize(device)
    except Exception:  # whatever stops Triton, the torch form gives the same result
        log.warning("The sampler's kernel could not be compiled: it runs slower, in torch.", exc_info=True)
        return None
    return kernel
