"""Whether the noise matters."""

from __future__ import annotations

from diffusionret.config import SETTINGS

WAYS = (("t2v", "text to video"), ("v2t", "video to text"))
NOISE = {
    "qk_std": "std of q.k over candidates",
    "seed_variance": "share of the variance of x0 that the initial noise causes",
    "seeds_agree": "share of six seeds that agree with their most frequent winner",
    "first_step_is_final": "share of queries whose winner is fixed at the first step",
    "clamped": "share of x0 entries at the clamp",
    "tied": "share of queries whose winner ties after the clamp",
    "sharp_top1": "mean top share of the sharp readout softmax(100 x0)",
    "published_top1": "mean top share of the published readout softmax(x0)",
}


def noise(report: dict) -> str:
    """Of the generator that answers and, where there is one, of the other."""
    sides = {"": report} | {f"{form}, ": report[form] for form in SETTINGS if form in report}
    columns = {
        f"{side}{way}": part.get(d, {}).get("noise", {}) for side, part in sides.items() for d, way in WAYS
    }
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (1 + len(columns)) + "|"]
    for key, title in NOISE.items():
        if any(key in column for column in columns.values()):
            cells = (f"{column[key]:.4g}" if key in column else "" for column in columns.values())
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
