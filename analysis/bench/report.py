"""A report as tables and in sentences."""

from __future__ import annotations


def table(rows: list[dict]) -> str:
    """Rows of numbers under their names."""
    lines = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True)) for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return (
            f"{value:.1e}" if 0 < abs(value) < 1e-4 else f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"
        )
    return str(value)


def section(figures: list[dict] | dict[str, list[dict]], name: str) -> str:
    """A part of the report under its name: one row as a list, several as a table, several tables one by one."""
    if isinstance(figures, dict):
        return "\n".join(section(rows, f"{name}, {key}") for key, rows in figures.items())
    if len(figures) == 1:
        return "\n".join([name, *(f"  {k.replace('_', ' ')}: {_cell(v)}" for k, v in figures[0].items())])
    return f"{name}\n{table(figures)}" if figures else f"{name}: nothing to measure here"


def summary(report: dict) -> str:
    """The report's headline in words, as far as it was measured."""
    return ". ".join([*sentences(report), ""]).strip()


def sentences(report: dict) -> list[str]:
    """What was measured, a sentence a part."""
    lines: list[str] = []
    if "sampling" in report:
        wide = [row for row in report["sampling"] if (row["K"], row["seeds"]) == (32, 1)]
        wide = [row for row in wide if row["model"] != "bundled"]
        for queries in sorted({row["queries"] for row in wide}):
            some = [row for row in wide if row["queries"] == queries]
            least = min(row["sampler_ratio"] for row in some)
            lines.append(f"Sampling is {least:.0f} x as fast as the plain loop for {queries:,} at a time")
            if all("prepared_ratio" in row for row in some):
                least = min(row["prepared_ratio"] for row in some)
                lines[-1] += f", {least:.0f} x where the gallery was prepared"
    if "search" in report:
        for row in report["search"]:
            seeds = "1 noise" if row["seeds"] == 1 else f"{row['seeds']} noises"
            if row["drawing"]:
                lines.append(
                    f"A search with the {row['generator']} generator takes {row['total']:.1f} ms, "
                    f"{row['times_text_tower']:.1f} times as long as encoding its text, of which trunk and match head "
                    f"take {row['head_times_text_tower']:.1f}; drawing {seeds}, where somebody looks at them, takes "
                    f"{row['drawing']:.1f} ms more"
                )
            else:
                lines.append(
                    f"A search with the {row['generator']} generator takes {row['total']:.1f} ms with {seeds}"
                )
    if "indexing" in report:
        shares = [f"{100 * row['ratio']:.0f} % ({row['clips']})" for row in report["indexing"]]
        lines.append(f"Indexing reaches {' and '.join(shares)} of the speed of decoding")
    if "decoders" in report:
        (row,) = report["decoders"]
        lines.append(
            f"PyAV reads {row['frames']} frames of a bundled clip {row['ratio']:.2g} x as fast as decord, and "
            f"a frame's pixels differ by {row['largest_difference']:.2g} of 255 at most on average"
        )
    if "start" in report:
        lines.append(f"The app answers {report['start'][0]['again_seconds']:.1f} s after its start")
    if "gpu" in report:
        (row,) = report["gpu"]
        lines.append(
            f"On a GPU ({row['card']}) 1,000 texts and 1,000 videos together take {row['sampler']:.1f} ms, "
            f"{row['ratio']:.0f} x as fast as the plain loop there and {100 * row['reached']:.0f} % of the "
            "rate of the card's best matrix product"
        )
    return lines
