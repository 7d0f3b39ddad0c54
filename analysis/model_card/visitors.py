"""What visitors type: how often the first result is a true one."""

from __future__ import annotations

from collections.abc import Sequence


def visitors(results: dict, reserved: dict | None = None) -> str:
    """By kind of query, on test clips and on the bundled gallery, from visitors.json; other models beside the first.
    reserved: of the half that nobody worked with, None where it was not scored."""
    models = sorted({row["model"] for row in results["rows"]})
    figures = {(row["model"], row["clips"], row["kind"]): row for row in results["rows"]}
    others = [f"another model, {number}" for number in models[1:]]
    heading = ["kind", "group", "chance", "test clips", *others, "bundled gallery"]
    lines = [
        f"`{results['command']}`, the half of the list that was used during development. {results['shows']}\n",
        *(
            [f"The other half, by which nothing was chosen (`{reserved['command']}`): {reserved['shows']}\n"]
            if reserved
            else []
        ),
        "Similarity alone, of the text as it was typed; brackets: over templates, or over words.\n",
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
    lines += _verdicts(results.get("verdicts", ()))
    if reserved:
        lines += ["\nThe other half of templates and words:", *_verdicts(reserved.get("verdicts", ()))[1:]]
    return "\n".join(lines)


def _verdicts(rows: Sequence[dict]) -> list[str]:
    """What a search says: by kind, with every clip that fits in the gallery and without any."""
    if not rows:
        return []
    lines = [
        "\nWhat a search says of them: typing errors corrected, words read by the file, the verdict on a gallery "
        "with every clip that fits, and without any. Of words that training never saw a second row is read by who "
        "has never heard of them. Percent.\n",
        "| clips | kind | reader | first true | denied | hedged | without a match: claimed | hedged |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        there = [f"{row[name]:.1f}" if name in row else "" for name in ("first_true", "denied", "hedged")]
        cells = [row["clips"], row["kind"], row["reader"], *there]
        cells += [f"{row['claimed']:.1f}", f"{row['hedged_without']:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
