"""Figures as a page of their own."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
import plotly.io

from .canvas import INK, PAPER, SANS


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
