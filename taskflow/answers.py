"""Successful answers, written straight from the JSON that the database gave."""

from collections.abc import AsyncIterator

from starlette.types import Receive, Scope, Send

_JSON = (b"content-type", b"application/json")


class Answer:
    """A whole answer: JSON, or no body at all."""

    def __init__(self, body: bytes | None, *, status: int = 200, location: bytes | None = None) -> None:
        self._status = status
        self._body = body or b""
        self._headers = [] if body is None else [_JSON, (b"content-length", b"%d" % len(body))]
        if location is not None:
            self._headers.append((b"location", location))

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})


class StreamedAnswer:
    """JSON that comes in parts, the next one read only when the client has taken the last.

    Whatever `parts` raises must break the transfer off; it may not end as if it were complete.
    """

    def __init__(self, parts: AsyncIterator[bytes]) -> None:
        self._parts = parts

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [_JSON]})
        if scope["method"] != "HEAD":
            async for part in self._parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
