"""Requests as uvicorn and httptools read them, with limits: to sizes, and to what could be read in two ways.

Both have none: a header may be as long as memory is, and what a proxy in front understands may be something else.
"""

import asyncio
import re
from collections import deque
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from taskflow.errors import HeadersTooLarge, RequestMalformed, UrlTooLong
from taskflow.server.limits import Reception
from taskflow.server.upgrades import resume_reading
from taskflow.web.fields import list_elements

FIELD_OVERHEAD = 32
"""What a header counts beyond its bytes, as in HTTP/2 (RFC 9113, section 6.5.2): many small ones cost memory too."""

HEADS_AHEAD = 4
"""How many heads of the largest size may wait, taken together, while an earlier request is answered.

In memory, many small headers take a hundred times what they take on the wire, and nobody has asked for a token yet.
"""

_HOST = re.compile(rb"(?:\[[0-9A-Za-z:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?")
"""A host and a port (RFC 9110, section 7.2; RFC 3986, section 3.2.2). It may be empty."""

_TELLING = frozenset({b"expect", b"transfer-encoding"})
"""The fields that say how the body comes; few requests have them."""


class StrictProtocol(HttpToolsProtocol):
    """uvicorn's protocol, whose callbacks for the parser raise a Problem for what is too large or ambiguous.

    It comes out of `feed_data`, as the context of httptools' own error.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        reception: Reception,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = reception
        self.ahead: deque[int] = deque()
        """The sizes of the heads in uvicorn's pipeline."""
        # Of the request that is being received:
        self.is_receiving = False
        self.is_in_head = True
        self.bytes_without_body = 0
        self.ignores_upgrade = False
        """Whether the parser, as it has been asked for another protocol, reports the message's end too early."""
        self._head_bytes = 0
        self._hosts = 0
        self._tells = False

    @property
    def is_endless(self) -> bool:
        """Whether a head, or what comes between two parts of a body, has become longer than any head may be."""
        return (
            self.is_receiving and self.bytes_without_body > self._limits.max_url_bytes + self._limits.max_header_bytes
        )

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= self._limits.max_pipelined:
            raise RequestMalformed
        super().on_message_begin()
        self.is_receiving = self.is_in_head = True
        self._head_bytes = self._hosts = self.bytes_without_body = 0
        self._tells = False

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._limits.max_url_bytes:
            raise UrlTooLong(self._limits.max_url_bytes)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + FIELD_OVERHEAD
        if self._head_bytes > self._limits.max_header_bytes:
            raise HeadersTooLarge(self._limits.max_header_bytes)
        # Those that follow a body in chunks are dropped: the request was judged without them.
        if self.is_in_head:
            # White space around a value is no part of it (RFC 9110, section 5.5); httptools keeps what is behind it.
            super().on_header(name, value.rstrip(b" \t"))
            field, value = self.headers[-1]
            if field == b"host":
                self._hosts += 1
                if not _HOST.fullmatch(value):
                    raise RequestMalformed
            elif field in _TELLING:
                self._tells = True

    def check_head(self, *, is_ahead: bool) -> None:
        """Judge a head that is complete; `is_ahead` says that an earlier request has yet to be answered."""
        version = self.parser.get_http_version()
        # httptools reads HTTP/0.9 too. With two hosts or none, a proxy and we could disagree about whose request it is.
        if version not in {"1.0", "1.1"} or self._hosts > 1 or (self._hosts == 0 and version == "1.1"):
            raise RequestMalformed
        if self._tells:
            # uvicorn looks for the expectation alone, and this is a list; of HTTP/1.0 it is ignored (RFC 9110, 10.1.1).
            self.expect_100_continue = version == "1.1" and b"100-continue" in list_elements(self.headers, b"expect")
            # httptools takes what was compressed before it was cut into chunks for what was meant. An empty element
            # beside it is refused too: where a body ends must not depend on a proxy (RFC 9112, section 11.2).
            if any(name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in self.headers):
                raise RequestMalformed
        # To llhttp, CONNECT is an upgrade too.
        self.ignores_upgrade = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        if is_ahead:
            self.ahead.appendleft(self._head_bytes + len(self.url))
            if sum(self.ahead) > HEADS_AHEAD * self._limits.max_header_bytes:
                raise HeadersTooLarge(self._limits.max_header_bytes)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.is_in_head = False

    def feed(self, data: bytes) -> None:
        """Parse what the client has sent; a request for another protocol is read as if it had not asked.

        Raises httptools.HttpParserError, and httptools.HttpParserUpgrade behind a CONNECT.
        """
        rest: bytes | memoryview = data
        while True:
            try:
                self.parser.feed_data(rest)
                break
            except httptools.HttpParserUpgrade as upgrade:
                if self.parser.get_method() == b"CONNECT":
                    raise
                rest = memoryview(rest)[upgrade.args[0] :]
                self.parser = resume_reading(self.parser, self.headers, self)
