"""What features in half precision do to the rankings."""

from __future__ import annotations

import torch

from .queries import agreement, bundled, first_ten


@torch.no_grad()
def half_precision(quick: bool) -> list[dict]:
    """What features stored in half precision do to the rankings: the bundled gallery queried with its captions, same
    noise, arithmetic in float32. In percent of queries; score_moves: the largest change of a score, 0 for the
    precision in which the gallery on disk stores them anyway.

    A first place is sure to stay where its margin is more than twice the largest move (`provably_the_same`).
    """
    queries, rows = bundled(quick), []
    for form in queries.model.forms:
        steps = queries.model.choose(form).config.steps
        exact = queries.scores(form, steps)
        best = exact.topk(2, dim=1).values
        for dtype in (torch.float16, torch.bfloat16):
            video = queries.video._replace(frames=queries.video.frames.to(dtype).float())
            rounded = queries.scores(form, steps, video)
            move = (rounded - exact).abs().amax(dim=1)
            sure = (best[:, 0] - best[:, 1] > 2 * move).float().mean().item()
            rows.append(
                {"generator": form, "features": str(dtype).removeprefix("torch.")}
                | agreement(first_ten(rounded), first_ten(exact))
                | {"provably_the_same": 100 * sure, "score_moves": move.max().item()}
            )
    return rows
