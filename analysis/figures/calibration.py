"""Are probabilities what they claim, and are matches treated alike?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import plotly.graph_objects as go

from .canvas import LINE, LINES, MUTE, SIGNAL, axis, canvas


def reliability(rows: Sequence[Mapping]) -> go.Figure:
    """What is said against what is true, a line a method ("by"); on the diagonal they agree. Larger: more cases.

    rows: of open_set.json; share, right and count a bin.
    """
    diagonal = go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line=dict(color=LINE, width=2), hoverinfo="skip")
    traces, methods = [diagonal], list(dict.fromkeys(row["by"] for row in rows))
    for method, colour in zip(methods, LINES, strict=False):
        own = [row for row in rows if row["by"] == method]
        most = max(math.log1p(row["count"]) for row in own)
        traces.append(
            go.Scatter(
                x=[row["share"] for row in own], y=[row["right"] for row in own], name=method, mode="lines+markers",
                marker=dict(size=[4 + 8 * math.log1p(row["count"]) / most for row in own], color=colour),
                line=dict(color=colour, width=1.5 if method != methods[0] else 3),
                customdata=[row["count"] for row in own],
                hovertemplate=f"{escape(method)}: %{{customdata}} said at %{{x:.0%}}, %{{y:.0%}} true<extra></extra>",
            )
        )  # fmt: skip
    ends = dict(range=[-0.02, 1.02], tickformat=".0%", tickvals=[0, 0.5, 1])
    figure = canvas(traces, axis("probability that is said", **ends), axis("true", **ends), height=420)
    figure.update_layout(showlegend=True, legend=dict(x=0.02, y=1, bgcolor="rgba(0,0,0,0)"))
    figure.data[0].showlegend = False
    return figure


def evenness(rows: Sequence[Mapping]) -> go.Figure:
    """Entropy of the seeds' visits among m clips that fit, beside log m, which is even. rows: "several that fit"."""
    names = [row["clips that fit"] for row in rows]
    even = go.Scatter(
        x=names, y=[row["log_m"] for row in rows], mode="lines+markers", name="log m: even",
        line=dict(color=MUTE, width=2), hovertemplate="%{x} fit: log m is %{y:.2f}<extra></extra>",
    )  # fmt: skip
    found = go.Bar(
        x=names, y=[row["entropy"] for row in rows], name="entropy of the visits", marker=dict(color=SIGNAL),
        customdata=[row["queries"] for row in rows],
        hovertemplate="%{x} fit: %{y:.2f} nats, %{customdata} queries<extra></extra>",
    )  # fmt: skip
    figure = canvas([found, even], axis("clips that fit"), axis("nats", rangemode="tozero"), height=280)
    figure.update_layout(showlegend=True, legend=dict(x=0.02, y=1, bgcolor="rgba(0,0,0,0)"), bargap=0.4)
    figure.update_xaxes(type="category")
    return figure
