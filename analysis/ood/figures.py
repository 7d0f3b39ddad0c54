"""Pictures of the analysis: ROC curves, and p-values of ordinary queries against the uniform ones they should be.

As plotly figures for the notebook, and as SVG for the folder of results and the Evidence tab.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from scipy.stats import betabinom

from ..figures.canvas import INK, LINE, LINES, SANS, SIGNAL, SOFT, axis, canvas, faint

Line = Any  # a trace: plotly gives it its attributes only as it runs
SIDE, LEFT, TOP, BELOW = 300, 52, 10, 46  # pixels: of the square of a picture, and around it


def _diagonal() -> go.Scatter:
    return go.Scatter(
        x=[0, 1], y=[0, 1], mode="lines", line=dict(color=SOFT, dash="dot", width=1), hoverinfo="skip"
    )


def roc_plot(curves: dict, kind: str) -> go.Figure:
    """Hits against false alarms for one kind of unusual query, a line a detector."""
    lines = [
        go.Scatter(
            x=[x for x, _ in found[kind]], y=[y for _, y in found[kind]], mode="lines", name=name,
            line=dict(color=LINES[i], width=2.2),
            hovertemplate=f"{name}<br>%{{x:.0%}} false alarms, %{{y:.0%}} found<extra></extra>",
        )
        for i, (name, found) in enumerate(curves["roc"].items())
    ]  # fmt: skip
    x = axis(f"ordinary queries flagged, {kind}", range=[0, 1], tickformat=".0%")
    y = axis("unusual queries found", range=[0, 1.01], tickformat=".0%")
    figure = canvas([_diagonal(), *lines], x, y, height=380)
    return figure.update_layout(
        showlegend=True, legend=dict(x=0.98, y=0.04, xanchor="right", yanchor="bottom")
    )


def qq_plot(curves: dict) -> go.Figure:
    """Quantiles of p-values of ordinary queries over all draws, with the band of one draw."""
    n, m = curves["n"], curves["m"]
    at = np.linspace(0, 1, 101)
    # The share of m fresh queries with p <= a is Beta-binomial; its quantiles bound a single draw.
    larger = np.clip(np.floor(at * (n + 1)), 1, n)
    low, high = (betabinom.ppf(q, m, larger, n + 1 - larger) / m for q in (0.05, 0.95))
    blank = dict(mode="lines", line=dict(width=0), hoverinfo="skip", showlegend=False)
    band = [
        go.Scatter(x=at, y=high, **blank),
        go.Scatter(x=at, y=low, fill="tonexty", fillcolor=faint(SOFT), **blank),
    ]
    lines = [
        go.Scatter(
            x=quantiles, y=at, mode="lines", name=name, line=dict(color=LINES[i], width=2.2),
            hovertemplate=f"{name}<br>p ≤ %{{x:.2f}} for %{{y:.0%}} of ordinary queries<extra></extra>",
        )
        for i, (name, quantiles) in enumerate(curves["p"].items())
    ]  # fmt: skip
    x, y = axis("p-value", range=[0, 1]), axis("share of ordinary queries at or below it", range=[0, 1])
    figure = canvas([*band, _diagonal(), *lines], x, y, height=380)
    return figure.update_layout(
        showlegend=True, legend=dict(x=0.98, y=0.04, xanchor="right", yanchor="bottom", font=dict(color=INK))
    )


def pictures(curves: dict) -> dict[str, go.Figure]:
    """All pictures by the name of their file."""
    kinds = next(iter(curves["roc"].values()))
    return {f"roc-{kind}": roc_plot(curves, kind) for kind in kinds} | {"p-values": qq_plot(curves)}


def svg(figure: go.Figure) -> str:
    """A figure of lines over [0, 1]^2 as an SVG file; a page that knows the app's colours shows it in those."""
    lines: list[Line] = list(figure.data)
    names = [line.name for line in lines if line.name]
    wide, high = LEFT + SIDE + 14, TOP + SIDE + BELOW + 19 * len(names)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" '
        f'role="img" style="max-width: 100%; height: auto; font: 12px {SANS}; fill: var(--dr-soft, {SOFT})">'
        f"<title>{escape(figure.layout.xaxis.title.text)}</title>"
        f"{''.join([*_lines(lines), *_frame(figure), *_legend(lines)])}</svg>\n"
    )


def _colour(line: Line) -> str:
    return f"var(--dr-signal, {SIGNAL})" if line.line.color == SIGNAL else line.line.color


def _points(line: Line) -> list[str]:
    return [f"{LEFT + SIDE * x:.1f},{TOP + SIDE * (1 - y):.1f}" for x, y in zip(line.x, line.y, strict=True)]


def _lines(lines: Sequence[Line]) -> Iterator[str]:
    """The lines, and between two of them the area that belongs to the second."""
    for before, line in zip([None, *lines], lines, strict=False):
        if line.fill and before is not None:
            area = " ".join(_points(before) + _points(line)[::-1])
            yield f'<polygon points="{area}" fill="{SOFT}" fill-opacity="0.2"/>'
        if line.line.width != 0:
            dash = ' stroke-dasharray="2 4"' if line.line.dash else ""
            yield (
                f'<polyline points="{" ".join(_points(line))}" fill="none" stroke="{_colour(line)}" '
                f'stroke-width="{line.line.width or 1.5}"{dash}/>'
            )


def _frame(figure: go.Figure) -> Iterator[str]:
    down = TOP + SIDE
    yield f'<path d="M{LEFT} {TOP}V{down}H{LEFT + SIDE}" fill="none" stroke="var(--dr-line, {LINE})"/>'
    for tick in (0, 0.5, 1):
        x, y = LEFT + SIDE * tick, down - SIDE * tick
        yield f'<text x="{x}" y="{down + 17}" text-anchor="middle">{tick:g}</text>'
        yield f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{tick:g}</text>'
    x, y = figure.layout.xaxis.title.text, figure.layout.yaxis.title.text
    yield f'<text x="{LEFT + SIDE / 2}" y="{down + 36}" text-anchor="middle">{escape(x)}</text>'
    yield f'<text transform="translate(14 {TOP + SIDE / 2}) rotate(-90)" text-anchor="middle">{escape(y)}</text>'


def _legend(lines: Sequence[Line]) -> Iterator[str]:
    for i, line in enumerate(line for line in lines if line.name):
        y = TOP + SIDE + BELOW + 19 * i
        yield f'<path d="M{LEFT} {y + 4}h18" stroke="{_colour(line)}" stroke-width="3"/>'
        yield f'<text x="{LEFT + 26}" y="{y + 8}" style="fill: var(--dr-ink, {INK})">{escape(line.name)}</text>'
