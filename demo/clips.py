"""Clips as HTML cards. Every text from outside is escaped here."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from .media import clip_url, poster_url


def clock(seconds: float) -> str:
    """Seconds as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def name_of(id: str, caption: str) -> str:
    """What a clip is called where its caption is unknown."""
    return caption or Path(id).stem


def card(
    id: str,
    caption: str,
    path: Path | None,
    poster: Path | None,
    moment: float | None = None,
    above: str = "",
    below: str = "",
    similar: bool = False,
) -> str:
    """One clip. above, below: markup, already escaped, before and after the caption.

    moment: seconds of the best frame, which a chip jumps to. similar: offer clips like this one.
    """
    called = escape(name_of(id, caption), quote=True)
    still = poster_url(id, poster)
    picture = f'<img src="{still}" alt="" loading="lazy" decoding="async">' if still else ""
    chip = expand = alike = ""
    if path and moment is not None:
        chip = (
            '<button type="button" class="dr-moment" '
            f'aria-label="Play from the best moment, {clock(moment)}">{clock(moment)}</button>'
        )
    if path:
        expand = '<button type="button" class="dr-expand" aria-label="Larger view">⤢</button>'
    if similar:
        name = escape(id, quote=True)
        alike = f'<button type="button" class="dr-similar" data-id="{name}">Similar clips</button>'
    at = "" if moment is None else f"{moment:g}"
    return (
        f'<li class="dr-card" data-video="{clip_url(id, path)}" data-poster="{still}" data-moment="{at}" '
        f'data-caption="{called}" data-name="{escape(id, quote=True)}">'
        f'<div class="dr-media"><button type="button" class="dr-open" aria-label="Open clip: {called}">'
        f'{picture}</button><span class="dr-line"><i></i><b></b></span>{chip}{expand}</div>'
        f'<div class="dr-rank">{above}{alike}</div><p class="dr-caption">{called}</p>{below}</li>'
    )


def grid(cards: Iterable[str]) -> str:
    """Cards in a list that fills the width."""
    return f'<ol class="dr-cards">{"".join(cards)}</ol>'
