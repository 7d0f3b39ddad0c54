"""Figures of several noises: where they agree, and what they decide."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from jaxtyping import Bool, Float
from torch import Tensor

from .canvas import LINES, SIGNAL, axis, canvas, faint, round_steps, titles


def noise_bands(
    low: Float[Tensor, "step candidate"],
    mean: Float[Tensor, "step candidate"],
    high: Float[Tensor, "step candidate"],
    names: Sequence[str],
    top: int = 4,
) -> go.Figure:
    """Mean share over seeds with the band from `low` to `high`, for the candidates that end in front."""
    steps = list(range(1, len(mean) + 1))
    traces, hover = [], titles(names)
    for place, i in enumerate(mean[-1].argsort(descending=True, stable=True)[:top].tolist()):
        colour = LINES[place]
        band = dict(mode="lines", line=dict(width=0), hoverinfo="skip")
        traces += [
            go.Scatter(x=steps, y=high[:, i].tolist(), **band),
            go.Scatter(x=steps, y=low[:, i].tolist(), fill="tonexty", fillcolor=faint(colour), **band),
            go.Scatter(
                x=steps, y=mean[:, i].tolist(), mode="lines", line=dict(color=colour, width=2.5), name=hover[i], meta=i,
                legendrank=place + 1,
                hovertemplate=f"{hover[i]}<br>step %{{x}}: mean %{{y:.1%}}<extra></extra>",
            ),
        ]  # fmt: skip
    y = axis("", range=[-0.02, 1.02], tickformat=".0%", tickvals=[0, 0.5, 1])
    x = axis("step", range=[0.5, len(mean) + 0.5], tickvals=[1, *round_steps(len(mean))])
    return canvas(traces, x, y, height=280)


def agreement(agreeing: Bool[Tensor, "step seed"]) -> go.Figure:
    """The share of seeds that are for the final winner at a step."""
    share = agreeing.double().mean(dim=1)
    line = go.Scatter(
        x=list(range(1, len(share) + 1)), y=share.tolist(), mode="lines", fill="tozeroy", fillcolor=faint(SIGNAL),
        line=dict(color=SIGNAL, width=2.5, shape="hv"),
        hovertemplate="step %{x}: %{y:.0%} of the noises are for the final winner<extra></extra>",
    )  # fmt: skip
    y = axis("", range=[0, 1.04], tickformat=".0%", tickvals=[0, 0.5, 1])
    x = axis("step", range=[0.5, len(share) + 0.5], tickvals=[1, *round_steps(len(share))])
    return canvas([line], x, y, height=180)
