"""The timeline of a long video: where in it the parts lie that match."""

from __future__ import annotations

from collections.abc import Sequence

from diffusionret import Hit

from .clips import clock


def timeline(best: Hit, spans: Sequence[Hit]) -> str:
    """A bar as wide as the video is long, with a button for every matching span, which plays it; "" for a video that is
    one span. Markup.

    best: the hit that the card shows, marked as such. spans: all hits of the file, by their start.
    """
    if best.path is None or best.is_whole or best.duration <= 0:
        return ""
    marks = "".join(_mark(hit, hit.id == best.id) for hit in spans)
    parts = "1 matching part" if len(spans) == 1 else f"{len(spans)} matching parts"
    return (
        f'<div class="dr-timeline" role="group" aria-label="{parts} of {clock(best.duration)}">'
        f'<span class="dr-timeline-bar"></span>{marks}</div>'
    )


def _mark(hit: Hit, is_best: bool) -> str:
    left, width = (100 * seconds / hit.duration for seconds in (hit.start, hit.end - hit.start))
    said = f"{clock(hit.start)} to {clock(hit.end)}{', the best part' if is_best else ''}"
    return (
        f'<button type="button" class="dr-mark{" is-best" if is_best else ""}" style="left:{left:.3f}%;'
        f'width:{width:.3f}%" data-start="{hit.start:g}" data-end="{hit.end:g}" aria-label="Play {said}" '
        f'title="{said}"></button>'
    )
