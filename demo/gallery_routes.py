"""The addresses of the Gallery tab: what anybody may read, and what only those may do who may edit.

Every editing endpoint is a line of ACTIONS, or `upload`, or `storage`; all of them ask the one permission before
anything of the request is looked at.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from diffusionret import Gallery
from diffusionret.inventory import change, forget
from diffusionret.query import check_number

from . import gallery_upload, gallery_watch
from .gallery_choice import Choice
from .gallery_copies import Copies
from .gallery_job import Jobs, Order
from .gallery_state import MOST_SHOWN, mark, page, state, storage
from .permission import Permission
from .shelf import MOST_NAME, Place, Shelf, new_folder

PREFIX = "/gallery/"
UPLOAD = f"{PREFIX}upload"
MOST_BODY = 100_000  # bytes of what an editor says, files aside
MOST_PATH = 4096  # characters
MOST_PLACES = 100  # galleries


class Refused(Exception):
    """What is not done. The text is a sentence for the page; `status` is HTTP's."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Tab:
    """What the tab works on: the galleries, who may change them, and what is being done to them."""

    def __init__(self, shelf: Shelf, permission: Permission) -> None:
        self.shelf, self.permission = shelf, permission
        self.copies = Copies()
        self.jobs = Jobs(shelf, self.copies.make)
        self.videos: Path | None = None
        self._watches: dict[tuple[str, str], gallery_watch.Watch] = {}

    def begin(self, videos: Path | None = None) -> None:
        """Take up what earlier runs of the app left, where somebody may edit.

        videos: a folder for the first gallery, which is brought up to date, or offered where no model is chosen yet.
        """
        if self.permission.visitors:
            return
        self.videos = videos
        first = self.shelf.place(None)
        if videos is not None and first.folder is not None and (first.is_made or self.shelf.model):
            self.jobs.start(first, Order(videos, self.shelf.model or ""))
        for place in list(self.shelf.places.values()):
            if place.folder is not None and place.is_made:
                gallery_upload.leftovers(place.folder)
                for folder in gallery_watch.read(place.folder):
                    self.watch(place, folder)

    def close(self) -> None:
        """Look at no folder any more."""
        for watch in self._watches.values():
            watch.close()
        self._watches.clear()

    def watched(self, place: Place) -> list[str]:
        """The folders that are watched for a gallery."""
        return sorted(folder for key, folder in self._watches if key == place.key)

    def watch(self, place: Place, folder: str) -> None:
        """Watch a folder for a gallery that is made."""
        if (place.key, folder) not in self._watches:

            def act(changed: Path) -> None:
                self.jobs.start(place, Order(changed, ""))

            self._watches[place.key, folder] = gallery_watch.Watch(Path(folder), act)

    def unwatch(self, place: Place, folder: str) -> None:
        """Watch a folder no more, one of `watched`."""
        self._watches.pop((place.key, folder)).close()


class Call(NamedTuple):
    """What an editor asks: the tab, the gallery of the request, and what it says."""

    tab: Tab
    place: Place
    said: dict[str, Any]

    def text(self, name: str, most: int = MOST_PATH) -> str:
        """A text of the request. Raises Refused."""
        value = self.said.get(name, "")
        if not isinstance(value, str) or len(value) > most:
            raise Refused(400, f"The request needs “{name}”, a text of at most {most:,} characters.")
        return value.strip()

    def some(self, name: str) -> str | None:
        """As `text`, None where the request does not say it."""
        return self.text(name) if name in self.said else None

    def folder(self) -> Path:
        """The gallery's folder. Raises Refused for one that stays as it is."""
        if self.place.folder is None:
            raise Refused(409, "This gallery comes with the app and stays as it is: make one of your own.")
        return self.place.folder

    def uris(self) -> list[str]:
        """The files that the request names by their marks. Raises Refused for one that the gallery does not hold."""
        marks = self.said.get("marks")
        if not isinstance(marks, list) or not 0 < len(marks) <= 1000:
            raise Refused(400, "The request names no files.")
        gallery = Gallery.open(self.folder())
        known = [gallery.uri(i) for i in range(len(gallery))]
        known += [failure.uri for failure in gallery.failures] + [row.uri for row in gallery.hidden]
        by_mark = {mark(uri): uri for uri in known}
        if missing := [name for name in marks if name not in by_mark]:
            raise Refused(
                404, f"The gallery no longer holds {len(missing)} of these files: load the page again."
            )
        return [by_mark[name] for name in marks]


# --- what an editor may do ------------------------------------------------------------------------------


def make(call: Call) -> dict:
    """A new gallery, empty: {"key"}."""
    name = call.text("name", MOST_NAME) or "My videos"
    if len(call.tab.shelf.places) >= MOST_PLACES:
        raise Refused(409, f"There are {MOST_PLACES} galleries already.")
    folder = new_folder(name)
    folder.mkdir(parents=True)
    return {"key": call.tab.shelf.add(folder, name).key}


def index(call: Call) -> dict:
    """Index a folder or a file by its path, or with "uploads" what was dropped; long ones by their "spans"."""
    folder, model = call.folder(), call.text("model")
    if call.said.get("uploads") is True:
        videos = folder / gallery_upload.UPLOADS
    else:
        videos = _videos(call)
    if not call.place.is_made and not (model or call.tab.shelf.model):
        raise Refused(400, "Choose a model first.")
    call.tab.jobs.start(call.place, Order(videos, call.tab.shelf.model or model, call.text("spans")))
    return {}


def stop(call: Call) -> dict:
    """End what runs."""
    call.tab.jobs.stop(call.place)
    return {}


def resume(call: Call) -> dict:
    """Go on with what was stopped."""
    call.tab.jobs.resume(call.place)
    return {}


def remove(call: Call) -> dict:
    """Forget files: their rows, posters and copies, and the file itself only where it was dropped here."""
    folder, uris = call.folder(), call.uris()
    for row in forget(folder, uris):
        call.tab.copies.drop(folder, row.uri)
        file = folder / row.uri
        if file.parent == folder / gallery_upload.UPLOADS and not file.is_dir():
            file.unlink(missing_ok=True)
    call.tab.shelf.reopen(call.place)
    return {"removed": len(uris)}


def hide(call: Call) -> dict:
    """Take files out of the search, or with "hidden": false bring them back."""
    change(call.folder(), call.uris(), hidden=call.said.get("hidden") is not False)
    call.tab.shelf.reopen(call.place)
    return {}


def rename(call: Call) -> dict:
    """Give one file a title or a caption; "" brings back what the file itself says."""
    uris = call.uris()
    if len(uris) != 1:
        raise Refused(400, "One file has one name: choose one.")
    change(call.folder(), uris, call.some("title"), call.some("caption"))
    call.tab.shelf.reopen(call.place)
    return {}


def watch(call: Call) -> dict:
    """Watch a folder, and index it now; or with "mark" watch it no more."""
    folder, tab = call.folder(), call.tab
    if name := call.text("mark"):
        for watched in tab.watched(call.place):
            if mark(watched) == name:
                tab.unwatch(call.place, watched)
    else:
        videos = _videos(call)
        if not videos.is_dir():
            raise Refused(404, "Only a folder can be watched.")
        if not call.place.is_made:
            raise Refused(409, "Index a folder first: a gallery's first run chooses its model.")
        if len(tab.watched(call.place)) >= gallery_watch.MOST:
            raise Refused(409, f"A gallery watches at most {gallery_watch.MOST} folders.")
        tab.jobs.start(call.place, Order(videos, "", call.text("spans")))
        tab.watch(call.place, str(videos))
    gallery_watch.keep(folder, tab.watched(call.place))
    return {}


ACTIONS: dict[str, Callable[[Call], dict]] = {
    "make": make, "index": index, "stop": stop, "resume": resume, "remove": remove, "hide": hide, "rename": rename,
    "watch": watch,
}  # fmt: skip


def _videos(call: Call) -> Path:
    text = call.text("folder")
    if not text or "\0" in text:
        raise Refused(400, "Give the path of a folder of videos.")
    path = Path(text).expanduser()
    try:
        videos = path.resolve()
        exists = videos.exists()
    except OSError:
        exists = False
    if not path.is_absolute() or not exists:
        raise Refused(404, "There is no such folder: give its full path, for example /home/me/Videos.")
    return videos


# --- the addresses --------------------------------------------------------------------------------------


def routes(tab: Tab) -> list[Route]:
    """All addresses of the tab."""

    def place_of(request: Request) -> Place:
        return tab.shelf.place(request.query_params.get("gallery"))

    def refuse_visitors(request: Request) -> None:
        if refusal := tab.permission.refusal(request):
            raise Refused(403, refusal)

    def read_state(request: Request) -> dict:
        place, refusal = place_of(request), tab.permission.refusal(request)
        watched = [] if refusal else tab.watched(place)
        content = state(tab.shelf, place, tab.jobs.state(place), refusal, watched)
        if not refusal and tab.videos is not None and place is tab.shelf.place(None) and not place.is_made:
            content["videos"] = str(tab.videos)
        return content

    def read_clips(request: Request) -> dict:
        place, asked = place_of(request), request.query_params
        text = asked.get("shown", "60")
        shown = check_number("shown", int(text) if text.isdecimal() and len(text) < 9 else 60, 1, MOST_SHOWN)
        editable = place.folder is not None and not tab.permission.refusal(request)
        gallery = tab.shelf.open(place).gallery
        return page(gallery, Choice.of(asked), shown, asked.get("grouped") == "1", editable)

    def read_storage(request: Request) -> dict:
        refuse_visitors(request)
        return storage(place_of(request))

    async def upload(request: Request) -> Response:
        async def work() -> dict:
            refuse_visitors(request)
            place = place_of(request)
            if place.folder is None:
                raise Refused(
                    409, "This gallery comes with the app and stays as it is: make one of your own."
                )
            return {"name": await gallery_upload.take(request, place)}

        try:
            return JSONResponse(await work())
        except (Refused, gallery_upload.Refusal) as refusal:
            return _sentence(refusal.status, str(refusal))

    def action(name: str) -> Route:
        async def act(request: Request) -> Response:
            if refusal := tab.permission.refusal(request):
                return _sentence(403, refusal)
            try:
                said = await _said(request)
            except Refused as refused:
                return _sentence(refused.status, str(refused))
            call = Call(tab, place_of(request), said)
            return await asyncio.to_thread(_answer, lambda: ACTIONS[name](call))

        return Route(f"{PREFIX}{name}", act, methods=["POST"])

    def reading(name: str, read: Callable[[Request], dict]) -> Route:
        return Route(f"{PREFIX}{name}", lambda request: _answer(lambda: read(request)), methods=["GET"])

    return [
        reading("state", read_state),
        reading("clips", read_clips),
        reading("storage", read_storage),
        Route(UPLOAD, upload, methods=["POST"]),
        *(action(name) for name in ACTIONS),
    ]


def _answer(work: Callable[[], dict]) -> Response:
    try:
        return JSONResponse(work(), headers={"Cache-Control": "no-store"})
    except Refused as refused:
        return _sentence(refused.status, str(refused))
    except (ValueError, OSError) as error:
        return _sentence(409, str(error))
    except Exception:
        traceback.print_exc()
        return _sentence(500, "Something went wrong on the server: try again.")


def _sentence(status: int, sentence: str) -> Response:
    # What was not read of the body is not waited for.
    return JSONResponse({"problem": sentence}, status, {"Connection": "close"} if status != 409 else None)


async def _said(request: Request) -> dict[str, Any]:
    body = b""
    try:
        async for block in request.stream():
            body += block
            if len(body) > MOST_BODY:
                raise Refused(413, f"A request may hold at most {MOST_BODY // 1000} kilobytes.")
    except ClientDisconnect:
        raise Refused(400, "The request broke off.") from None
    try:
        content = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        raise Refused(400, "The request is not valid JSON.") from None
    if not isinstance(content, dict):
        raise Refused(400, "The request is no JSON object.")
    return content
