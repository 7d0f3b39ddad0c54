"""Clips as HTML cards. Every text from outside is escaped here."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from diffusionret.spans import Span

from .media import clip_url, poster_url


def clock(seconds: float) -> str:
    """Seconds as m:ss, from an hour on as h:mm:ss."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def name_of(id: str, caption: str) -> str:
    """What a clip is called: by its caption, where that is unknown by its id; a span of a long video also by when it
    begins."""
    video, _, second = id.partition("@")
    name = caption or Path(video).stem
    return f"{name.rstrip('.')}, at {clock(int(second))}" if second.isdecimal() else name


def card(
    id: str,
    caption: str,
    path: Path | None,
    poster: Path | None,
    moment: float | None = None,
    above: str = "",
    below: str = "",
    similar: bool = False,
    span: Span | None = None,
    timeline: str = "",
    save: str = "",
    lists: str = "",
    called: str = "",
) -> str:
    """One clip. above, below: markup, already escaped, before and after the caption.

    moment: seconds of the best frame, which a chip jumps to. similar: offer clips like this one. span: the part of a
    long video that this is, where it starts to play; the chip then says from when to when. timeline: markup of all
    parts that match (`spans.timeline`). save: address of the clip cut out, "" for none. lists: its cut lists by kind,
    as JSON. called: what it is called, "" for `name_of` it.
    """
    called = escape(called or name_of(id, caption), quote=True)
    still = poster_url(id, poster)
    picture = f'<img src="{still}" alt="" loading="lazy" decoding="async">' if still else ""
    chip = expand = alike = ""
    if path and span is not None:
        from_to = f"{clock(span.start)} – {clock(span.end)}"
        chip = (
            f'<button type="button" class="dr-moment" aria-label="Play the part from {clock(span.start)} to '
            f'{clock(span.end)}">{from_to}</button>'
        )
    elif path and moment is not None:
        chip = (
            '<button type="button" class="dr-moment" '
            f'aria-label="Play from the best moment, {clock(moment)}">{clock(moment)}</button>'
        )
    if path:
        expand = '<button type="button" class="dr-expand" aria-label="Larger view">⤢</button>'
    if similar:
        name = escape(id, quote=True)
        alike = f'<button type="button" class="dr-similar" data-id="{name}">Similar clips</button>'
    keep = ""
    if save:
        keep = f'<a class="dr-save" href="{save}" download aria-label="Save clip: {called}">Save clip</a>'
    at = "" if moment is None else f"{moment:g}"
    part = "" if span is None else f' data-start="{span.start:g}" data-end="{span.end:g}"'
    part += f' data-lists="{escape(lists, quote=True)}"' if lists else ""
    return (
        f'<li class="dr-card" data-video="{clip_url(id, path)}" data-poster="{still}" data-moment="{at}" '
        f'data-caption="{called}" data-name="{escape(id, quote=True)}"{part}>'
        f'<div class="dr-media"><button type="button" class="dr-open" aria-label="Open clip: {called}">'
        f'{picture}</button><span class="dr-line"><i></i><b></b></span>{chip}{expand}{keep}</div>{timeline}'
        f'<div class="dr-rank">{above}{alike}</div><p class="dr-caption">{called}</p>{below}</li>'
    )


def grid(cards: Iterable[str]) -> str:
    """Cards in a list that fills the width."""
    return f'<ol class="dr-cards">{"".join(cards)}</ol>'
