"""Names of colours: what the world would show for each, by distance and by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import XKCD_COLORS, to_rgb
from skimage.color import deltaE_ciede2000, rgb2lab

from diffusionret.datasets.storybook import captions, palette

from . import tables
from .entry import Entry

# What the world does not paint, beside what it does.
NEUTRAL = {"black": "#101010", "grey": "#808080", "brown": "#7b4a21", "beige": "#d9c6a0"}
FARTHEST = 22.0  # CIEDE2000 distance beyond which a colour is none of the world's; set by eye
NEAR = 1.2  # a second colour counts where its distance is within this factor of the nearest


@dataclass(frozen=True)
class Swatch:
    """A name with the colour that XKCD's visitors gave it; rgb is None for names by hand."""

    name: str
    rgb: tuple[float, float, float] | None
    values: tuple[str, ...]  # none: the world lacks it
    why: str  # "words", "hand" or "distance"


def _own() -> dict[str, str]:
    """The grammar's own words, and what English derives from its plainest ones, with their colours."""
    own = {
        word: value
        for style in captions.STYLES
        for (name, value), options in captions.wordings(style).items()
        if name == "colour"
        for word in options
    }
    derived = dict(
        red="reddish reddy", blue="bluish bluey", green="greenish greeny", yellow="yellowish yellowy",
        orange="orangish orangey orangeish", purple="purplish purpley purply purpleish", pink="pinkish pinky",
        white="whitish",
    )  # fmt: skip
    return own | {word: value for value, words in derived.items() for word in words.split()}


def nearest(rgb: tuple[float, float, float]) -> tuple[str, ...]:
    """The painted colours that a colour is nearest to, one or two; none where one of the neutral ones is nearer,
    or all are too far."""
    painted = palette.ACTOR | {name: to_rgb(code) for name, code in NEUTRAL.items()}
    lab = rgb2lab(np.array([rgb, *painted.values()])[None])[0]
    distances = deltaE_ciede2000(lab[:1], lab[1:])
    order = [list(painted)[i] for i in np.argsort(distances)]
    distances = np.sort(distances)
    if order[0] in NEUTRAL or distances[0] > FARTHEST:
        return ()
    second = distances[1] <= NEAR * distances[0] and order[1] not in NEUTRAL
    return tuple(order[: 2 if second else 1])


def swatches() -> Iterator[Swatch]:
    """Every name that is kept, XKCD's first."""
    own, hand = _own(), {}
    dropped, throughout = set(), set()
    for key, words in tables.read("colours"):
        if key.startswith("dropped"):
            dropped |= set(words)
            throughout |= set(words) if "compounds" in key else set()
        else:
            hand |= {word: () if key == "lacking" else tables.values(key) for word in words}
    grammar = {
        word for style in captions.STYLES for options in captions.wordings(style).values() for word in options
    }
    known = {name.removeprefix("xkcd:").replace("/", " ").replace("'", ""): to_rgb(code)
             for name, code in XKCD_COLORS.items()}  # fmt: skip
    for name, rgb in known.items():
        if name not in grammar and name not in dropped and not set(name.split()) & throughout:
            yield Swatch(name, rgb, *_values(name, known, own, hand))
    for name, colours in hand.items():
        if name.replace("-", " ") not in known and name not in grammar and name not in dropped:
            yield Swatch(name, None, colours, "hand")


def _values(
    name: str,
    known: dict[str, tuple[float, float, float]],
    own: dict[str, str],
    hand: dict[str, tuple[str, ...]],
) -> tuple[tuple[str, ...], str]:
    """What a name says, and why: the hand table; then the words of a compound, its last one, which names it, and
    beside it the grammar's own; then distance."""
    if name in hand:
        return hand[name], "hand"
    words = name.split()
    head = words[-1]
    if head in own:
        values = dict.fromkeys([own[head], *(own[word] for word in words if word in own)])
        return tuple(values), "words"
    if len(words) > 1 and (head in hand or head in known):
        return _values(head, known, own, hand)
    return nearest(known[name]), "distance"


def entries() -> Iterator[tuple[Entry, bool]]:
    """The names of colours, and whether each may be held out: one that holds a word of the grammar is not unseen."""
    own = _own()
    for swatch in swatches():
        source = "hand" if swatch.rgb is None else "xkcd"
        facts = (("colour", swatch.values),) if swatch.values else ()
        lacks = "" if swatch.values else "colour"
        unseen = not set(swatch.name.replace("-", " ").split()) & set(own)
        yield Entry(swatch.name, (), facts, lacks, source), unseen
