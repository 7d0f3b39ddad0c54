"""Bars of candidates, and of words that are added one by one."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
from jaxtyping import Float
from torch import Tensor

from .canvas import LINE, LINES, MUTE, SIGNAL, axis, canvas, ticks, titles


def words(
    share: Float[Tensor, "word candidate"], spoken: Sequence[str], names: Sequence[str], top: int = 7
) -> go.Figure:
    """How the final shares move as a query is spoken: one column a word, the candidates that ever matter in it."""
    count = len(spoken)
    weight = share.amax(dim=0) + share[-1]  # what ends in front comes first
    kept = weight.argsort(descending=True, stable=True)[:top].tolist()
    hover = titles(names)
    traces = [
        go.Bar(
            x=list(range(count)), y=share[:, i].tolist(), marker=dict(color=LINES[place]), name=hover[i], meta=i,
            hovertemplate=f"{hover[i]}<br>%{{y:.1%}}<extra></extra>",
        )
        for place, i in enumerate(kept)
    ]  # fmt: skip
    rest = (share.sum(dim=1) - share[:, kept].sum(dim=1)).clamp(min=0)
    traces.append(
        go.Bar(
            x=list(range(count)), y=rest.tolist(), marker=dict(color=LINE),
            hovertemplate="all others %{y:.1%}<extra></extra>",
        )
    )  # fmt: skip
    x = axis(
        "", tickvals=list(range(count)), ticktext=[escape(word) for word in spoken], range=[-0.6, count - 0.4]
    )
    most = float(share.sum(dim=1).max())  # beyond 1 where several may match
    ticks = [0, 0.5, 1] if most < 1.5 else list(range(0, int(most) + 2, 1 + int(most) // 6))
    y = axis("", tickformat=".0%", tickvals=ticks, rangemode="tozero")
    return canvas(traces, x, y, height=280, barmode="stack", bargap=0.12)


def signed_bars(
    values: Float[Tensor, " candidate"], names: Sequence[str], leader: int | None = None
) -> go.Figure:
    """A state x_t or a prediction x0 about zero, the leader marked."""
    colours = [SIGNAL if i == leader else MUTE for i in range(len(values))]
    bars = go.Bar(
        x=list(range(1, len(values) + 1)), y=values.tolist(), marker=dict(color=colours), customdata=titles(names),
        hovertemplate="%{customdata}<br>%{y:.3f}<extra></extra>",
    )  # fmt: skip
    y = axis("", zeroline=True, zerolinecolor=LINE)
    return canvas(
        [bars], axis("candidate, by similarity", tickvals=ticks(len(values))), y, height=220, bargap=0.15
    )


def share_bars(share: Float[Tensor, " candidate"], names: Sequence[str]) -> go.Figure:
    """A distribution over the candidates, its winner marked."""
    figure = signed_bars(share, names, int(share.argmax()))
    figure.data[0].hovertemplate = "%{customdata}<br>%{y:.1%}<extra></extra>"
    figure.update_yaxes(tickformat=".1%" if float(share.max()) < 0.2 else ".0%", rangemode="tozero", nticks=4)
    return figure
