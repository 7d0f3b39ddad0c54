"""A picture or clip that a visitor asks by: taken, read, held in memory and forgotten.

Asking is no editing: anybody may, on a page for visitors too. A file lies in a temporary folder while the child that
decodes reads it, and nowhere afterwards; what is held are its features, until they have been asked by once and
described once, or others came after them.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from diffusionret import Retriever, VideoFeatures
from diffusionret.example import MOST_BYTES, example_features
from diffusionret.photo import is_photo

from .questions import Panel
from .shelf import Shelf

PREFIX = "/ask/"
ADDRESS = f"{PREFIX}example"
AT_ONCE = 2  # files that are taken at a time, over all visitors
MOST_HELD = 64
MOST_NAME = 80  # characters
SCRIPT = "window.DiffusionRet.mountExample(element, trigger);"
KINDS = "image/png,image/jpeg,image/webp,image/gif,video/*,.mkv,.ts,.flv"
CONTROL = (
    f'<div class="dr-example"><label class="dr-plain" tabindex="0" data-most="{MOST_BYTES}">'
    f'<input type="file" accept="{KINDS}" aria-label="Search with a picture or clip" tabindex="-1">'
    "<span>or search with a picture or clip</span></label>"
    '<details class="dr-recent" hidden><summary class="dr-plain">Last queries</summary><div></div></details>'
    '<span class="dr-example-said" role="status"></span></div>'
)


class Specimen(NamedTuple):
    """What somebody asks by. name: for reading. noun: "picture" or "clip". key: of the gallery that is asked."""

    features: VideoFeatures
    name: str
    noun: str
    key: str


class Examples:
    """What was sent and not asked by yet, under names that nobody guesses. Safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[str, Specimen] = OrderedDict()

    def hold(self, example: Specimen) -> str:
        """Its name from now on; of more than MOST_HELD the oldest is forgotten."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._held[name] = example
            while len(self._held) > MOST_HELD:
                self._held.popitem(last=False)
        return name

    def take(self, name: object, key: str | None = None) -> Specimen:
        """What was held under a name, for the gallery of a key or for any; it is forgotten. Raises ValueError where
        there is nothing."""
        with self._lock:
            example = self._held.pop(name, None) if isinstance(name, str) else None
        if example is None or key not in (None, example.key):
            raise ValueError("The picture or clip is no longer held: give it again.")
        return example


HELD = Examples()


def description(retriever: Retriever) -> Panel:
    """What "Describe" asks: {"id"} of a clip or {"example"} of what is held, in; the captions that fit it best, out."""

    def describe(asked: object) -> Iterator[list[dict[str, Any]]]:
        asked = asked if isinstance(asked, dict) else {}
        id = asked.get("id")
        if id is None:
            video = HELD.take(asked.get("example")).features
        else:  # of the gallery alone: a text that is none would count as a file of this machine
            retriever.gallery.position(str(id))
            video = str(id)
        yield [caption._asdict() for caption in retriever.describe(video)]

    return describe


_SLOTS = threading.BoundedSemaphore(AT_ONCE)


class Refusal(Exception):
    """A file that is not taken. The text is one sentence; `status` is HTTP's."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def routes(shelf: Shelf) -> list[Route]:
    """The address that takes the body of a request as the file; the query says `name` and the key of the `gallery`."""

    async def take(request: Request) -> Response:
        try:
            if not _SLOTS.acquire(blocking=False):
                raise Refusal(429, "Others are asking by pictures just now: try again in a moment.")
            try:
                return JSONResponse(await _example(request, shelf), headers={"Cache-Control": "no-store"})
            finally:
                _SLOTS.release()
        except Refusal as refusal:
            return JSONResponse({"problem": str(refusal)}, refusal.status, {"Connection": "close"})

    return [Route(ADDRESS, take, methods=["POST"])]


async def _example(request: Request, shelf: Shelf) -> dict[str, str]:
    name, large = clean(request.query_params.get("name", "")), f"at most {MOST_BYTES // 10**6} MB"
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or len(announced) > 15:
        raise Refusal(400, "The length of the file makes no sense.")
    if int(announced) > MOST_BYTES:
        raise Refusal(413, f"{name} is too large to search with: at most {large}.")
    place = shelf.place(request.query_params.get("gallery"))
    with tempfile.TemporaryDirectory(prefix="diffusionret-") as folder:
        path, taken = Path(folder) / name, 0
        try:
            with path.open("xb") as file:
                async for block in request.stream():
                    taken += len(block)
                    if taken > MOST_BYTES:
                        raise Refusal(413, f"{name} is too large to search with: at most {large}.")
                    await asyncio.to_thread(file.write, block)
        except ClientDisconnect:
            raise Refusal(400, f"{name} broke off: give it again.") from None
        if not taken:
            raise Refusal(400, f"{name} is empty.")
        os.utime(path, (0, 0))  # it is complete: nothing waits for more

        def work() -> dict[str, str]:
            features = example_features(shelf.open(place).model, path)
            noun = "picture" if is_photo(str(path)) else "clip"
            return {"example": HELD.hold(Specimen(features, name, noun, place.key)), "noun": noun}

        return await asyncio.to_thread(_sentences, work)


def _sentences(work: Callable[[], dict[str, str]]) -> dict[str, str]:
    try:
        return work()
    except (ValueError, OSError) as error:
        raise Refusal(409, str(error)) from error
    except Exception:
        traceback.print_exc()
        raise Refusal(500, "Something went wrong on the server: try again.") from None


def clean(name: str) -> str:
    """A name for a file of ours from what a browser says: letters, digits and a few signs, no folders."""
    name = name.replace("\\", "/").rpartition("/")[2]
    letters = "".join(c if c.isalnum() or c in " _.-" else " " for c in name)
    words = " ".join(letters.split()).lstrip(". ")
    stem, dot, ending = words.rpartition(".")
    words = f"{stem[:MOST_NAME]}.{ending[:8]}" if dot else words[:MOST_NAME]
    while len(words.encode()) > 200:  # what file systems take, some letters being long
        words = words[1:]
    return words or "picture"
