"""Style sheets and scripts of the page: all are loaded, in an order that works, and no colour has two owners."""

from __future__ import annotations

import json
import re
from pathlib import Path

import plotly.graph_objects as go
import pytest

from analysis import palette
from demo import theme

DEMO = theme.STATIC.parent
FILES = sorted(path.relative_to(theme.STATIC).as_posix() for path in theme.STATIC.rglob("*.*s"))
OFFERED = re.compile(r"window\.DiffusionRet = \{ \.\.\.window\.DiffusionRet,([^}]*)\}")
USED = re.compile(r"const \{([^}]*)\}\s*=\s*window\.DiffusionRet\b")


def names(listed: str) -> list[str]:
    return [name.strip() for name in listed.split(",") if name.strip()]


def test_every_file_is_loaded_once():
    assert sorted([*theme.STYLES, *theme.SCRIPTS]) == FILES


def test_a_script_uses_only_what_those_before_it_offer():
    offered: set[str] = set()
    for script in theme.SCRIPTS:
        source = (theme.STATIC / script).read_text(encoding="utf-8")
        used = {name for listed in USED.findall(source) for name in names(listed)}
        assert used <= offered, script
        own = [name for listed in OFFERED.findall(source) for name in names(listed)]
        assert not offered & set(own), f"{script} offers again what another one does"
        offered |= set(own)
    # What the server's part calls by name.
    calls = {
        name
        for path in DEMO.glob("*.py")
        for name in re.findall(r"window\.DiffusionRet\.(\w+)\(", path.read_text(encoding="utf-8"))
    }
    assert calls and calls <= offered


@pytest.mark.parametrize("path", sorted([*DEMO.rglob("*.py"), *DEMO.rglob("*.js"), *DEMO.rglob("*.css")]))
def test_colours_are_the_palette_s(path: Path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"#[0-9a-f]{6}\b", text), "a colour of its own"
    declared = {f"--dr-{name}" for name in [*palette.COLOURS, "sans", "mono"]}
    assert set(re.findall(r"--dr-[a-z]+", text)) <= declared


def test_a_figure_names_its_colours_and_keeps_the_rest():
    figure = go.Figure(go.Scatter(x=[0, 1], y=[0, 1], name="#123456", line=dict(color=palette.LIGHT["rust"])))
    drawn = json.loads(palette.themed(figure.to_json()))["data"][0]
    assert drawn["line"]["color"] == "var(--dr-rust)" and drawn["name"] == "#123456"
    assert len(set(palette.LIGHT.values())) == len(palette.LIGHT), "a colour with two names"


def test_the_page_knows_every_colour_twice():
    light, dark = palette.variables().split(".dark")
    for name, (by_day, by_night) in palette.COLOURS.items():
        assert f"--dr-{name}: {by_day};" in light and f"--dr-{name}: {by_night};" in dark
