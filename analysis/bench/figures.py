"""The picture of the bench: how the time grows."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from ..figures.canvas import LINES, axis, canvas


def growth_plot(rows: Sequence[dict]) -> go.Figure:
    """A part of the bench's `growth`: its first column across, milliseconds up, both logarithmic; a line for each
    of the other columns."""
    size, *names = rows[0]
    lines = [
        go.Scatter(
            x=[row[size] for row in rows], y=[row[name] for row in rows], mode="lines+markers", name=name,
            line=dict(color=LINES[i], width=2.2),
            hovertemplate=f"{name}<br>%{{x:,}} {size}: %{{y:.2f}} ms<extra></extra>",
        )
        for i, name in enumerate(names)
    ]  # fmt: skip
    x = axis(size, type="log", tickvals=[row[size] for row in rows])
    figure = canvas(lines, x, axis("milliseconds", type="log"), height=320)
    return figure.update_layout(showlegend=True, legend=dict(x=0.02, y=0.98))
