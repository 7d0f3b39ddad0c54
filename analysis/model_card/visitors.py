"""What visitors type: how often the first result is a true one."""

from __future__ import annotations


def visitors(results: dict) -> str:
    """By kind of query, on test clips and on the bundled gallery, from visitors.json; other models beside the first."""
    models = sorted({row["model"] for row in results["rows"]})
    figures = {(row["model"], row["clips"], row["kind"]): row for row in results["rows"]}
    others = [f"another model, {number}" for number in models[1:]]
    heading = ["kind", "group", "chance", "test clips", *others, "bundled gallery"]
    lines = [
        f"`{results['command']}`, the half of the list that is for work. {results['shows']} Similarity alone, without "
        "the correction of typing errors that a search makes; brackets: over templates, or over words.\n",
        f"| {' | '.join(heading)} |",
        "|---" * len(heading) + "|",
    ]
    for (number, clips, kind), row in figures.items():
        if (number, clips) == (models[0], "test"):
            low, high = row["95 %"]
            beside = [f"{figures[other, 'test', kind]['first_true']:.1f}" for other in models[1:]]
            there = figures[number, "gallery", kind]["first_true"]
            cells = [kind, row["group"], f"{row['chance']:.1f}", f"{row['first_true']:.1f} [{low:.1f}, {high:.1f}]",
                     *beside, f"{there:.1f}"]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
