"""What is left in another world? `python -m analysis.out_domain`: trained on one look, tested on the other.

Real data sets are asked the same by `python -m diffusionret evaluate --data didemo --model runs/msrvtt-2/best`.
"""

from __future__ import annotations

import time

import numpy as np

from diffusionret.datasets.storybook import world
from diffusionret.fusion import fuse
from diffusionret.metrics import bootstrap_interval, paired_bootstrap, ranks
from diffusionret.model import DIRECTIONS

from . import measure


def main() -> None:
    started, rows = time.monotonic(), []
    for look in world.LOOKS:
        test = measure.load(look=look, natural=False)
        for direction in DIRECTIONS:
            scores = (test.similarity if direction == "t2v" else test.similarity.T).contiguous()
            before = ranks(scores)
            rows.append(row(look, direction, "similarity", before))
            for form in test.model.forms:
                path = measure.trajectory(test, direction, form=form)
                fusion = fuse(test.model, test.text, test.video, scores, path)
                after = ranks(fusion.added(scores))
                gain = paired_bootstrap(before, after, "R1")
                rows.append(row(look, direction, f"after the {form} generator", after, gain.estimate))
                rows.append(row(look, direction, f"{form} alone", ranks(fusion.alone(scores))))
    by = {(r["look"], r["direction"], r["ranking"]): r for r in rows}
    own, other = (by[look, "t2v", "similarity"] for look in world.LOOKS)
    shows = (
        f"Text to video falls from {own['R1']:.1f} to {other['R1']:.1f} R@1 on the look that training never showed, "
        "where guessing gives 0.1"
    )
    for form in test.model.forms:
        lift = [by[look, "t2v", f"after the {form} generator"]["change"] for look in world.LOOKS]
        shows += f"; the {form} generator adds {lift[0]:+.1f} at home and {lift[1]:+.1f} there"
    measure.store("out_domain", "Trained on one look, tested on the other", f"{shows}.", started, rows)


def row(look: str, direction: str, ranking: str, rank: np.ndarray, change: float | None = None) -> dict:
    """R@1 with its interval. change: what generation added to it."""
    found = bootstrap_interval(rank, "R1")
    return {
        "look": look, "direction": direction, "ranking": ranking, "R1": found.estimate,
        "interval": [found.low, found.high], "MnR": float(rank.mean()), "change": change,
    }  # fmt: skip


if __name__ == "__main__":
    main()
