"""Which requests reach Gradio: those that the page and its endpoint need, and none that names a file.

Gradio also takes uploads, serves and fetches files, keeps deep links, and answers outside its queue. This app does none
of that, so that nothing a visitor sends is written here, and nothing is fetched on a visitor's behalf.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX = "/gradio_api/"
OPEN = ("queue/join", "queue/data", "queue/status", "call/", "info", "openapi.json", "heartbeat/", "startup-events",
        "reset", "cancel", "app_id", "user", "token", "login_check", "theme.css")  # fmt: skip
CLOSED = ("/monitoring", "/runs", "/logout")  # outside of the prefix
LOGIN = "/login"  # open where there is one
# What the Gallery tab asks for (gallery_routes.py), and pictures to ask by (example.py): they refuse by themselves.
OWN = ("/gallery/", "/ask/")
UNREAD = 200  # messages that a session may leave unread, a few an answer
MOST_UNREAD = 4000  # over all sessions; beyond it those that do not listen are forgotten
WAIT = 3.0  # seconds: a page asks first and listens then


class Readers:
    """Which sessions listen to their answers. Safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: Counter[str] = Counter()

    def __contains__(self, session: str) -> bool:
        return session in self._streams

    def open(self, session: str) -> None:
        """A session begins to listen."""
        with self._lock:
            self._streams[session] += 1

    def close(self, session: str) -> None:
        """A session ends to listen."""
        with self._lock:
            self._streams[session] -= 1
            if self._streams[session] <= 0:
                del self._streams[session]

    def wait(self, session: str) -> bool:
        """Whether a session listens, or begins to within WAIT."""
        end = time.monotonic() + WAIT
        while session not in self:
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True


READERS = Readers()


class Doors:
    """Middleware that answers 404 where the app has nothing to offer, 400 to a body that names files."""

    def __init__(self, app: ASGIApp, login: bool = False) -> None:
        """login: whether visitors log in."""
        self.app, self.login = app, login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        if path.startswith(OWN) or (self.login and path.rstrip("/") == LOGIN):
            await self.app(scope, receive, send)
            return
        _, found, inner = path.partition(PREFIX)
        if path.startswith((*CLOSED, LOGIN)) or (found and not inner.startswith(OPEN)):
            await PlainTextResponse("There is nothing here.", 404)(scope, receive, send)
        elif not found and scope["method"] not in ("GET", "HEAD"):
            await PlainTextResponse("Nothing is taken here.", 405)(scope, receive, send)
        elif inner.startswith("queue/data"):
            session = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])[0]
            READERS.open(session)
            try:
                await self.app(scope, receive, send)
            finally:
                READERS.close(session)
        elif found and scope["method"] == "POST":
            await self._post(inner, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _post(self, inner: str, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":  # the visitor is gone
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        try:
            content = json.loads(body) if body else None
        except (ValueError, RecursionError):
            await PlainTextResponse("The request is not valid JSON.", 400)(scope, receive, send)
            return
        if names_files(content):
            await PlainTextResponse("Files are not taken here.", 400)(scope, receive, send)
            return
        session = content.get("session_hash") if isinstance(content, dict) else None
        if session is not None and unread(scope.get("app"), str(session)) > UNREAD:
            await PlainTextResponse("Read the answers before you ask for more.", 429)(scope, receive, send)
            return
        sent = False

        async def replay() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replay, send)


def names_files(content: Any) -> bool:
    """Whether JSON holds what Gradio takes for a file, at any depth."""
    waiting = [content]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if isinstance(item.get("meta"), dict):
                return True
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return False


def unread(app: Any, session: str) -> int:
    """Messages that Gradio keeps for a session until it reads them. Where there are too many in all, the sessions that
    do not listen lose theirs.

    app: Gradio's; anything else keeps none.
    """
    queue = getattr(getattr(app, "blocks", None), "_queue", None)
    if queue is None:
        return 0
    kept = queue.pending_messages_per_session
    if sum(messages.qsize() for messages in kept.values()) > MOST_UNREAD:
        for other in [other for other in kept if other not in READERS]:
            del kept[other]
    return kept[session].qsize() if session in kept else 0
