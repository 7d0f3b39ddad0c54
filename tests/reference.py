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
