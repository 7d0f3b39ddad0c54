"""Which files the page may fetch: clips and posters that the gallery lists, by id, and a few of the app's own.

Never by path: a folder of clips may hold anything beside them, and where it lies is nobody's concern.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

import plotly
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from diffusionret import Gallery

from . import cuts
from .gallery_copies import copy_file
from .shelf import Shelf

# Plotly's own script, as its package brings it: served from here, fetched from nowhere.
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
PLOTLY_URL = "media/plotly.min.js"
# What a browser is told of a clip, by the end of its name; nothing else is ever claimed of a file of somebody's.
KINDS = {".webm": "video/webm", ".mkv": "video/x-matroska", ".ogv": "video/ogg", ".gif": "image/gif"}
SECRET = secrets.token_bytes(16)  # so that what stands for a file's place says nothing of it
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache"}


def clip_url(id: str, path: Path | None) -> str:
    """Where the browser finds a clip, "" for none. path: its file, None in memory."""
    return f"media/clips/{quote(id, safe='')}?of={_mark(path)}" if path else ""


def cut_url(id: str, path: Path | None) -> str:
    """Where the browser finds the clip cut out of its file, "" for none. path: the file, None in memory."""
    return f"media/cuts/{quote(id, safe='')}?of={_mark(path)}" if path else ""


def poster_url(id: str, path: Path | None) -> str:
    """Where the browser finds a poster, "" for none. path: its file, None where there is none."""
    return f"media/posters/{quote(id, safe='')}?of={_mark(path)}" if path else ""


def routes(shelf: Shelf) -> list[Route]:
    """The addresses of `clip_url`, `cut_url`, `poster_url` and PLOTLY_URL. Links to files are followed; parts of a clip
    may be asked for (Range), as players do. An id of several galleries is told apart by `of`."""

    def holders(request: Request) -> Iterator[tuple[Gallery, int]]:
        for place in list(shelf.places.values()):
            if place.retriever is not None:
                gallery = place.retriever.gallery
                try:
                    yield gallery, gallery.position(request.path_params["id"])
                except ValueError:
                    continue

    def is_meant(request: Request, path: Path) -> bool:
        return request.query_params.get("of", _mark(path)) == _mark(path)

    def clip(request: Request) -> Response:
        for gallery, position in holders(request):
            path = gallery.path(position)
            if path is not None and is_meant(request, path):
                copy = copy_file(gallery.folder, gallery.uri(position)) if gallery.folder else None
                if copy is not None and copy.is_file():
                    path = copy
                return _file(path, KINDS.get(path.suffix.lower(), "video/mp4"))
        return _file(None, "")

    def poster(request: Request) -> Response:
        for gallery, position in holders(request):
            try:
                path = gallery.poster(position)
            except OSError:  # a folder that cannot be read
                continue
            if path is not None and is_meant(request, path):
                return _file(path, "image/jpeg")
        return _file(None, "")

    def cut(request: Request) -> Response:
        for gallery, position in holders(request):
            path = gallery.path(position)
            if path is not None and is_meant(request, path):
                return cuts.answer(path, gallery.ids[position], gallery.spans[position])
        return _file(None, "")

    def script(request: Request) -> Response:
        return _file(PLOTLY, "text/javascript")

    return [
        Route("/media/clips/{id}", clip),
        Route("/media/cuts/{id}", cut),
        Route("/media/posters/{id}", poster),
        Route(f"/{PLOTLY_URL}", script),
    ]


def _mark(path: Path) -> str:
    return blake2b(str(path).encode(errors="surrogateescape"), key=SECRET, digest_size=6).hexdigest()


def _file(path: Path | None, kind: str) -> Response:
    try:
        if path is not None and path.is_file():
            return FileResponse(path, media_type=kind, headers=HEADERS)
    except OSError:
        pass  # out of reach is as good as gone
    return PlainTextResponse("There is no such file.", 404)
