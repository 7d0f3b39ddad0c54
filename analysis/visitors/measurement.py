"""How often the first result is a true one, by kind of query, with intervals over what the queries were made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from diffusionret.datasets.storybook import truth, world
from diffusionret.datasets.storybook.queries import HELD_OUT_KINDS
from diffusionret.model import DiffusionRet
from diffusionret.tokenizer import token_ids

from .filling import VisitorQuery

GROUPS = {"trained": "trained kinds", "held out": "held-out kinds", "unseen": "unseen words"}
REPLICATES = 2000


def group(kind: str) -> str:
    """trained, held out, unseen, or lacking (what no clip can answer)."""
    if kind.startswith("lacking"):
        return "lacking"
    if kind.startswith("unseen"):
        return "unseen"
    return "held out" if kind in HELD_OUT_KINDS else "trained"


@torch.no_grad()
def first_results(model: DiffusionRet, texts: Sequence[str], similarity_to) -> np.ndarray:
    """The position of the first result of each text. similarity_to: text features -> similarity [text clip]."""
    parts = [texts[start : start + 200] for start in range(0, len(texts), 200)]
    found: list[Tensor] = [similarity_to(model.encode_text(part)).argmax(dim=1).cpu() for part in parts]
    return torch.cat(found).numpy()


def macro(hits: np.ndarray, units: Sequence[str]) -> tuple[float, list[float]]:
    """Mean over units of the share of hits, in percent, and its 95 % interval: units are drawn."""
    by_unit: dict[str, list[bool]] = defaultdict(list)
    for hit, unit in zip(hits, units, strict=True):
        by_unit[unit].append(bool(hit))
    shares = np.array([np.mean(part) for part in by_unit.values()])
    draws = np.random.default_rng(0).integers(len(shares), size=(REPLICATES, len(shares)))
    low, high = np.quantile(shares[draws].mean(axis=1), (0.025, 0.975))
    return round(100 * float(shares.mean()), 1), [round(100 * float(low), 1), round(100 * float(high), 1)]


def measure_kind(
    queries: Sequence[VisitorQuery], first: np.ndarray, scenes: Sequence[world.Scene]
) -> dict | None:
    """Figures of one kind among some clips; None where no query has a true one. Intervals are over words where the
    kind is of unseen words, else over templates."""
    fits = truth.fit_matrix(queries, scenes)
    rows = [i for i, row in enumerate(fits) if row.any()]
    if not rows:
        return None
    hits = fits[rows, first[rows]]
    kind = queries[0].kind
    unseen = kind.startswith("unseen")
    chance = 100 * float(fits[rows].mean())
    share, interval = macro(hits, [queries[i].word if unseen else queries[i].template for i in rows])
    row = {
        "kind": kind, "group": group(kind), "queries": len(rows), "first_true": share, "95 %": interval,
        "chance": round(chance, 1),
    }  # fmt: skip
    if unseen:
        pieces = np.array([len(token_ids(queries[i].word)) for i in rows])
        for name, chosen in (("one_token", pieces == 1), ("several_tokens", pieces > 1)):
            if chosen.any():
                row[name] = macro(
                    hits[chosen], [queries[i].word for i, one in zip(rows, chosen, strict=True) if one]
                )[0]
    return row


def together(rows: Sequence[Mapping]) -> list[dict]:
    """The mean over kinds of each group."""
    return [
        {"group": name, "first_true": round(float(np.mean([r["first_true"] for r in rows if r["group"] == name])), 1),
         "worst": min((r["first_true"], r["kind"]) for r in rows if r["group"] == name)[1]}
        for name in GROUPS if any(r["group"] == name for r in rows)
    ]  # fmt: skip


def misses(
    queries: Sequence[VisitorQuery], first: np.ndarray, scenes: Sequence[world.Scene], captions: Sequence[str]
) -> list[tuple[str, str]]:
    """Queries whose first result is wrong, and that result's caption."""
    fits = truth.fit_matrix(queries, scenes)
    return [
        (query.text, captions[int(first[i])])
        for i, query in enumerate(queries)
        if fits[i].any() and not fits[i, first[i]]
    ]
