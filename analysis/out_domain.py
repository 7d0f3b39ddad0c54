"""What is left in another world? `python -m analysis.out_domain`: trained on one look, tested on the other."""

from __future__ import annotations

import time

from diffusionret.evaluate import generator_scores
from diffusionret.metrics import bootstrap_interval, paired_bootstrap, ranks

from . import measure


def main() -> None:
    started, rows = time.monotonic(), []
    for look in ("storybook", "sketchbook"):
        test = measure.load(look=look, natural=False)
        for direction in ("t2v", "v2t"):
            scores = (test.similarity if direction == "t2v" else test.similarity.T).contiguous()
            path = measure.walk(test, direction)
            placed = {
                "before": ranks(scores), "after": ranks(test.model.rerank(scores, path)),
                "generator only": ranks(generator_scores(scores, path)),
            }  # fmt: skip
            gain = paired_bootstrap(placed["before"], placed["after"], "R1")
            for name, rank in placed.items():
                found = bootstrap_interval(rank, "R1")
                rows.append(
                    {
                        "look": look, "direction": direction, "ranking": name, "R1": found.estimate,
                        "interval": [found.low, found.high], "MnR": float(rank.mean()),
                        "gain": gain.estimate if name == "after" else None,
                    }
                )  # fmt: skip
    own, other = rows[0], next(r for r in rows if r["look"] == "sketchbook")
    lift = [r["gain"] for r in rows if r["ranking"] == "after" and r["direction"] == "t2v"]
    shows = (
        f"Text to video falls from {own['R1']:.1f} to {other['R1']:.1f} R@1 on the look that training never showed; "
        f"generation adds {lift[0]:+.1f} at home and {lift[1]:+.1f} there."
    )
    measure.store("out_domain", "Trained on one look, tested on the other", shows, started, rows)


if __name__ == "__main__":
    main()
