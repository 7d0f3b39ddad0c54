"""`--auth`: one user and password, from the environment, before everything that the app serves of its own.

Gradio asks for them and keeps who has logged in; its own routes ask, ours are asked for here.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .permission import user

VARIABLE = "DIFFUSIONRET_AUTH"
OWN = ("/media/", "/gallery/", "/ask/")
LEAST_PASSWORD = 8  # characters
TRIES, SECONDS = 10, 60.0  # logins within so long, over all visitors: a password cannot be guessed


def credentials() -> tuple[str, str]:
    """User and password from the environment. Raises ValueError with a sentence where there are none that serve."""
    name, colon, password = os.environ.get(VARIABLE, "").partition(":")
    if not name.strip() or not colon:
        raise ValueError(
            f"--auth takes a user and a password from the environment: set {VARIABLE}=user:password."
        )
    if len(password) < LEAST_PASSWORD:
        raise ValueError(f"The password of {VARIABLE} is too short: at least {LEAST_PASSWORD} characters.")
    return name.strip(), password


class Login:
    """Middleware that answers 401 for the app's own addresses to whoever has not logged in, and holds guesses back."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._tries: deque[float] = deque(maxlen=TRIES)
        self._lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            if path.startswith(OWN) and user(Request(scope)) is None:
                await PlainTextResponse("Log in first.", 401)(scope, receive, send)
                return
            if path.rstrip("/") == "/login" and scope["method"] == "POST" and self._is_too_often():
                await PlainTextResponse("Too many tries: wait a minute.", 429)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _is_too_often(self) -> bool:
        now = time.monotonic()
        with self._lock:
            if len(self._tries) == TRIES and now - self._tries[0] < SECONDS:
                return True
            self._tries.append(now)
            return False
