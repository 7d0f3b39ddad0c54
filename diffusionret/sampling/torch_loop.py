"""The torch form of the sampler: any device, nothing compiled."""

from __future__ import annotations

import torch
from torch.nn.functional import linear

from ..denoiser import pool_frames
from . import limits
from .job import Job, Pairs


def make_pairs(job: Job, part: slice) -> Pairs:
    """What the steps of the queries of a part need, also for the kernel of CUDA."""
    candidates = job.candidates[part]
    query = torch.arange(part.start, part.stop, device=candidates.device)[:, None].expand_as(candidates)
    text, video = (candidates, query) if job.mirrored else (query, candidates)
    frames = job.frames[video].to(job.cls.dtype)
    pooled = pool_frames(job.cls[text], frames, job.mask[video], job.temperature)
    base = (pooled * job.turned[text]).sum(dim=-1)
    clock = linear(pooled, job.plan.clock)
    if job.mirrored:
        return Pairs(*job.text_table(part), base, clock)
    table = linear(pooled.flatten(0, 1), job.plan.columns)
    return Pairs(torch.arange(len(table), device=table.device).view_as(candidates), table, base, clock)


def run(job: Job, part: slice) -> None:
    """Fill the states of the queries of a part."""
    pairs, plan, (x, x0_raw, x0) = make_pairs(job, part), job.plan, job.states
    hidden = len(plan.sign)
    memory = limits.CACHE if x.device.type == "cpu" else limits.MEMORY
    room = memory // job.bytes(pairs.rows.shape[1] * hidden)
    seeds_at_once = max(min(room, job.seeds), 1)
    queries_at_once = max(room // seeds_at_once, 1)
    for first in range(0, len(pairs.rows), queries_at_once):
        some = slice(first, first + queries_at_once)
        u, n, own, time = pairs.table[pairs.rows[some]].split([hidden, hidden, 1, len(x0)], dim=-1)
        own = own[..., 0] + plan.bias
        logits = pairs.base[some, :, None] + time
        if job.mirrored:
            logits = logits + pairs.clock[some]
        column = slice(part.start + first, min(part.start + first + queries_at_once, part.stop))
        for seed in range(0, job.seeds, seeds_at_once):
            at = (slice(seed, seed + seeds_at_once), column)
            state = x[0][at]
            for s in range(len(x0)):
                w = (logits[..., s] + state).softmax(dim=-1)  # [seed query candidate]
                a = torch.einsum("sqk,qkh->sqh", w, u) + plan.shift[s]
                raw = torch.maximum(a[:, :, None], n) @ plan.sign + own + w
                clean = raw.clamp(-1, 1)
                state = job.weights[s, 0] * clean + job.weights[s, 1] * state
                if len(job.fresh):
                    state = state + job.weights[s, 2] * job.fresh[s][at]
                x0_raw[s][at], x0[s][at], x[s + 1][at] = raw, clean, state
