"""Figures: pure functions from tensors to plotly figures, one a figure, shared by app, scripts and notebooks.

Colours are those of palette.py on a light page; the app replaces them by its own where the page is dark. `page`
writes a figure as a file that needs no network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import plotly.graph_objects as go
import plotly.io
from jaxtyping import Bool, Float, Int
from plotly.basedatatypes import BaseTraceType
from torch import Tensor

from . import palette

PAPER, WASH, INK, SOFT, LINE, MUTE, SIGNAL, DOWN = (
    palette.LIGHT[name] for name in ("paper", "wash", "ink", "soft", "line", "mute", "signal", "down")
)
SANS = ", ".join(palette.SANS)
# The first is the winner's.
LINES = tuple(
    palette.LIGHT[name] for name in ("signal", "rust", "up", "violet", "slate", "pink", "teal", "olive")
)


def _axis(title: str = "", **changes) -> dict:
    plain = dict(
        title=dict(text=title, font=dict(size=12.5), standoff=8), showgrid=False, zeroline=False, linecolor=LINE,
        tickfont=dict(size=12), ticks="", automargin=True, fixedrange=True,
    )  # fmt: skip
    return plain | changes


def _figure(traces: Sequence[BaseTraceType], x: dict, y: dict, height: int, **layout) -> go.Figure:
    """What all figures share: no frame, no background of their own, little ink."""
    figure = go.Figure(list(traces))
    figure.update_layout(
        template="none", height=height, margin=dict(l=44, r=12, t=10, b=36), xaxis=x, yaxis=y,
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", font=dict(family=SANS, size=13, color=SOFT),
        hoverlabel=dict(bgcolor=INK, bordercolor=INK, font=dict(family=SANS, size=13, color=PAPER), align="left"),
        showlegend=False, dragmode=False, **layout,
    )  # fmt: skip
    return figure


def _label(figure: go.Figure, x: float, y: float, text: str, colour: str, **place) -> None:
    figure.add_annotation(
        x=x, y=y, text=escape(text), font=dict(color=colour, size=12.5), showarrow=False, **place
    )


def _short(name: str, length: int = 44) -> str:
    """A caption cut at a word, for a label."""
    if len(name) <= length:
        return name
    return name[:length].rsplit(" ", 1)[0].rstrip(",. ") + " …"


def _hover(names: Sequence[str]) -> list[str]:
    return [escape(_short(name, 90)) for name in names]


def heat_map(share: Float[Tensor, "step candidate"], names: Sequence[str], title: str = "share") -> go.Figure:
    """The share of every candidate at every step: time runs to the right, candidates downwards by similarity."""
    steps, count = share.shape
    cells = go.Heatmap(
        z=share.T.tolist(), x=list(range(1, steps + 1)), y=list(range(1, count + 1)), zmin=0, zmax=1,
        customdata=[[name] * steps for name in _hover(names)],
        colorscale=[[0, WASH], [0.02, palette.LIGHT["tenth"]], [0.25, palette.LIGHT["fifths"]], [1, SIGNAL]],
        colorbar=dict(thickness=8, len=1, outlinewidth=0, tickformat=".0%", tickvals=[0, 0.5, 1], x=1.01),
        hovertemplate="%{customdata}<br>step %{x}: " + title + " %{z:.1%}<extra></extra>", xgap=0.5, ygap=0.5,
    )  # fmt: skip
    y = _axis("candidate, by similarity", autorange="reversed", tickvals=_ticks(count))
    return _figure([cells], _axis("step"), y, height=max(240, min(9 * count + 70, 460)))


def state_map(x: Float[Tensor, "step candidate"], names: Sequence[str], first: int = 0) -> go.Figure:
    """Signed states of every candidate at every step, from `first` on: blue above zero, red below."""
    steps, count = x.shape
    reach = max(1.0, float(x.abs().max()))
    cells = go.Heatmap(
        z=x.T.tolist(), x=list(range(first, first + steps)), y=list(range(1, count + 1)), zmin=-reach, zmax=reach,
        customdata=[[name] * steps for name in _hover(names)],
        colorscale=[[0, DOWN], [0.5, WASH], [1, SIGNAL]],
        colorbar=dict(thickness=8, len=1, outlinewidth=0, nticks=5, x=1.01),
        hovertemplate="%{customdata}<br>step %{x}: %{z:.2f}<extra></extra>", xgap=0.5, ygap=0.5,
    )  # fmt: skip
    y = _axis("candidate, by similarity", autorange="reversed", tickvals=_ticks(count))
    return _figure([cells], _axis("step"), y, height=max(240, min(9 * count + 70, 460)))


def _ticks(count: int) -> list[int]:
    every = max(count // 8, 1)
    return (
        [1, *range(every + every % 2, count + 1, every + every % 2)]
        if count > 3
        else list(range(1, count + 1))
    )


def bump_chart(
    rank: Int[Tensor, "step candidate"], before: Int[Tensor, " candidate"], names: Sequence[str], top: int = 8
) -> go.Figure:
    """Ranks by prediction over the steps, for the candidates that end in the first `top` places.

    before [candidate]: ranks by similarity alone, drawn at step 0.
    """
    steps, count = rank.shape
    top = min(top, count)
    best = rank[-1].argsort()[:top].tolist()
    traces, hover = [], _hover(names)
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
    y = _axis("rank", range=[deepest + 0.6, 0.4], tickvals=[1, *range(5, deepest + 1, 5)])
    x = _axis("step", range=[-0.5, steps * 1.02], tickvals=[0, *_round_steps(steps)])
    x["ticktext"] = ["similarity", *map(str, _round_steps(steps))]
    return _figure(traces, x, y, height=300)


def _round_steps(steps: int) -> list[int]:
    every = 10 if steps >= 20 else 5 if steps >= 10 else 1
    return list(range(every, steps + 1, every))


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
    y = _axis("", range=[-0.02, 1.12], tickformat=".0%", tickvals=[0, 0.5, 1])
    x = _axis("step", range=[0.5, len(top) + 0.5], tickvals=[1, *_round_steps(len(top))])
    figure = _figure([bits, share], x, y, height=220)
    figure.add_vline(x=settled, line=dict(color=INK, width=1))
    right = settled > 0.6 * len(top)
    _label(
        figure, settled, 1.06, f"settled at step {settled}", INK, xanchor="right" if right else "left",
        xshift=-6 if right else 6,
    )  # fmt: skip
    return figure


def noise_bands(
    low: Float[Tensor, "step candidate"],
    mean: Float[Tensor, "step candidate"],
    high: Float[Tensor, "step candidate"],
    names: Sequence[str],
    top: int = 4,
) -> go.Figure:
    """Mean share over seeds with the band from `low` to `high`, for the candidates that end in front."""
    steps = list(range(1, len(mean) + 1))
    traces, hover = [], _hover(names)
    for place, i in enumerate(mean[-1].argsort(descending=True, stable=True)[:top].tolist()):
        colour = LINES[place]
        band = dict(mode="lines", line=dict(width=0), hoverinfo="skip")
        traces += [
            go.Scatter(x=steps, y=high[:, i].tolist(), **band),
            go.Scatter(x=steps, y=low[:, i].tolist(), fill="tonexty", fillcolor=_faint(colour), **band),
            go.Scatter(
                x=steps, y=mean[:, i].tolist(), mode="lines", line=dict(color=colour, width=2.5), name=hover[i], meta=i,
                legendrank=place + 1,
                hovertemplate=f"{hover[i]}<br>step %{{x}}: mean %{{y:.1%}}<extra></extra>",
            ),
        ]  # fmt: skip
    y = _axis("", range=[-0.02, 1.02], tickformat=".0%", tickvals=[0, 0.5, 1])
    x = _axis("step", range=[0.5, len(mean) + 0.5], tickvals=[1, *_round_steps(len(mean))])
    return _figure(traces, x, y, height=280)


def agreement(agreeing: Bool[Tensor, "step seed"]) -> go.Figure:
    """The share of seeds that are for the final winner at a step."""
    share = agreeing.double().mean(dim=1)
    line = go.Scatter(
        x=list(range(1, len(share) + 1)), y=share.tolist(), mode="lines", fill="tozeroy", fillcolor=_faint(SIGNAL),
        line=dict(color=SIGNAL, width=2.5, shape="hv"),
        hovertemplate="step %{x}: %{y:.0%} of the noises are for the final winner<extra></extra>",
    )  # fmt: skip
    y = _axis("", range=[0, 1.04], tickformat=".0%", tickvals=[0, 0.5, 1])
    x = _axis("step", range=[0.5, len(share) + 0.5], tickvals=[1, *_round_steps(len(share))])
    return _figure([line], x, y, height=180)


def words(
    share: Float[Tensor, "word candidate"], spoken: Sequence[str], names: Sequence[str], top: int = 7
) -> go.Figure:
    """How the final shares move as a query is spoken: one column a word, the candidates that ever matter in it."""
    count = len(spoken)
    weight = share.amax(dim=0) + share[-1]  # what ends in front comes first
    kept = weight.argsort(descending=True, stable=True)[:top].tolist()
    hover = _hover(names)
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
    x = _axis(
        "", tickvals=list(range(count)), ticktext=[escape(word) for word in spoken], range=[-0.6, count - 0.4]
    )
    most = float(share.sum(dim=1).max())  # beyond 1 where several may match
    ticks = [0, 0.5, 1] if most < 1.5 else list(range(0, int(most) + 2, 1 + int(most) // 6))
    y = _axis("", tickformat=".0%", tickvals=ticks, rangemode="tozero")
    return _figure(traces, x, y, height=280, barmode="stack", bargap=0.12)


def signed_bars(
    values: Float[Tensor, " candidate"], names: Sequence[str], leader: int | None = None
) -> go.Figure:
    """A state x_t or a prediction x0 about zero, the leader marked."""
    colours = [SIGNAL if i == leader else MUTE for i in range(len(values))]
    bars = go.Bar(
        x=list(range(1, len(values) + 1)), y=values.tolist(), marker=dict(color=colours), customdata=_hover(names),
        hovertemplate="%{customdata}<br>%{y:.3f}<extra></extra>",
    )  # fmt: skip
    y = _axis("", zeroline=True, zerolinecolor=LINE)
    return _figure(
        [bars], _axis("candidate, by similarity", tickvals=_ticks(len(values))), y, height=220, bargap=0.15
    )


def share_bars(share: Float[Tensor, " candidate"], names: Sequence[str]) -> go.Figure:
    """A distribution over the candidates, its winner marked."""
    figure = signed_bars(share, names, int(share.argmax()))
    figure.data[0].hovertemplate = "%{customdata}<br>%{y:.1%}<extra></extra>"
    figure.update_yaxes(tickformat=".1%" if float(share.max()) < 0.2 else ".0%", rangemode="tozero", nticks=4)
    return figure


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"


def page(figures: Sequence[go.Figure], title: str) -> str:
    """Figures one below the other as one HTML page that works without a network."""
    parts = [
        plotly.io.to_html(figure, full_html=False, include_plotlyjs=not i, config={"displayModeBar": False})
        for i, figure in enumerate(figures)
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<body style="max-width:960px;margin:40px auto;padding:0 20px;font-family:{SANS};color:{INK};'
        f'background:{PAPER}"><h1 style="font-size:24px">{escape(title)}</h1>{"".join(parts)}</body></html>'
    )


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
    figure = _figure(traces, _axis("probability that is said", **ends), _axis("true", **ends), height=420)
    figure.update_layout(showlegend=True, legend=dict(x=0.02, y=1, bgcolor="rgba(0,0,0,0)"))
    figure.data[0].showlegend = False
    return figure


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
    x = _axis("noise left", range=[1.03, -0.03], tickvals=[1, 0.5, 0])
    y = _axis(value.replace("_", " "), range=[-0.02, 1.04], tickformat=".0%", tickvals=[0, 0.5, 1])
    figure = _figure(traces, x, y, height=280)
    figure.update_layout(showlegend=True, legend=dict(x=0.02, y=1, bgcolor="rgba(0,0,0,0)"))
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
    figure = _figure([found, even], _axis("clips that fit"), _axis("nats", rangemode="tozero"), height=280)
    figure.update_layout(showlegend=True, legend=dict(x=0.02, y=1, bgcolor="rgba(0,0,0,0)"), bargap=0.4)
    figure.update_xaxes(type="category")
    return figure
