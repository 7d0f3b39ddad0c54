"""Does generation help, where and by how much? `python -m analysis.generation_helps`

Natural captions, text to video, in groups: by margin, by rank, by what happens, by what the caption says. Full captions
and the other direction as a whole. Every generator that the model has is measured on the same features.
"""

from __future__ import annotations

import time

import numpy as np

from diffusionret.fusion import fuse
from diffusionret.metrics import paired_bootstrap, ranks
from diffusionret.model import DIRECTIONS

from . import measure

FACTS = {name: name for name in ("place", "time", "weather", "colour", "size", "motion", "direction")} | {
    "other_colour": "colour of the other actor"
}


def groups(test: measure.Test, scores: np.ndarray, before: np.ndarray) -> dict[str, np.ndarray]:
    """Kinds of queries, each a mask [query]: in quarters by margin of the first over the second, by rank of the true
    clip, by what happens in it, and by what the caption says."""
    top = np.sort(scores, axis=1)[:, ::-1]
    margin = top[:, 0] - top[:, 1]
    quarter = np.searchsorted(np.quantile(margin, [0.25, 0.5, 0.75]), margin)
    duo = np.array([scene.other is not None for scene in test.scenes])
    moving = np.array([scene.motion in ("left", "right", "up", "down") for scene in test.scenes])
    names = ("closest calls", "second quarter by margin", "third quarter by margin", "clearest calls")
    kinds = {name: quarter == i for i, name in enumerate(names)}
    kinds |= {
        "rank 1 before": before == 1,
        "rank 2 to 5 before": (before > 1) & (before <= 5),
        "rank 6 on": before > 5,
    }
    kinds |= {"two actors": duo, "one actor": ~duo, "one actor, a direction": moving}
    for fact, name in FACTS.items():
        kinds[f"says the {name}"] = np.array([fact in caption.facts for caption in test.written])
    return kinds


def measured(test: measure.Test, natural: bool, direction: str, form: str) -> list[dict]:
    """A row for all queries and, for natural captions that look for clips, one for every group."""
    scores = (test.similarity if direction == "t2v" else test.similarity.T).contiguous()
    before = ranks(scores)
    trajectory = measure.trajectory(test, direction, form=form)
    after = ranks(fuse(test.model, test.text, test.video, scores, trajectory).added(scores))
    kinds = {"all": np.ones(len(before), bool)}
    if natural and direction == "t2v":
        kinds |= groups(test, scores.cpu().numpy(), before)
    rows = []
    for name, mask in kinds.items():
        if not mask.any():
            continue
        gain = paired_bootstrap(before[mask], after[mask], "R1")
        rows.append(
            {
                "generator": form, "captions": "natural" if natural else "full", "direction": direction,
                "queries": name, "count": int(mask.sum()), "R1_before": 100 * float((before[mask] == 1).mean()),
                "R1_after": 100 * float((after[mask] == 1).mean()), "gain": gain.estimate,
                "interval": [gain.low, gain.high], "up": int((after < before)[mask].sum()),
                "down": int((after > before)[mask].sum()),
            }
        )  # fmt: skip
    return rows


def change(row: dict) -> str:
    low, high = row["interval"]
    return f"{row['gain']:+.1f} [{low:+.1f}, {high:+.1f}]"


def main() -> None:
    started, rows = time.monotonic(), []
    for natural in (True, False):
        test = measure.load(natural=natural)
        for form in test.model.forms:
            for direction in DIRECTIONS:
                rows += measured(test, natural, direction, form)
    parts = []
    for form in test.model.forms:
        own = [r for r in rows if r["generator"] == form]
        whole = [f"{change(r)} ({r['captions']}, {r['direction']})" for r in own if r["queries"] == "all"]
        # Where the rank before defines a group, its queries can only fall, or only rise.
        rest = [r for r in own if r["queries"] != "all" and not r["queries"].startswith("rank")]
        most, least = (pick(rest, key=lambda r: r["gain"]) for pick in (max, min))
        parts.append(
            f"The {form} generator changes R@1 by {', '.join(whole)}; most where “{most['queries']}”, {change(most)}, "
            f"least where “{least['queries']}”, {change(least)}."
        )
    measure.store("generation_helps", "Does generation help, and where?", " ".join(parts), started, rows)


if __name__ == "__main__":
    main()
