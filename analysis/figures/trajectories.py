"""Figures of one trajectory: who leads, and how sure the distribution is."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from jaxtyping import Float, Int
from torch import Tensor

from .. import palette
from .canvas import (
    DOWN,
    INK,
    LINES,
    MUTE,
    SIGNAL,
    SOFT,
    WASH,
    axis,
    canvas,
    label,
    round_steps,
    ticks,
    titles,
)


def heat_map(share: Float[Tensor, "step candidate"], names: Sequence[str], title: str = "share") -> go.Figure:
    """The share of every candidate at every step: time runs to the right, candidates downwards by similarity."""
    steps, count = share.shape
    cells = go.Heatmap(
        z=share.T.tolist(), x=list(range(1, steps + 1)), y=list(range(1, count + 1)), zmin=0, zmax=1,
        customdata=[[name] * steps for name in titles(names)],
        colorscale=[[0, WASH], [0.02, palette.LIGHT["tenth"]], [0.25, palette.LIGHT["fifths"]], [1, SIGNAL]],
        colorbar=dict(thickness=8, len=1, outlinewidth=0, tickformat=".0%", tickvals=[0, 0.5, 1], x=1.01),
        hovertemplate="%{customdata}<br>step %{x}: " + title + " %{z:.1%}<extra></extra>", xgap=0.5, ygap=0.5,
    )  # fmt: skip
    y = axis("candidate, by similarity", autorange="reversed", tickvals=ticks(count))
    return canvas([cells], axis("step"), y, height=max(240, min(9 * count + 70, 460)))


def state_map(x: Float[Tensor, "step candidate"], names: Sequence[str], first: int = 0) -> go.Figure:
    """Signed states of every candidate at every step, from `first` on: blue above zero, red below."""
    steps, count = x.shape
    reach = max(1.0, float(x.abs().max()))
    cells = go.Heatmap(
        z=x.T.tolist(), x=list(range(first, first + steps)), y=list(range(1, count + 1)), zmin=-reach, zmax=reach,
        customdata=[[name] * steps for name in titles(names)],
        colorscale=[[0, DOWN], [0.5, WASH], [1, SIGNAL]],
        colorbar=dict(thickness=8, len=1, outlinewidth=0, nticks=5, x=1.01),
        hovertemplate="%{customdata}<br>step %{x}: %{z:.2f}<extra></extra>", xgap=0.5, ygap=0.5,
    )  # fmt: skip
    y = axis("candidate, by similarity", autorange="reversed", tickvals=ticks(count))
    return canvas([cells], axis("step"), y, height=max(240, min(9 * count + 70, 460)))


def bump_chart(
    rank: Int[Tensor, "step candidate"], before: Int[Tensor, " candidate"], names: Sequence[str], top: int = 8
) -> go.Figure:
    """Ranks by prediction over the steps, for the candidates that end in the first `top` places.

    before [candidate]: ranks by similarity alone, drawn at step 0.
    """
    steps, count = rank.shape
    top = min(top, count)
    best = rank[-1].argsort()[:top].tolist()
    traces, hover = [], titles(names)
    for place, i in reversed(list(enumerate(best))):
        colour = LINES[place] if place < len(LINES) else MUTE
        traces.append(
            go.Scatter(
                x=list(range(steps + 1)), y=[int(before[i]), *rank[:, i].tolist()], mode="lines",
                name=hover[i], meta=i, legendrank=place + 1,
                line=dict(color=colour, width=3.5 if place == 0 else 1.8, shape="spline", smoothing=0.5),
                hovertemplate=f"{hover[i]}<br>step %{{x}}: rank %{{y}}<extra></extra>",
            )
        )  # fmt: skip
    deepest = max(int(rank[:, best].max()), int(before[best].max()))
    y = axis("rank", range=[deepest + 0.6, 0.4], tickvals=[1, *range(5, deepest + 1, 5)])
    x = axis("step", range=[-0.5, steps * 1.02], tickvals=[0, *round_steps(steps)])
    x["ticktext"] = ["similarity", *map(str, round_steps(steps))]
    return canvas(traces, x, y, height=300)


def uncertainty(
    entropy: Float[Tensor, " step"], top: Float[Tensor, " step"], settled: int, most: float
) -> go.Figure:
    """Entropy in bits (of at most `most`) and the leader's share over the steps, and the step that settles it."""
    steps = list(range(1, len(top) + 1))
    share = go.Scatter(
        x=steps, y=top.tolist(), mode="lines", line=dict(color=SIGNAL, width=2.5),
        hovertemplate="step %{x}: the leader has %{y:.1%}<extra></extra>",
    )  # fmt: skip
    bits = go.Scatter(
        x=steps, y=(entropy / most).tolist(), customdata=entropy.tolist(), mode="lines",
        line=dict(color=SOFT, width=2, dash="dot"),
        hovertemplate="step %{x}: %{customdata:.2f} bits<extra></extra>",
    )  # fmt: skip
    y = axis("", range=[-0.02, 1.12], tickformat=".0%", tickvals=[0, 0.5, 1])
    x = axis("step", range=[0.5, len(top) + 0.5], tickvals=[1, *round_steps(len(top))])
    figure = canvas([bits, share], x, y, height=220)
    figure.add_vline(x=settled, line=dict(color=INK, width=1))
    right = settled > 0.6 * len(top)
    label(
        figure, settled, 1.06, f"settled at step {settled}", INK, xanchor="right" if right else "left",
        xshift=-6 if right else 6,
    )  # fmt: skip
    return figure
