"""Does generation help, where and by how much? `python -m analysis.generation_helps`"""

from __future__ import annotations

import time

import numpy as np

from diffusionret.metrics import paired_bootstrap, ranks

from . import measure


def groups(test: measure.Test, scores: np.ndarray, before: np.ndarray) -> dict[str, np.ndarray]:
    """Kinds of queries, each a mask [query]: by margin of the first over the second, first rank, and what happens."""
    top = np.sort(scores, axis=1)[:, ::-1]
    margin = top[:, 0] - top[:, 1]
    quarter = np.searchsorted(np.quantile(margin, [0.25, 0.5, 0.75]), margin)
    duo = np.array([scene.other is not None for scene in test.scenes])
    moving = np.array([scene.motion in ("left", "right", "up", "down") for scene in test.scenes])
    kinds = {"all": np.ones(len(before), bool)}
    kinds |= {f"margin, quarter {i + 1} of 4": quarter == i for i in range(4)}
    kinds |= {
        "rank 1 before": before == 1,
        "rank 2 to 5 before": (before > 1) & (before <= 5),
        "rank 6 on": before > 5,
    }
    return kinds | {"two actors": duo, "one actor": ~duo, "one actor, a direction": moving}


def main() -> None:
    started, rows = time.monotonic(), []
    for natural in (True, False):
        test = measure.load(natural=natural)
        for direction in ("t2v", "v2t"):
            scores = test.similarity if direction == "t2v" else test.similarity.T
            before = ranks(scores)
            after = ranks(test.model.rerank(scores.contiguous(), measure.walk(test, direction)))
            for name, mask in groups(test, scores.cpu().numpy(), before).items():
                if not mask.any():
                    continue
                gain = paired_bootstrap(before[mask], after[mask], "R1")
                rows.append(
                    {
                        "captions": "natural" if natural else "full", "direction": direction, "queries": name,
                        "count": int(mask.sum()), "R1_before": 100 * float((before[mask] == 1).mean()),
                        "R1_after": 100 * float((after[mask] == 1).mean()), "gain": gain.estimate,
                        "interval": [gain.low, gain.high], "up": int((after < before)[mask].sum()),
                        "down": int((after > before)[mask].sum()),
                    }
                )  # fmt: skip
    whole = [r for r in rows if r["queries"] == "all"]
    shows = "Generation changes R@1 by " + ", ".join(
        f"{r['gain']:+.1f} [{r['interval'][0]:+.1f}, {r['interval'][1]:+.1f}] ({r['captions']}, {r['direction']})"
        for r in whole
    )
    close = rows[1]
    shows += f"; for the quarter of natural captions with the closest call by {close['gain']:+.1f}."
    measure.store("generation_helps", "Does generation help, and where?", shows, started, rows)


if __name__ == "__main__":
    main()
