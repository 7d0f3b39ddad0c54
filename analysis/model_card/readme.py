"""What is written into the README of the project, between its marks."""

from __future__ import annotations

from .retrieval import in_short
from .speed import speed

START, END = "<!-- results: written by python -m analysis.model_card -->", "<!-- /results -->"
SPEED, SPEED_END = "<!-- speed: written by python -m analysis.model_card -->", "<!-- /speed -->"


def readme(text: str, report: dict, bench: dict) -> str:
    """The README with its results and its speed.

    text: the README so far. report: of the evaluation. bench: of the speed.
    """
    block = f"\n{in_short(report)}\n"
    text = _between(text, START, END, block)
    return _between(text, SPEED, SPEED_END, f"\n{speed(bench)}\n")


def _between(text: str, start: str, end: str, block: str) -> str:
    head, rest = text.split(start)
    return head + start + block + end + rest.split(end)[1]
