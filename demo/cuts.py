"""A clip cut out of its file for a visitor: a few at a time, in a process that may die, and kept nowhere."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.responses import FileResponse, PlainTextResponse, Response

from diffusionret.cutting import SUFFIX, cut
from diffusionret.spans import Span
from diffusionret.video import VideoError

MOST_AT_ONCE = 2  # over all visitors
MOST_SECONDS = 600.0  # of a clip; longer ones are cut on the command line
TIMEOUT = 60.0  # seconds that cutting one may take
_PLACES = threading.BoundedSemaphore(MOST_AT_ONCE)


def answer(path: Path, id: str, span: Span) -> Response:
    """The clip as a file to be saved, or a sentence: 413 too long, 422 it cannot be cut, 503 others are being cut.

    path: the file that holds it. id: of the clip, which names what is saved.
    """
    if span.end - span.start > MOST_SECONDS:
        return _sentence(413, f"A clip of more than {MOST_SECONDS / 60:.0f} minutes is not cut here.")
    if not _PLACES.acquire(blocking=False):
        return _sentence(503, "Other clips are being cut: try again in a moment.", {"Retry-After": "5"})
    folder = None
    try:
        folder = tempfile.TemporaryDirectory(prefix="diffusionret-", ignore_cleanup_errors=True)
        part = Path(folder.name) / f"clip{SUFFIX}"
        cut(path, span.start, span.end, part, TIMEOUT)
        name = quote(f"{id}{SUFFIX}", safe="")
        headers = {
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        }
        response = FileResponse(part, media_type="video/mp4", headers=headers)
        response.background = BackgroundTask(folder.cleanup)
        folder = None  # it goes when the file is sent
        return response
    except VideoError as error:
        return _sentence(422, str(error))
    except (OSError, ValueError):
        return _sentence(422, "This clip cannot be cut out.")
    finally:
        _PLACES.release()
        if folder is not None:
            folder.cleanup()


def _sentence(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(sentence, status, {"Cache-Control": "no-store", **(headers or {})})
