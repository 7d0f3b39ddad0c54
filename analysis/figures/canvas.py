"""What all figures share: colours, axes, frame and names of clips."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
from plotly.basedatatypes import BaseTraceType

from .. import palette

PAPER, WASH, INK, SOFT, LINE, MUTE, SIGNAL, DOWN = (
    palette.LIGHT[name] for name in ("paper", "wash", "ink", "soft", "line", "mute", "signal", "down")
)
SANS = ", ".join(palette.SANS)
# The first is the winner's.
LINES = tuple(
    palette.LIGHT[name] for name in ("signal", "rust", "up", "violet", "slate", "pink", "teal", "olive")
)


def axis(title: str = "", **changes) -> dict:
    plain = dict(
        title=dict(text=title, font=dict(size=12.5), standoff=8), showgrid=False, zeroline=False, linecolor=LINE,
        tickfont=dict(size=12), ticks="", automargin=True, fixedrange=True,
    )  # fmt: skip
    return plain | changes


def canvas(traces: Sequence[BaseTraceType], x: dict, y: dict, height: int, **layout) -> go.Figure:
    """What all figures share: no frame, no background of their own, little ink."""
    figure = go.Figure(list(traces))
    figure.update_layout(
        template="none", height=height, margin=dict(l=44, r=12, t=10, b=36), xaxis=x, yaxis=y,
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font=dict(family=SANS, size=13, color=SOFT),
        hoverlabel=dict(bgcolor=INK, bordercolor=INK, font=dict(family=SANS, size=13, color=PAPER), align="left"),
        showlegend=False, dragmode=False, **layout,
    )  # fmt: skip
    return figure


def label(figure: go.Figure, x: float, y: float, text: str, colour: str, **place) -> None:
    figure.add_annotation(
        x=x, y=y, text=escape(text), font=dict(color=colour, size=12.5), showarrow=False, **place
    )


def short(name: str, length: int = 44) -> str:
    """A caption cut at a word, for a label."""
    if len(name) <= length:
        return name
    return name[:length].rsplit(" ", 1)[0].rstrip(",. ") + " …"


def titles(names: Sequence[str]) -> list[str]:
    return [escape(short(name, 90)) for name in names]


def faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"


def ticks(count: int) -> list[int]:
    every = max(count // 8, 1)
    return (
        [1, *range(every + every % 2, count + 1, every + every % 2)]
        if count > 3
        else list(range(1, count + 1))
    )


def round_steps(steps: int) -> list[int]:
    every = 10 if steps >= 20 else 5 if steps >= 10 else 1
    return list(range(every, steps + 1, every))
