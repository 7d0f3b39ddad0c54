"""The colours and typefaces of figures and app, each written here and nowhere else.

The app's pages take them as variables of their style sheet (`variables`), figures as colours of the light page, which
`themed` turns back into variables for a page that may be dark.
"""

from __future__ import annotations

import re

# name: (on the light page, on the dark one)
COLOURS = {
    "paper": ("#fdfdfc", "#101216"),
    "wash": ("#f3f3f1", "#1a1d23"),
    "ink": ("#15171c", "#eceef1"),
    "soft": ("#5d626d", "#9ba1ac"),
    "line": ("#e1e2e4", "#2a2e36"),
    "mute": ("#b3b7bf", "#4f545f"),
    "signal": ("#3a36d4", "#a5a3ff"),
    "up": ("#0a7352", "#56cfa1"),
    "down": ("#a2452f", "#f0977f"),
    "alarm": ("#a3261d", "#ff9d92"),
    # A tenth and two fifths of the way from wash to signal: the cells of a map.
    "tenth": ("#e1e0ee", "#282a39"),
    "fifths": ("#a5a4e5", "#54557f"),
    # More lines of a figure, told apart by lightness as well as by hue; the same on both pages.
    "rust": ("#b8622b", "#b8622b"),
    "violet": ("#8a5cc2", "#8a5cc2"),
    "slate": ("#7c8087", "#7c8087"),
    "pink": ("#c0447c", "#c0447c"),
    "teal": ("#2f88a8", "#2f88a8"),
    "olive": ("#8b8320", "#8b8320"),
}
LIGHT = {name: light for name, (light, _) in COLOURS.items()}
DARK = {name: dark for name, (_, dark) in COLOURS.items()}
# The system's own: nothing is fetched.
SANS = (
    "-apple-system",
    "BlinkMacSystemFont",
    "Segoe UI",
    "Roboto",
    "Helvetica Neue",
    "Arial",
    "Liberation Sans",
    "sans-serif",
)
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")
VARIABLES = {light: f"var(--dr-{name})" for name, light in LIGHT.items()}


def variables() -> str:
    """The palette as the head of a style sheet; the dark one holds below an element of class "dark"."""
    fonts = {"sans": _family(SANS), "mono": _family(MONO)}
    return f":root {{{_declared(LIGHT | fonts)}\n}}\n.dark {{{_declared(DARK)}\n}}\n"


def themed(figure: str) -> str:
    """A figure's JSON, its colours of the light page named as variables, var(--dr-ink)."""
    return re.sub(r'"(#[0-9a-f]{6})"', lambda match: f'"{VARIABLES.get(match[1], match[1])}"', figure)


def _declared(values: dict[str, str]) -> str:
    return "".join(f"\n  --dr-{name}: {value};" for name, value in values.items())


def _family(names: tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' if " " in name else name for name in names)
