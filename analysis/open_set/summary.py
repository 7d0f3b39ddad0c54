"""The figures of a model in short, and in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

KINDS = ("candidate", "first candidate", "no match")
DIRECTION = {"t2v": "text to video", "v2t": "video to text"}


def pick(table: list[dict], look: str = "test", **values: str) -> dict:
    """The row of a look in which the columns (spaces written as _) have these values."""
    keys = {"look": look} | {name.replace("_", " "): value for name, value in values.items()}
    return next(row for row in table if all(row.get(name) == value for name, value in keys.items()))


def summary(tables: dict[str, list]) -> dict:
    """The figures of a model that are compared between training seeds, all on the test split."""
    fused, back = (
        pick(tables["retrieval"], captions="natural", direction=way, ranked_by="fused")
        for way in DIRECTION.values()
    )
    calibration = {kind: pick(tables["calibration"], probability_of=kind, by="open-set") for kind in KINDS}
    return {
        **{f"{kind} calibration_error": r["calibration_error"] for kind, r in calibration.items()},
        "fused_gain_t2v": fused["gain_over_similarity"], "fused_gain_v2t": back["gain_over_similarity"],
        "no_match_auroc": pick(tables["no_match"], score="no match")["auroc"],
    }  # fmt: skip


def sentence(tables: dict[str, list], seeds: Sequence[dict]) -> str:
    """What the figures say."""
    errors = [
        pick(tables["calibration"], look, probability_of="candidate", by=by)["calibration_error"]
        for look, by in (("test", "open-set"), ("test", "softmax"), ("second look", "open-set"))
    ]
    natural = dict(captions="natural", direction=DIRECTION["t2v"])
    fused = pick(tables["retrieval"], ranked_by="fused", **natural)
    none, rival = (pick(tables["no_match"], score=s) for s in ("no match", "similarity"))
    noise = {
        g: [r for r in tables["noise"] if r["generator"] == g][-1]["seed_variance"]
        for g in ("open-set", "published")
    }
    low, high = fused["gain_interval"]
    text = (
        f"The probability that a candidate matches is off by {errors[0]:.3f} on average (softmax of the similarity, "
        f"its temperature fitted: {errors[1]:.3f}; second look of the world: {errors[2]:.3f}). Fused with the "
        f"similarity it changes R@1 of natural captions by {fused['gain_over_similarity']:+.1f} "
        f"[{low:+.1f}, {high:+.1f}] points. Queries without a match are told apart with an AUROC of "
        f"{none['auroc']:.2f}, by similarity {rival['auroc']:.2f} (ahead by {rival['no_match_ahead_by']:+.2f} "
        f"[{rival['ahead_interval'][0]:+.2f}, {rival['ahead_interval'][1]:+.2f}]). The noise causes "
        f"{100 * noise['open-set']:.0f} % of the variance of its result, {100 * noise['published']:.2g} % of that of "
        f"the published generator."
    )
    if len(seeds) > 1:
        gains = [s["fused_gain_t2v"] for s in seeds]
        text += (
            f" Over {len(seeds)} training seeds that change of R@1 is {min(gains):+.1f} to {max(gains):+.1f}."
        )
    return text
