"""Pictures of analysis/ood.py: ROC curves, and p-values of ordinary queries against the uniform ones they should be."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from scipy.stats import betabinom

from .figures import INK, LINE, LINES, SOFT, _axis, _faint, _figure


def _diagonal() -> go.Scatter:
    return go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line=dict(color=LINE, dash="dot"), hoverinfo="skip")


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
    x = _axis(f"ordinary queries flagged, {kind}", range=[0, 1], tickformat=".0%")
    y = _axis("unusual queries found", range=[0, 1.01], tickformat=".0%")
    figure = _figure([_diagonal(), *lines], x, y, height=380)
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
        go.Scatter(x=at, y=low, fill="tonexty", fillcolor=_faint(SOFT), **blank),
    ]
    lines = [
        go.Scatter(
            x=quantiles, y=at, mode="lines", name=name, line=dict(color=LINES[i], width=2.2),
            hovertemplate=f"{name}<br>p ≤ %{{x:.2f}} for %{{y:.0%}} of ordinary queries<extra></extra>",
        )
        for i, (name, quantiles) in enumerate(curves["p"].items())
    ]  # fmt: skip
    x, y = _axis("p-value", range=[0, 1]), _axis("share of ordinary queries at or below it", range=[0, 1])
    figure = _figure([*band, _diagonal(), *lines], x, y, height=380)
    return figure.update_layout(
        showlegend=True, legend=dict(x=0.98, y=0.04, xanchor="right", yanchor="bottom", font=dict(color=INK))
    )
