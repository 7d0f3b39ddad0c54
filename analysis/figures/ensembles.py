"""Figures of several noises: where they agree, and what they decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

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


def noise_levels(rows: Sequence[Mapping], value: str = "seed_variance") -> go.Figure:
    """What the noise decides at every noise level, a line a generator. rows: "noise" of open_set.json."""
    traces = []
    for generator, colour in zip(dict.fromkeys(row["generator"] for row in rows), LINES, strict=False):
        own = [row for row in rows if row["generator"] == generator]
        traces.append(
            go.Scatter(
                x=[row["noise"] for row in own], y=[row[value] for row in own], name=generator, mode="lines+markers",
                line=dict(color=colour, width=2.5),
                hovertemplate=f"{escape(generator)}: %{{y:.1%}} at noise %{{x:.2f}}<extra></extra>",
            )
        )  # fmt: skip
    x = axis("noise left", range=[1.03, -0.03], tickvals=[1, 0.5, 0])
    y = axis(value.replace("_", " "), range=[-0.02, 1.04], tickformat=".0%", tickvals=[0, 0.5, 1])
    figure = canvas(traces, x, y, height=280)
    figure.update_layout(showlegend=True, legend=dict(x=0.02, y=1, bgcolor="rgba(0,0,0,0)"))
    return figure
