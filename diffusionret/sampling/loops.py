"""The loops of the sampler that run compiled on a CPU; compilation.py imports this file in the background.

Nothing here starts threads: numba's own thread pools abort the process when two Python threads enter them,
so the loops only release the interpreter's lock and take a range of their work, and the caller spreads
ranges. Two habits keep the inner loops in vector registers: indices start at 0 (a slice instead of an
offset), and four rows are handled at a time, so that what the rows share is loaded once.
"""

from __future__ import annotations

import contextlib
import math

import numpy as np
from numba import from_dtype, int64, njit
from numba.core.dispatcher import Dispatcher
from numba.types import Array  # pyright: ignore[reportAttributeAccessIssue]  # numba fills it at run time

# Sums may be reordered and fused with products, which vectors need; nan and inf keep their meaning.
NOTHING = np.float32(1e-20)
OPTIONS = {"nogil": True, "fastmath": {"contract", "reassoc", "nsz", "arcp"}}


def _compiled(function) -> Dispatcher:
    try:
        return njit(cache=True, **OPTIONS)(function)
    except RuntimeError:  # numba found no folder that it may write its cache to
        return njit(**OPTIONS)(function)


@_compiled
def _add_rows(out, weights, rows, table):
    """out += sum over k of weights[k] * table[rows[k], : len(out)]."""
    width, k = len(out), 0
    while k + 4 <= len(rows):
        r0, r1, r2, r3 = table[rows[k]], table[rows[k + 1]], table[rows[k + 2]], table[rows[k + 3]]
        w0, w1, w2, w3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        for j in range(width):
            out[j] += w0 * r0[j] + w1 * r1[j] + w2 * r2[j] + w3 * r3[j]
        k += 4
    while k < len(rows):
        r0, w0 = table[rows[k]], weights[k]
        for j in range(width):
            out[j] += w0 * r0[j]
        k += 1


@_compiled
def _sums_of_maxima(sums, sign, a, rows, table, first):
    """sums[k] += sign * sum over j of max(a[j], table[rows[k], first + j])."""
    width, k = len(a), 0
    while k + 4 <= len(rows):
        n0, n1 = table[rows[k], first:], table[rows[k + 1], first:]
        n2, n3 = table[rows[k + 2], first:], table[rows[k + 3], first:]
        s0 = s1 = s2 = s3 = np.float32(0)
        for j in range(width):
            s0 += max(a[j], n0[j])
            s1 += max(a[j], n1[j])
            s2 += max(a[j], n2[j])
            s3 += max(a[j], n3[j])
        sums[k] += sign * s0
        sums[k + 1] += sign * s1
        sums[k + 2] += sign * s2
        sums[k + 3] += sign * s3
        k += 4
    while k < len(rows):
        n0 = table[rows[k], first:]
        s0 = np.float32(0)
        for j in range(width):
            s0 += max(a[j], n0[j])
        sums[k] += sign * s0
        k += 1


@_compiled
def _softmax(w):
    """In place."""
    top = w[0]
    for k in range(len(w)):
        top = max(top, w[k])
    total = np.float32(0)
    for k in range(len(w)):
        w[k] = math.exp(w[k] - top)
        # Less than a rounding error even in float64; as denormal numbers they would cost far more.
        if w[k] < NOTHING:
            w[k] = np.float32(0)
        total += w[k]
    for k in range(len(w)):
        w[k] /= total


@_compiled
def mix(
    first, last, order, text_row, video_row, temperature, cls, frames, left, right, mask, table, out, base
):
    """Attention of texts to frames for the pairs order[first:last]: out = w table, base = w.(right left).

    order, text_row, video_row [pair]; cls, left [text dim]; frames, right [video frame dim]; mask [video frame];
    table [video*frame column], what is mixed; out [pair column]; base [pair].
    w = softmax(cls.frames / temperature) * mask, as `denoiser.pool_frames`.
    """
    count, dim = frames.shape[1], frames.shape[2]
    w, dot = np.empty(count, base.dtype), np.empty(count, base.dtype)
    rows = np.empty(count, np.int64)
    for i in range(first, last):
        pair = order[i]
        video = video_row[pair]
        t, u = cls[text_row[pair]], left[text_row[pair]]
        for f in range(count):
            frame, other = frames[video, f], right[video, f]
            logit = along = np.float32(0)
            for j in range(dim):
                logit += t[j] * frame[j]
                along += u[j] * other[j]
            w[f], dot[f] = logit / temperature, along
            rows[f] = video * count + f
        _softmax(w)
        along = np.float32(0)
        for f in range(count):
            w[f] *= mask[video, f]
            along += w[f] * dot[f]
        base[pair] = along
        out[pair, :] = 0
        _add_rows(out[pair], w, rows, table)


@_compiled
def denoise(first, last, start, split, rows, table, clock, base, shift, bias, weights, fresh, x, raw, clean):
    """All steps of the runs first..last-1, one after the other so that what the steps read stays in cache.

    A run is one (query, seed), seeds varying fastest. rows [query candidate] into table [row column],
    whose columns are U [hidden], N [hidden], c [1] and the time logits [step]; clock [pair step], added to
    the time logits, or [pair 0]; base [pair]; shift [step hidden]; split, the number of hidden units with a
    positive w2; bias [1]; weights [step 3] of x0, x and the fresh noise; fresh [step seed query
    candidate], or no step. x [step+1 seed query candidate], row 0 given, raw and clean [step seed query
    candidate] are written for the queries from number `start` on. The formulas are in factorisation.py.
    """
    seeds, candidates = x.shape[1], rows.shape[1]
    steps, hidden = shift.shape
    a = np.empty(hidden, x.dtype)
    positive, negative = a[:split], a[split:]
    w, c = np.empty(candidates, x.dtype), np.empty(candidates, x.dtype)
    m = np.empty(candidates, x.dtype)
    logits = np.empty((steps, candidates), x.dtype)
    one = np.float32(1)
    for number in range(first, last):
        query, seed = number // seeds, number % seeds
        q = start + query
        for k in range(candidates):
            row, pair = table[rows[query, k]], query * candidates + k
            c[k] = row[2 * hidden] + bias[0]
            for s in range(steps):
                logits[s, k] = base[pair] + row[2 * hidden + 1 + s]
            for s in range(clock.shape[1]):
                logits[s, k] += clock[pair, s]
        for s in range(steps):
            for k in range(candidates):
                w[k] = logits[s, k] + x[s, seed, q, k]
                m[k] = c[k]
            _softmax(w)
            for j in range(hidden):
                a[j] = shift[s, j]
            _add_rows(a, w, rows[query], table)
            _sums_of_maxima(m, one, positive, rows[query], table, hidden)
            _sums_of_maxima(m, -one, negative, rows[query], table, hidden + split)
            for k in range(candidates):
                guess = m[k] + w[k]
                x0 = guess
                if x0 > 1:
                    x0 = one
                elif x0 < -1:
                    x0 = -one
                following = weights[s, 0] * x0 + weights[s, 1] * x[s, seed, q, k]
                if len(fresh):
                    following += weights[s, 2] * fresh[s, seed, q, k]
                raw[s, seed, q, k], clean[s, seed, q, k], x[s + 1, seed, q, k] = guess, x0, following


@_compiled
def denoise_mixed(
    first, last, start, split, candidates, temperature, cls, frames, left, right, mask, table,
    shift, bias, weights, fresh, x, raw, clean,
):  # fmt: skip
    """`mix` and `denoise` for text queries number start + first to start + last - 1, one after the other.

    candidates [query candidate], rows of `frames`; cls, left [query dim]; table [video*frame column]; the other
    arguments are those of the two. What is mixed for a query does not leave the cache.
    """
    seeds, count = x.shape[1], candidates.shape[1]
    order = np.arange(count)
    rows = order.reshape(1, count)
    base, out = np.empty(count, x.dtype), np.empty((count, table.shape[1]), x.dtype)
    clock = np.empty((count, 0), x.dtype)
    zero = np.int64(0)  # a literal would compile both anew
    for query in range(first + start, last + start):
        text = np.full(count, query)
        shown = candidates[query]
        mix(zero, count, order, text, shown, temperature, cls, frames, left, right, mask, table, out, base)
        denoise(zero, seeds, query, split, rows, out, clock, base, shift, bias, weights, fresh, x, raw, clean)


def compile_for(dtype: type[np.float32] | type[np.float64]) -> None:
    """Compile the loops for arrays of `dtype`, or load them from numba's cache."""
    real = from_dtype(np.dtype(dtype))

    def array(kind, dimensions: int) -> Array:
        return Array(kind, dimensions, "C")

    n, i1, i2 = int64, array(int64, 1), array(int64, 2)
    r1, r2, r3, r4 = (array(real, d) for d in (1, 2, 3, 4))
    signatures = {
        mix: (n, n, i1, i1, i1, real, r2, r3, r2, r3, r2, r2, r2, r1),
        denoise: (n, n, n, n, i2, r2, r2, r1, r2, r1, r2, r4, r4, r4, r4),
        denoise_mixed: (n, n, n, n, i2, real, r2, r3, r2, r3, r2, r2, r2, r1, r2, r4, r4, r4, r4),
    }
    for function, signature in signatures.items():
        with contextlib.suppress(OSError):  # compiled, but the cache could not be written
            function.compile(signature)
