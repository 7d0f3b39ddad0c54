"""The command: every part in a process of its own, and the report of them all."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .decoders import decoders
from .evaluation import evaluation
from .gpu import gpu
from .growth import growth
from .indexing import indexing
from .machine import machine, peak_memory
from .precision import half_precision
from .report import section, summary
from .sampling import sampling
from .search import search
from .start import ROOT, start
from .steps import steps_needed

RESULTS = ROOT / "analysis" / "results" / "bench.json"
PARTS: dict[str, Callable[[bool], object]] = {
    "search": search,
    "start": start,
    "sampling": sampling,
    "evaluation": evaluation,
    "decoders": decoders,
    "indexing": indexing,
    "growth": growth,
    "steps": steps_needed,
    "half": half_precision,
    "gpu": gpu,
}


def _with_parts(report: dict, measured: dict, parts: list[str]) -> dict:
    """A report with some parts measured anew, each by the machine that has what it takes."""
    processes = [row for row in report["processes"] if row["part"] not in parts] + measured["processes"]
    report = report | {part: measured[part] for part in parts if part in measured} | {"processes": processes}
    return report | {"shows": summary(report)}


def main() -> None:
    """Measure the parts that the command line names, print their tables and write the report."""
    parser = argparse.ArgumentParser(
        prog="python -m analysis.bench", description="Measure the speed of it all."
    )
    parser.add_argument("--quick", action="store_true", help="small cases, within two minutes")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--plots", type=Path, help="also write how it grows as an HTML page of figures")
    parser.add_argument(
        "--out",
        type=Path,
        help=f"JSON file; of one that is there, only --parts are replaced; default for a whole run: {RESULTS}",
    )
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:  # the process of one part
        figures = PARTS[options.parts[0]](options.quick)
        print(json.dumps({"figures": figures, "peak_memory_MB": peak_memory()}))
        return
    hidden = {"--out", str(options.out), "--plots", str(options.plots)}
    arguments, started = [a for a in sys.argv[1:] if a not in hidden], time.monotonic()
    report: dict = {"machine": [machine()]}
    processes: list[dict] = []
    print(section(report["machine"], "machine"), flush=True)
    for name in options.parts:
        command = [sys.executable, "-m", "analysis.bench", "--inside", "--parts", name]
        begun = time.perf_counter()
        answer = subprocess.run(
            [*command, *(["--quick"] if options.quick else [])], cwd=ROOT, stdout=subprocess.PIPE, check=True
        )
        part = json.loads(answer.stdout.splitlines()[-1])
        if part["figures"]:
            report[name] = part["figures"]
        print("\n" + section(part["figures"], name), flush=True)
        seconds_taken = time.perf_counter() - begun
        processes.append({"part": name, "seconds": seconds_taken, "peak_memory_MB": part["peak_memory_MB"]})
    print("\n" + section(processes, "processes"))
    print("\n" + summary(report))
    whole = not options.quick and len(options.parts) == len(PARTS)
    if out := options.out or (RESULTS if whole else None):
        head = {
            "title": "Speed of every part",
            "command": " ".join(["python -m analysis.bench", *arguments]),
            "shows": summary(report),
            "minutes": round((time.monotonic() - started) / 60, 1),
        }
        content = head | report | {"processes": processes}
        if not whole and out.is_file():
            content = _with_parts(json.loads(out.read_text(encoding="utf-8")), content, options.parts)
        out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if options.plots and "growth" in report:
        from ..figures import page
        from .figures import growth_plot

        figures = [growth_plot(rows) for rows in report["growth"].values()]
        options.plots.write_text(page(figures, "How the time grows"), encoding="utf-8")
