"""Figures that draw what they were given."""

from __future__ import annotations

import math

import numpy as np
import torch

from analysis import figures
from analysis.figures import canvas
from demo import theme
from diffusionret.readout import ONE_WINNER
from diffusionret.trajectory import places

NAMES = [f"clip <{i}>" for i in range(6)]


def share(steps: int = 5, count: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.rand(
        steps, count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    ).softmax(-1)


def test_the_map_and_the_ranks_hold_the_data():
    values = share()
    cells = figures.heat_map(values, NAMES).data[0]
    assert np.allclose(np.array(cells.z), values.T.numpy()) and "clip &lt;0&gt;" in cells.customdata[0][0]
    before = torch.arange(1, 7)
    lines = figures.bump_chart(places(values), before, NAMES, top=3).data
    assert len(lines) == 3 and lines[-1].y[-1] == 1  # the winner is drawn last, on top
    assert all(len(line.y) == 6 for line in lines)


def test_words_stack_to_the_whole():
    bars = figures.words(share(3), ["a", "red", "boat"], NAMES, top=2).data
    assert np.allclose(np.sum([bar.y for bar in bars], axis=0), 1)


def test_bands_agreement_bars_and_states():
    values = share()
    assert len(figures.noise_bands(values, values, values, NAMES, top=2).data) == 6
    agree = figures.agreement(torch.tensor([[False, True], [True, True]]))
    assert list(agree.data[0].y) == [0.5, 1.0]
    bars = figures.share_bars(values[0], NAMES).data[0]
    assert list(bars.y) == values[0].tolist()
    assert bars.marker.color[int(values[0].argmax())] == canvas.SIGNAL
    assert figures.state_map(values - 0.5, NAMES).data[0].zmin == -1
    line = figures.uncertainty(ONE_WINNER.entropy(values), values.amax(-1), 2, math.log2(6))
    assert list(line.data[1].y) == values.amax(-1).tolist()


def test_a_page_of_figures_needs_no_network():
    text = figures.page([figures.share_bars(share()[0], NAMES)], "<b>")
    assert "<title>&lt;b&gt;" in text and "<script src" not in text and len(text) > 1_000_000


def test_the_colours_are_the_page_s():
    styles = theme.styles()
    for name, value in {
        "paper": canvas.PAPER,
        "ink": canvas.INK,
        "signal": canvas.SIGNAL,
        "down": canvas.DOWN,
    }.items():
        assert f"--dr-{name}: {value};" in styles


def test_pictures_of_the_open_set_generator_hold_the_rows():
    said = [
        {"by": by, "share": s, "right": s / 2, "count": 9}
        for by in ("open-set", "softmax")
        for s in (0.1, 0.9)
    ]
    figure = figures.reliability(said)
    assert [trace.name for trace in figure.data[1:]] == ["open-set", "softmax"]
    assert list(figure.data[1].x) == [0.1, 0.9] and list(figure.data[2].y) == [0.05, 0.45]
    fits = [{"clips that fit": "2", "queries": 5, "entropy": 0.6, "log_m": 0.69}]
    assert list(figures.evenness(fits).data[0].y) == [0.6]
