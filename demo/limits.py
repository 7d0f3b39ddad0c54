"""How much the server takes in: one bound on the body of a request, kept before anything reads it."""

from __future__ import annotations

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = (
    8_000_000  # of a request: 1,000 queries of 2,000 letters, in the longest way that JSON spells them
)


class BodyLimit:
    """Middleware that answers 413 to a body of more than MOST_BYTES, announced or not."""

    def __init__(self, app: ASGIApp, *but: str) -> None:
        """but: addresses that keep bounds of their own."""
        self.app, self.but = app, but

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self.but:
            await self.app(scope, receive, send)
            return
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        if any(not value.isdigit() or len(value) > 12 or int(value) > MOST_BYTES for value in lengths):
            await self._refuse(scope, receive, send)
            return
        taken, refused, answered = 0, False, False

        async def counted() -> Message:
            nonlocal taken, refused
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MOST_BYTES and not refused:
                refused = True
                if not answered:
                    await self._refuse(scope, receive, send)
            return {"type": "http.disconnect"} if refused else message

        async def passed(message: Message) -> None:
            nonlocal answered
            if not refused:  # what the app says of a body that broke off is nobody's answer
                answered = True
                await send(message)

        try:
            await self.app(scope, counted, passed)
        except Exception:
            if not refused:
                raise

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = f"A request may hold at most {MOST_BYTES // 1_000_000} megabytes."
        await PlainTextResponse(text, 413, {"Connection": "close"})(scope, receive, send)
