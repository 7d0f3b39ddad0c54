"""The map of the Gallery tab: training captions, the gallery's clips and the query, in two dimensions.

Fitted once and kept beside the gallery (`python -m demo.map`, or in the background when the map is first opened); the
layout is diffusionret/projection.py's. The query is placed among its nearest captions, and the true neighbours are
listed beside the map, because a map distorts.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from html import escape

import numpy as np
import torch

from diffusionret import Retriever
from diffusionret.projection import Layout, fit, keep, load
from diffusionret.query import check_query

from .clips import name_of
from .media import poster_url
from .questions import Panel

AMID = 5  # nearest drawn captions, in whose middle the query stands
WIDE, HIGH, EDGE = 640, 460, 16
FOLDED = (
    '<div><button type="button" class="dr-plain dr-open-map" aria-expanded="false">Map of captions, clips and this '
    'query</button><div class="dr-map-stand" hidden></div></div>'
)
SCRIPT = "window.DiffusionRet.mountMap(element);"


class _Fitting:
    """One map a retriever: read, or fitted in the background once somebody looks."""

    def __init__(self, retriever: Retriever, read_only: bool) -> None:
        self.retriever, self.read_only = retriever, read_only
        self.layout: Layout | None = None
        self.problem = ""
        self.thread: threading.Thread | None = None
        self.lock = threading.Lock()

    def get(self) -> Layout | None:
        """The map, None while it is being fitted. Raises ValueError where that failed."""
        with self.lock:
            if self.layout is None and self.thread is None:
                self.layout = load(self.retriever)
            if self.layout is None and self.thread is None:
                self.thread = threading.Thread(target=self._fit, name="map", daemon=True)
                self.thread.start()
        if self.problem:
            raise ValueError(self.problem)
        return self.layout

    def _fit(self) -> None:
        try:
            self.layout = fit(self.retriever)
            if self.retriever.gallery.folder is not None and not self.read_only:
                with suppress(OSError):  # where nothing may be written, the next start fits it again
                    keep(self.retriever, self.layout)
        except ImportError:
            self.problem = "The map needs umap-learn: run `pip install umap-learn`."
        except ValueError as error:
            self.problem = str(error)


def panel(retriever: Retriever, read_only: bool = False) -> Panel:
    """The map's panel: a query in, markup out. read_only: a map that is fitted is not kept."""
    fitting = _Fitting(retriever, read_only)

    def locate(query: object) -> Iterator[str]:
        text = check_query(query, blank=True).strip()
        if not len(retriever.gallery):
            raise ValueError("The gallery is empty: there is nothing to map.")
        layout = fitting.get()
        if layout is None:
            yield '<p class="dr-foot is-drawing">The map is being drawn, which takes a minute the first time …</p>'
        else:
            yield page(retriever, layout, text)

    return locate


@torch.no_grad()
def page(retriever: Retriever, layout: Layout, query: str) -> str:
    """The map with the query among its neighbours, and the true neighbours beside it."""
    reference, clips = retriever.detector.reference, retriever.gallery
    near: list[int] = []
    spot, listed = None, ""
    report = retriever.inspect_many([query])[0] if query else None
    if report is not None and not report.rule:
        query = report.searched
        if reference is not None and len(layout.captions):
            placed = reference.place(retriever.model.encode_text([query]).cls)
            near = (
                (placed @ reference.bank[: len(layout.captions)].T)[0]
                .topk(min(AMID, len(layout.captions)))
                .indices.tolist()
            )
            spot = layout.captions[near].mean(axis=0)
        listed = _listed(report.neighbours, retriever.candidates(query, AMID))
    captions = "".join(
        _dot(
            p,
            "is-caption is-near" if i in near else "is-caption",
            2.4,
            reference.texts[i] if reference else "",
        )
        for i, p in enumerate(layout.captions)
    )
    shown = "".join(
        _dot(
            p,
            "is-clip",
            4,
            name_of(clips.ids[i], clips.captions[i]),
            poster_url(clips.ids[i], clips.poster(i)),
            clips.ids[i],
        )
        for i, p in enumerate(layout.clips)
    )
    mark = "" if spot is None else _dot(spot, "is-query", 8, f"This query: {query}")
    key = "".join(
        f'<li style="--colour:{colour}">{what}</li>'
        for colour, what, there in (
            ("var(--dr-mute)", f"{len(layout.captions):,} training captions", len(layout.captions)),
            ("var(--dr-signal)", f"{len(layout.clips):,} clips of the gallery", True),
            ("var(--dr-down)", "this query", spot is not None),
        )
        if there
    )
    return (
        f'<div class="dr-map"><div><svg viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="Map of training captions, '
        f'clips and the query">{captions}{shown}{mark}</svg><ul class="dr-key">{key}</ul></div>'
        '<div><p class="dr-hover">Point at a dot to see what it is; drag over a region to list its clips.</p>'
        f'{listed}<p class="dr-note">{layout.how} of directions, each kind centred by itself. The query stands amid '
        f"its {AMID} nearest drawn captions, circled; a map distorts, the list does not.</p></div></div>"
    )


def _dot(
    place: Sequence[float] | np.ndarray, kind: str, radius: float, name: str, poster: str = "", id: str = ""
) -> str:
    x, y = EDGE + float(place[0]) * (WIDE - 2 * EDGE), EDGE + float(place[1]) * (HIGH - 2 * EDGE)
    picture = f' data-poster="{escape(poster, quote=True)}"' if poster else ""
    picture += f' data-id="{escape(id, quote=True)}"' if id else ""
    told = f'data-name="{escape(name, quote=True)}"{picture}'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" class="{kind}" {told}/>'


def _listed(neighbours: Sequence, hits: Sequence) -> str:
    texts = "".join(f"<li><b>{n.distance:.2f}</b> {escape(n.text)}</li>" for n in neighbours)
    clips = "".join(
        f"<li><b>{hit.similarity:.2f}</b> {escape(name_of(hit.id, hit.caption))}</li>" for hit in hits
    )
    parts = (
        f'<h4>Nearest training captions, by distance</h4><ol class="dr-near">{texts}</ol>' if texts else ""
    )
    return f'{parts}<h4>Most similar clips</h4><ol class="dr-near">{clips}</ol>'


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit the map of a gallery and keep it there."""
    parser = argparse.ArgumentParser(prog="python -m demo.map", description=main.__doc__)
    parser.add_argument("--gallery", help="a folder made by `diffusionret index`; default: the bundled clips")
    parser.add_argument("--model", help="default: the one the gallery was indexed with")
    options = parser.parse_args(arguments)
    try:
        retriever = Retriever.open(options.gallery, options.model, "cpu")
        print(f"Wrote {keep(retriever, fit(retriever)).name}.")
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
