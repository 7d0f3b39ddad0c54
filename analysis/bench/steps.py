"""How many steps a ranking needs, where it is a sample."""

from __future__ import annotations

import torch

from diffusionret.metrics import ranks

from .queries import agreement, bundled, first_ten
from .workload import OPEN_SET


@torch.no_grad()
def steps_needed(quick: bool) -> list[dict]:
    """How many steps the ranking needs: the bundled gallery queried with its own captions, same noise, fewer steps
    of the same schedule, against all of them. In percent of queries."""
    queries, rows = bundled(quick), []
    right = torch.arange(len(queries.similarity))
    for form in [
        form for form in queries.model.forms if form != OPEN_SET
    ]:  # whose match head ranks without steps
        full = queries.model.choose(form).config.steps
        best = first_ten(queries.scores(form, full))
        for steps in [n for n in (1, 2, 3, 5, 10, 20, 30) if n < full] + [full]:
            scores = queries.scores(form, steps)
            r1 = 100 * float((ranks(scores, right) <= 1).mean())
            rows.append({"generator": form, "steps": steps} | agreement(first_ten(scores), best) | {"R1": r1})
    return rows
