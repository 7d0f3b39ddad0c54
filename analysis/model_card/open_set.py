"""The open-set generator's figures."""

from __future__ import annotations

from collections.abc import Iterator


def open_set(results: dict) -> str:
    """What is wanted and reached, the rankings and the training seeds, from open_set.json."""
    lines = [f"`{results['command']}`, {results['minutes']} minutes. {results['shows']}\n"]
    lines += [*wanted(results["figures"]), "", *rankings(results["retrieval"])]
    seeds = results["training_seeds"]
    if seeds:
        names = list(seeds[0])
        lines += ["", f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
        for row in seeds:
            cells = (row.get(name, "") for name in names)
            lines.append(f"| {' | '.join(c if isinstance(c, str) else f'{c:.3g}' for c in cells)} |")
    return "\n".join(lines)


def wanted(figures: list[dict]) -> Iterator[str]:
    """A row a figure: what it should be, what it is."""
    yield "| look, questions | figure | wanted | reached | |"
    yield "|---|---|---|---|---|"
    for row in figures:
        low, high = row["interval"]
        found = f"{row['value']:.3f}" + (f" [{low:.3f}, {high:.3f}]" if low < high else "")
        place = f"{row['look']}, {row['questions']}"
        yield f"| {place} | {row['figure']} | {row['target']} | {found} | {row['met']} |"


def rankings(retrieval: list[dict]) -> Iterator[str]:
    """A row a ranking."""
    yield "| ranked by | captions | look | R@1 | expected of any that fits | gain over similarity |"
    yield "|---|---|---|---|---|---|"
    for row in retrieval:
        low, high = row["gain_interval"]
        yield (
            f"| {row['generator']}, {row['ranked by']} | {row['captions']}, {row['direction']} | {row['look']} "
            f"| {row['R1']:.1f} | {row['ceiling']:.1f} | {row['gain_over_similarity']:+.1f} [{low:+.1f}, {high:+.1f}] |"
        )
