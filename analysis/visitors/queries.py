"""The queries of a half of the list, of every kind alike."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import cycle

from diffusionret.datasets.storybook import world
from diffusionret.datasets.storybook.words import Word

from . import halves
from .filling import LACKING, SLOT, UNSEEN, VisitorQuery, fill

COUNT = 400  # queries of a kind
_ATTEMPTS = 400


def visitor_queries(
    which: str, scenes: Sequence[world.Scene], count: int = COUNT
) -> dict[str, list[VisitorQuery]]:
    """`count` queries of every kind about some clips: each template, and each unseen word, as often as the others."""
    return {
        kind: _of_kind(kind, lines, which, scenes, count) for kind, lines in halves.templates(which).items()
    }


def _of_kind(
    kind: str, lines: Sequence[str], which: str, scenes: Sequence[world.Scene], count: int
) -> list[VisitorQuery]:
    rng = random.Random(f"visitors {which} {kind}")
    turns = {
        kind: iter(cycle(_shuffled(halves.unseen(which, what), rng))) for kind, what in _slots(lines).items()
    }
    written: list[VisitorQuery] = []
    for template in cycle(lines):
        if len(written) >= count:
            return written
        what = next((name.lower() for _, name in SLOT.findall(template) if name.lower() in turns), None)
        word = next(turns[what]) if what else None
        for _ in range(_ATTEMPTS):
            query = fill(kind, template, rng.choice(scenes), rng, word)
            if query is not None:
                written.append(query)
                break
    return written


def _slots(lines: Sequence[str]) -> dict[str, str]:
    """The slots of unseen and of lacking words in some templates, and where their words come from."""
    names = {name.lower() for line in lines for _, name in SLOT.findall(line)}
    return {name: source for name, source in (UNSEEN | LACKING).items() if name in names}


def _shuffled(items: Sequence[Word], rng: random.Random) -> list[Word]:
    return rng.sample(list(items), len(items))
