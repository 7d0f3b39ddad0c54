"""Figures: pure functions from tensors to plotly figures, one a figure, shared by app, scripts and notebooks.

Colours are those of palette.py on a light page; the app replaces them by its own where the page is dark. `page`
writes a figure as a file that needs no network.
"""

from .bars import share_bars, signed_bars, words
from .calibration import evenness, reliability
from .ensembles import agreement, noise_bands
from .html import page
from .trajectories import bump_chart, heat_map, state_map, uncertainty

__all__ = [
    "agreement",
    "bump_chart",
    "evenness",
    "heat_map",
    "noise_bands",
    "page",
    "reliability",
    "share_bars",
    "signed_bars",
    "state_map",
    "uncertainty",
    "words",
]
