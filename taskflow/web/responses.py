"""Successful answers, written straight from the JSON that the database gave."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from taskflow.concurrency.departure import wait_for_departure
from taskflow.errors import ListTooLong

_JSON = (b"content-type", b"application/json")

SLICE_BYTES = 262_144
"""How much is handed to a connection at once: it keeps copies of what its client has not taken yet."""

WHOLE_BYTES = 16 * 1_048_576
"""How long a list may be for a client that can only have it whole, from memory."""


class Answer:
    """A whole answer: JSON, or no body at all. Further headers go by their names."""

    def __init__(self, body: bytes | None, *, status: int = 200, **headers: bytes) -> None:
        self._status = status
        self._body = body or b""
        self._headers = [] if body is None else [_JSON, (b"content-length", b"%d" % len(body))]
        self._headers += [(name.encode(), value) for name, value in headers.items()]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})


class StreamedAnswer:
    """JSON that comes in parts, the next one read only when the client has taken the last.

    Whatever `parts` raises must break the transfer off; it may not end as if it were complete. So must a client that
    has gone: raises ClientDisconnect. Raises ListTooLong for HTTP/1.0.
    """

    def __init__(self, parts: AsyncGenerator[bytes], **headers: bytes) -> None:
        self._parts = parts
        self._named = headers
        self._headers = [_JSON, *((name.encode(), value) for name, value in headers.items())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._parts) as parts:
            if scope["http_version"] == "1.0":
                # It knows no parts, and takes the end of the connection for the end of the list, wherever that is.
                await Answer(await _join(parts), status=200, **self._named)(scope, receive, send)
                return
            await send({"type": "http.response.start", "status": 200, "headers": self._headers})
            if scope["method"] != "HEAD":
                await _send_parts(parts, receive, send)
            await send({"type": "http.response.body", "body": b""})


async def _join(parts: AsyncGenerator[bytes]) -> bytes:
    joined, size = [], 0
    async for part in parts:
        size += len(part)
        if size > WHOLE_BYTES:
            raise ListTooLong
        joined.append(part)
    return b"".join(joined)


async def _send_parts(parts: AsyncGenerator[bytes], receive: Receive, send: Send) -> None:
    gone = asyncio.create_task(wait_for_departure(receive))
    try:
        async for part in parts:
            for start in range(0, len(part), SLICE_BYTES):
                # To nobody, a server would send as fast as it can.
                if gone.done():
                    raise ClientDisconnect
                body = part[start : start + SLICE_BYTES]
                await send({"type": "http.response.body", "body": body, "more_body": True})
    finally:
        gone.cancel()
