"""Where one shot of a film follows another. Runs in the child that decodes."""

from __future__ import annotations

import contextlib
from fractions import Fraction

import numpy as np

from .film import Film, Table

# How much of a picture must change from one frame to the next for a cut, in [0, 1]: what FFmpeg's own detector takes.
CHANGE = 0.1
SIDE = 160  # pixels of the pictures that are compared
TICK = Fraction(1, 1000)


def scene_changes(film: Film, table: Table, start: float, end: float) -> list[float]:
    """When one shot follows another in the moment from `start` to just before `end`: seconds, ascending.

    film: just opened. table: its frames. Every frame of the moment is decoded. FFmpeg's measure: how much the picture
    differs from the one before, less what changes all the time.
    """
    from av.filter import Graph
    from av.video.format import VideoFormat

    graph = Graph()
    source = graph.add_buffer(width=SIDE, height=SIDE, format=VideoFormat("yuv420p"), time_base=TICK)
    graph.link_nodes(
        source, graph.add("select", f"gt(scene\\,{CHANGE})"), graph.add("buffersink")
    ).configure()
    first = max(int(np.searchsorted(table.seconds, start)) - 1, 0)  # one before, to compare with
    keys = [stamp for number, stamp in table.keys if number <= first]
    if keys and table.place is not None and not table.restarts:
        film.seek(keys[-1])
    changes: list[float] = []
    for counter, frame in enumerate(film.frames()):
        number = counter if table.place is None else table.place.get(frame.pts)
        if number is None or not first <= number < len(table.seconds):
            continue
        second = float(table.seconds[number])
        if second >= end:
            break
        small = frame.reformat(SIDE, SIDE, "yuv420p", interpolation="FAST_BILINEAR")
        small.pts, small.time_base = number, TICK
        graph.push(small)
        with contextlib.suppress(OSError, EOFError):  # nothing comes out where nothing changes
            graph.pull()
            if second >= start:
                changes.append(second)
    return changes
