"""Requests that ask for another protocol (`Upgrade`): read as if they had not asked (RFC 9110, section 7.8).

llhttp stops at the head of such a request. From there on, a new parser reads the connection.
"""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import httptools

_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
"""The headers that say where a body ends."""

_OF_HEAD = ("on_message_begin", "on_url", "on_header", "on_headers_complete")
_OF_BODY = ("on_body", "on_message_complete")


def resume_reading(
    parser: httptools.HttpRequestParser, headers: Sequence[tuple[bytes, bytes]], listener: object
) -> httptools.HttpRequestParser:
    """Return a parser that goes on behind the head at which `parser` has stopped, with the body that it announces.

    `headers` are those of that head, with names in lower case; `listener` has the callbacks of httptools.
    """
    lines = [b"%b / HTTP/%b" % (parser.get_method(), parser.get_http_version().encode())]
    lines += [b"%b: %b" % header for header in headers if header[0] in _FRAMING]
    if not parser.should_keep_alive():
        lines.append(b"connection: close")
    # The new parser has to read a head of this framing first, which the listener already knows.
    is_past_head = False

    def skip_first(name: str) -> Callable[..., None]:
        callback = getattr(listener, name)

        def call(*arguments: bytes) -> None:
            if is_past_head:
                callback(*arguments)

        return call

    callbacks: dict[str, Any] = {name: getattr(listener, name) for name in _OF_BODY}
    callbacks |= {name: skip_first(name) for name in _OF_HEAD}
    resumed = httptools.HttpRequestParser(SimpleNamespace(**callbacks))
    resumed.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn sets it
    resumed.feed_data(b"\r\n".join([*lines, b"", b""]))
    is_past_head = True
    return resumed
