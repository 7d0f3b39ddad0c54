"""The figures that were wanted, and those that were reached."""

from __future__ import annotations

TARGETS = (
    ("text to video, full captions, R@1", 90.0, lambda r: r["t2v"]["before"]["R1"]),
    ("text to video, full captions, R@10", 99.5, lambda r: r["t2v"]["before"]["R10"]),
    (
        "natural captions, share of what is expected of any that fits",
        90.0,
        lambda r: 100 * r["natural"]["before"]["of_ceiling"],
    ),
    ("minimal pairs, direction of motion", 90.0, lambda r: r["pairs"]["direction"]),
    ("minimal pairs, who does what to whom", 90.0, lambda r: r["pairs"]["roles"]),
    ("generator alone, text to video, R@1", 80.0, lambda r: r["t2v"]["generator_only"]["R1"]),
    ("clamped entries of x0, text to video, below", 1.0, lambda r: 100 * r["t2v"]["noise"]["clamped"]),
    ("tied winners, text to video, below", 1.0, lambda r: 100 * r["t2v"]["noise"]["tied"]),
)


def targets(report: dict) -> str:
    lines = ["| target | wanted | reached | |", "|---|---|---|---|"]
    for name, wanted, figure in TARGETS:
        try:
            value = figure(report)
        except KeyError:
            continue
        met = value < wanted if name.endswith("below") else value >= wanted
        lines.append(f"| {name} | {wanted:g} | {value:.1f} | {'met' if met else 'missed'} |")
    return "\n".join(lines)
