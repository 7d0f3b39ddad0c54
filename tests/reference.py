"""Slow twins: the same results written for reading, not for speed, to compare the package with."""

from __future__ import annotations

import itertools
import math

import numpy as np

# -- metrics -------------------------------------------------------------------------------------------


def rank_by_sorting(scores, targets: set[int]) -> float:
    """Rank of the first target in the sorted gallery, averaged over every order of the tied items."""
    best = max(scores[t] for t in targets)
    order = sorted(range(len(scores)), key=lambda item: -scores[item])
    ahead = [item for item in order if scores[item] > best]
    tied = [item for item in order if scores[item] == best]
    firsts = []
    for shuffled in itertools.permutations(tied):
        answer = [*ahead, *shuffled]
        firsts.append(1 + min(i for i, item in enumerate(answer) if item in targets))
    return sum(firsts) / len(firsts)


def ranks_by_sorting(similarity, targets) -> np.ndarray:
    wanted = [{int(t) for t in np.atleast_1d(target)} for target in targets]
    return np.array(
        [rank_by_sorting(list(row), w) for row, w in zip(np.asarray(similarity), wanted, strict=True)]
    )


def recall(ranks, k: int) -> float:
    return 100 * sum(rank <= k for rank in ranks) / len(ranks)


def dynamic_inverted_softmax(similarity, bank, beta: float, k: int) -> list[list[float]]:
    """QB-Norm as the paper writes it, entry by entry: probabilities for normalised rows, exp for the rest."""
    gallery = range(len(similarity[0]))
    active = {item for row in bank for item in sorted(gallery, key=lambda g: -row[g])[:k]}
    result = []
    for row in similarity:
        normalise = max(gallery, key=lambda g: row[g]) in active
        result.append(
            [
                math.exp(beta * row[g]) / (sum(math.exp(beta * b[g]) for b in bank) if normalise else 1)
                for g in gallery
            ]
        )
    return result


# -- retrieval -----------------------------------------------------------------------------------------


def search_slowly(
    model, video, text: str, k: int, candidates: int, steps: int, seed: int, seeds: int
) -> list[dict]:
    """The whole search for one text, a seed at a time, from the model's public parts and plain loops."""
    import torch
    from torch.nn.functional import cosine_similarity

    with torch.no_grad():
        query = model.encode_text([text])
        similarity = model.similarity(query, video)
        order = similarity[0].sort(descending=True, stable=True).indices.tolist()
        chosen = torch.tensor([order[:candidates]])
        scores, shares = [], []
        for s in range(seed, seed + seeds):
            noise = torch.randn(chosen.shape[1], generator=torch.Generator().manual_seed(s))[None]
            walk = model.generate(
                query, video, chosen, steps=steps, noise=noise, respace_from=model.config.generator.steps
            )
            scores.append(model.rerank(similarity, walk)[0])
            shares.append((100 * walk.x0_raw[-1, 0]).softmax(dim=0))
        score, share = sum(scores) / seeds, sum(shares) / seeds
        weights = model.text_weights.weigh(query.tokens, query.mask)[0]
    ranked = sorted(range(len(order)), key=lambda v: (-score[v].item(), order.index(v)))[:k]
    answer = []
    for v in ranked:
        fit = [
            sum(weights[t] * cosine_similarity(query.tokens[0, t], frame, dim=0) for t in range(len(weights)))
            for frame, real in zip(video.frames[v], video.mask[v], strict=True)
            if real
        ]
        answer.append(
            {
                "video": v,
                "base_rank": order.index(v) + 1,
                "similarity": similarity[0, v].item(),
                "score": score[v].item(),
                "probability": share[order.index(v)].item() if order.index(v) < candidates else None,
                "frame": max(range(len(fit)), key=lambda f: fit[f].item()),
            }
        )
    return answer


# -- sampling ------------------------------------------------------------------------------------------


def generate_plainly(model, text, video, candidates, direction, schedule, noise, eta=0.0, generator=None):
    """The published loop: the whole network at every step. x [step+1 ...], x0 and x0_raw [step ...]."""
    import torch

    from diffusionret.diffusion import ddim

    query, shown = model.choose("published").pair_features(text, video, candidates, direction)
    network = model.generator[direction]

    def denoise(x, t):
        flat = x.reshape(-1, x.shape[-1])
        copies = len(flat) // len(shown)
        steps = torch.full((len(flat),), t)
        return network(flat, steps, query.repeat(copies, 1, 1), shown.repeat(copies, 1, 1)).reshape(x.shape)

    with torch.no_grad():
        walk = list(ddim(denoise, noise, schedule, eta, generator))
    states = [noise, *(step.x for step in walk)]
    return torch.stack(states), torch.stack([s.x0 for s in walk]), torch.stack([s.x0_raw for s in walk])


def draw_slowly(choice, none, schedule, noise, eta=0.0, generator=None):
    """The draws of one choice, number by number: x [step+1 seed query candidate], x0 [step seed query candidate]."""
    import torch

    seeds, queries, count = noise.shape
    alpha_bar = schedule.alpha_bar.tolist()
    xs, x0s, x = [noise], [], noise.clone()
    for t in reversed(range(len(alpha_bar))):
        now, before = alpha_bar[t], alpha_bar[t - 1] if t else 1.0
        a, s2 = math.sqrt(now), 1 - now
        sigma = eta * math.sqrt((1 - before) / (1 - now) * (1 - now / before))
        fresh = torch.randn(noise.shape, generator=generator) if sigma else torch.zeros(noise.shape)
        x0, after = torch.zeros(noise.shape), torch.zeros(noise.shape)
        for s, q in itertools.product(range(seeds), range(queries)):
            p = none[q].item()
            total = sum(math.exp(v) for v in choice[q].tolist())
            weight = []
            for k in range(count):
                heard = min(max(2 * a * x[s, q, k].item() / s2, -60.0), 60.0)
                weight.append((1 - p) * math.exp(choice[q, k].item()) / total * math.exp(heard))
            everything = sum(weight) + p
            for k in range(count):
                x0[s, q, k] = 2 * weight[k] / everything - 1
                eps = (x[s, q, k].item() - a * x0[s, q, k].item()) / math.sqrt(s2)
                way = math.sqrt(max(1 - before - sigma**2, 0.0))
                after[s, q, k] = math.sqrt(before) * x0[s, q, k] + way * eps + sigma * fresh[s, q, k]
        x = after
        xs.append(x)
        x0s.append(x0)
    return torch.stack(xs), torch.stack(x0s)


# -- matches -------------------------------------------------------------------------------------------


def standing_slowly(row, candidates, hub, there=None):
    """What standing.py says of pairs and of queries, one after another."""
    import torch

    pairs, whole = [], []
    for q in range(len(row)):
        held = [v for i, v in enumerate(row[q].tolist()) if there is None or there[q, i]]
        shown, hubs = candidates[q].tolist(), hub[q].tolist()
        mean = sum(held) / len(held)
        spread = max(math.sqrt(sum((v - mean) ** 2 for v in held) / len(held)), 0.02)
        best, *others = sorted(shown, reverse=True)
        second = others[0] if others else best
        alone = [s - h for s, h in zip(shown, hubs, strict=True)]
        rows = []
        for s, h, left in zip(shown, hubs, alone, strict=True):
            rival = second if s >= best else best
            rows.append(
                [(s - mean) / spread / 4, 10 * (s - rival), 10 * h, 10 * left, 10 * (left - max(alone))]
            )
        pairs.append(rows)
        near = math.log(1 + sum(best - v < 0.05 for v in held)) / math.log(1000)
        size = math.log(len(held)) / math.log(1000)
        z = (best - mean) / spread / 4
        whole.append([10 * best, 10 * (best - second), z, 10 * mean, 10 * spread, size, near])
    return torch.tensor(pairs), torch.tensor(whole)


def galleries_slowly(fits, certain, absent, size, generator):
    """The gallery of each query: its own where it has a match, then what comes first in a random order."""
    import torch

    order = torch.rand(fits.shape, generator=generator)
    found = torch.zeros_like(fits)
    for q in range(len(fits)):
        items = [v for v in range(fits.shape[1]) if not (absent[q] and fits[q, v])]
        items.sort(key=lambda v: (not (certain[q, v] and not absent[q]), -order[q, v].item()))
        found[q, items[:size]] = True
    return found
