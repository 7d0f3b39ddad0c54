"""All steps of the sampler in one kernel launch, for CUDA devices; cuda.py imports this file when it needs it.

A program takes one run, a (query, seed), from noise to sample. What changes from step to step stays in its
registers; the rows of its candidates, 256 KB for 32 candidates of 512 dimensions, are read anew at every step,
which the second-level cache serves, seeds of a query next to each other.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

MOST_CANDIDATES = 1024  # whose states fit the registers of a program
TILE = 4096  # numbers of a block of rows that a program holds


@triton.jit
def _denoise(
    rows, table, base, clock, shift, sign, bias, weights, fresh, x, raw, clean,
    queries, first, seeds, candidates, hidden, columns, steps,
    K: tl.constexpr, H: tl.constexpr, CLOCK: tl.constexpr, FRESH: tl.constexpr, UNSEEN: tl.constexpr,
):  # fmt: skip
    """The formulas are in factorisation.py, the arrays those of `loops.denoise`; K and H are powers of 2."""
    number = tl.program_id(0)
    query, seed = number // seeds, number % seeds
    k, h = tl.arange(0, K), tl.arange(0, H)
    real = k < candidates
    pair = query * candidates + k
    row = table + tl.load(rows + pair, mask=real, other=0) * columns
    level = tl.load(base + pair, mask=real, other=0.0)
    own = tl.load(row + 2 * hidden, mask=real, other=0.0) + tl.load(bias)
    stride = (
        tl.cast(seeds, tl.int64) * queries * candidates
    )  # of a step; an argument of 1 is a plain number here
    at = (seed.to(tl.int64) * queries + first + query) * candidates + k
    state = tl.load(x + at, mask=real, other=0.0)
    for s in range(steps):
        logits = level + tl.load(row + 2 * hidden + 1 + s, mask=real, other=0.0) + state
        if CLOCK:
            logits += tl.load(clock + pair * steps + s, mask=real, other=0.0)
        logits = tl.where(real, logits, UNSEEN)
        w = tl.exp(logits - tl.max(logits, axis=0))
        w = w / tl.sum(w, axis=0)
        guess = own + w
        for start in range(0, hidden, H):
            unit = start + h
            inside = unit < hidden
            both = real[:, None] & inside[None, :]
            u = tl.load(row[:, None] + unit[None, :], mask=both, other=0.0)
            a = tl.sum(w[:, None] * u, axis=0) + tl.load(shift + s * hidden + unit, mask=inside, other=0.0)
            n = tl.load(row[:, None] + hidden + unit[None, :], mask=both, other=0.0)
            signs = tl.load(sign + unit, mask=inside, other=0.0)
            guess += tl.sum(signs[None, :] * tl.maximum(a[None, :], n), axis=1)
        x0 = tl.minimum(tl.maximum(guess, -1.0), 1.0)
        state = tl.load(weights + 3 * s) * x0 + tl.load(weights + 3 * s + 1) * state
        if FRESH:
            state += tl.load(weights + 3 * s + 2) * tl.load(fresh + s * stride + at, mask=real, other=0.0)
        tl.store(raw + s * stride + at, guess, mask=real)
        tl.store(clean + s * stride + at, x0, mask=real)
        tl.store(x + (s + 1) * stride + at, state, mask=real)


def denoise(
    first: int, rows: Tensor, table: Tensor, base: Tensor, clock: Tensor, shift: Tensor, sign: Tensor, bias: Tensor,
    weights: Tensor, fresh: Tensor, x: Tensor, raw: Tensor, clean: Tensor,
) -> None:  # fmt: skip
    """Fill x[1:], raw and clean for len(rows) queries from number `first` on, from x[0].

    rows [query candidate] into table [row column], columns U [hidden], N [hidden], c [1] and the time logits
    [step]; base [query candidate]; clock [query candidate step], or no step; shift [step hidden]; sign [hidden];
    bias [1]; weights [step 3]; fresh [step seed query candidate], or no step. x [step+1 seed query candidate],
    raw and clean [step seed query candidate]. All contiguous, on one device; at most MOST_CANDIDATES candidates.
    """
    count, candidates = rows.shape
    steps, hidden = shift.shape
    _, seeds, queries, _ = x.shape
    k = triton.next_power_of_2(candidates)
    _denoise[(count * seeds,)](
        rows, table, base, clock, shift, sign, bias, weights, fresh, x, raw, clean,
        queries, first, seeds, candidates, hidden, table.shape[1], steps,
        K=k, H=min(max(TILE // k, 16), triton.next_power_of_2(hidden)),
        CLOCK=clock.numel() > 0, FRESH=len(fresh) > 0, UNSEEN=torch.finfo(torch.float32).min,
        num_warps=8,  # pyright: ignore[reportCallIssue]  # an option of the launch, which triton does not declare
    )  # fmt: skip
