"""The speed, for the README."""

from __future__ import annotations

from ..bench.report import sentences


def speed(report: dict) -> str:
    """What analysis/bench.py found, for the README."""
    (machine,) = report["machine"]
    lines = [
        f"On {machine['cores']} cores ({machine['cpu']}), 512 dimensions, 12 frames, 32 candidates, 50 steps; "
        "`python -m analysis.bench` measures it anew:\n",
        "| queries | published loop | exact sampler | with the gallery prepared |",
        "|---|---|---|---|",
    ]
    names = {"t2v": "text", "v2t": "video"}
    for row in report["sampling"]:
        if (row["K"], row["seeds"]) == (32, 1) and row["queries"] in (1, 1000) and row["model"] != "bundled":
            what = names[row["direction"]] + ("s" if row["queries"] > 1 else "")
            loop = _time(row["plain"])
            if row["plain_queries"] < row["queries"]:
                loop += f", estimated from {row['plain_queries']}"
            cells = [f"{row['queries']:,} {what}", loop]
            cells += [
                f"{_time(row[name])} ({row[f'{name}_ratio']:.0f} ×)" if name in row else ""
                for name in ("sampler", "prepared")
            ]
            lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "\nA search finds its videos prepared. With the bundled model and gallery, each generator at its own number of "
        "steps:\n"
    ]
    lines += [
        f"- {said}."
        for said in sentences({name: part for name, part in report.items() if name != "sampling"})
    ]
    if "gpu" not in report:
        lines.append("- There is no figure of a GPU yet.")
    return "\n".join(lines)


def _time(seconds: float) -> str:
    return f"{seconds:,.3g} s" if seconds >= 0.1 else f"{1000 * seconds:.3g} ms"
