"""Which files the page may fetch: clips and posters that the gallery lists, by id, and a few of the app's own.

Never by path: a folder of clips may hold anything beside them, and where it lies is nobody's concern.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import plotly
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from diffusionret import Gallery

from . import cuts

# Plotly's own script, as its package brings it: served from here, fetched from nowhere.
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
PLOTLY_URL = "media/plotly.min.js"
# What a browser is told of a clip, by the end of its name; nothing else is ever claimed of a file of somebody's.
KINDS = {".webm": "video/webm", ".mkv": "video/x-matroska", ".ogv": "video/ogg", ".gif": "image/gif"}
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache"}


def clip_url(id: str, path: Path | None) -> str:
    """Where the browser finds a clip, "" for none. path: its file, None in memory."""
    return f"media/clips/{quote(id, safe='')}" if path else ""


def cut_url(id: str, path: Path | None) -> str:
    """Where the browser finds the clip cut out of its file, "" for none. path: the file, None in memory."""
    return f"media/cuts/{quote(id, safe='')}" if path else ""


def poster_url(id: str, path: Path | None) -> str:
    """Where the browser finds a poster, "" for none. path: its file, None where there is none."""
    return f"media/posters/{quote(id, safe='')}" if path else ""


def routes(gallery: Gallery) -> list[Route]:
    """The addresses of `clip_url`, `cut_url`, `poster_url` and PLOTLY_URL. Links to files are followed; parts of a clip
    may be asked for (Range), as players do."""

    def position(request: Request) -> int | None:
        try:
            return gallery.position(request.path_params["id"])
        except ValueError:
            return None

    def clip(request: Request) -> Response:
        place = position(request)
        path = None if place is None else gallery.path(place)
        return _file(path, KINDS.get(path.suffix.lower(), "video/mp4") if path else "")

    def poster(request: Request) -> Response:
        place = position(request)
        try:
            path = None if place is None else gallery.poster(place)
        except OSError:  # a folder that cannot be read
            path = None
        return _file(path, "image/jpeg")

    def cut(request: Request) -> Response:
        place = position(request)
        path = None if place is None else gallery.path(place)
        if place is None or path is None:
            return _file(None, "")
        return cuts.answer(path, gallery.ids[place], gallery.spans[place])

    def script(request: Request) -> Response:
        return _file(PLOTLY, "text/javascript")

    return [
        Route("/media/clips/{id}", clip),
        Route("/media/cuts/{id}", cut),
        Route("/media/posters/{id}", poster),
        Route(f"/{PLOTLY_URL}", script),
    ]


def _file(path: Path | None, kind: str) -> Response:
    try:
        if path is not None and path.is_file():
            return FileResponse(path, media_type=kind, headers=HEADERS)
    except OSError:
        pass  # out of reach is as good as gone
    return PlainTextResponse("There is no such file.", 404)
