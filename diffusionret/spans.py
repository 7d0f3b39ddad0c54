"""Spans: the parts of a video that are searched one by one. Fixed windows that overlap, shots, or the whole video."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

DEFAULT = "30s"
LEAST, MOST = 4, 3600  # seconds of a window
OVERLAP = (
    1 / 6
)  # of a window that the next one shows again, so that what happens at a border is whole in one of them
BRIEF = 10.0  # seconds: a video as short as this is one span, whatever happens in it
SHOT_LEAST, SHOT_MOST = (
    1.0,
    60.0,
)  # seconds of a shot; shorter ones join the one before, longer ones are divided


class Span(NamedTuple):
    """A part of a video, in seconds on the player's clock; what is on screen at `end` does not belong to it."""

    start: float
    end: float


@dataclass(frozen=True)
class Division:
    """How videos are divided. text: as `of` takes it. window: seconds of a span at most; 0 for whole videos."""

    text: str
    window: float
    shots: bool = False

    @classmethod
    def of(cls, text: str) -> Division:
        """text: "whole", "shots", or the seconds of a window, from LEAST to MOST, as "30s".

        Raises ValueError for anything else.
        """
        text = text.strip().lower()
        if text == "whole":
            return cls(text, 0.0)
        if text == "shots":
            return cls(text, SHOT_MOST, shots=True)
        if (match := re.fullmatch(r"(\d{1,6})s", text)) and LEAST <= int(match[1]) <= MOST:
            return cls(f"{int(match[1])}s", float(match[1]))
        raise ValueError(
            f"Spans are {text!r}: choose whole, shots, or windows of {LEAST}s to {MOST}s, such as {DEFAULT}."
        )

    def leaves_whole(self, duration: float) -> bool:
        """Whether a video of so many seconds is one span, whatever it shows."""
        return not self.window or duration <= (BRIEF if self.shots else self.window)

    def spans(self, duration: float, cuts: Sequence[float] = ()) -> list[Span]:
        """The spans of a video, in order, at least one; together they cover it.

        duration: seconds, above 0. cuts: seconds at which a shot begins, ascending; of use for shots only.
        """
        if self.leaves_whole(duration):
            return [Span(0.0, duration)]
        if not self.shots:
            return windows(Span(0.0, duration), self.window)
        return [part for shot in shots(duration, cuts) for part in windows(shot, SHOT_MOST)]


def windows(whole: Span, longest: float) -> list[Span]:
    """Equal parts of `whole` of at most `longest` seconds, each of which shows OVERLAP x `longest` of the one before.

    Equal, so that none is a scrap at the end. Borders are rounded to milliseconds, but for those of `whole`.
    """
    duration = whole.end - whole.start
    if duration <= longest:
        return [whole]
    overlap = OVERLAP * longest
    count = math.ceil((duration - overlap) / (longest - overlap))
    step = (duration - overlap) / count
    starts = [whole.start + round(i * step, 3) for i in range(count)]
    ends = [round(start + step + overlap, 3) for start in starts[:-1]]
    return [Span(start, end) for start, end in zip(starts, [*ends, whole.end], strict=True)]


def shots(duration: float, cuts: Sequence[float]) -> list[Span]:
    """The shots between `cuts`, seconds in ascending order. One shorter than SHOT_LEAST joins the one before."""
    borders = [0.0]
    for cut in cuts:
        if cut - borders[-1] >= SHOT_LEAST and duration - cut >= SHOT_LEAST:
            borders.append(round(cut, 3))
    return [Span(start, end) for start, end in zip(borders, [*borders[1:], duration], strict=True)]


def span_id(video: str, span: Span, count: int) -> str:
    """The id of a span of the video whose id is `video`, one of `count`; ids of videos hold no @.

    Whole seconds tell spans apart, because none begins within a second of another.
    """
    return video if count == 1 else f"{video}@{int(span.start)}"


def video_id(id: str) -> str:
    """The id of the video that a span's id belongs to."""
    return id.partition("@")[0]
