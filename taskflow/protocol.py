"""A client's connection: HTTP/1.1 as uvicorn and httptools read it, with limits to what is sent, and how slowly.

uvicorn has none: half a request keeps a connection for ever, and a header may be as long as memory is.
"""

import asyncio
import random
from collections import deque
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from taskflow.errors import (
    HeadersTooLarge,
    Problem,
    RequestMalformed,
    RequestTimeout,
    ServerBusy,
    UpgradeRefused,
    UrlTooLong,
)
from taskflow.reception import Reception

FIELD_OVERHEAD = 32
"""What a header counts beyond its bytes, as in HTTP/2 (RFC 9113, section 6.5.2): many small ones cost memory too."""

HEADS_AHEAD = 4
"""How many heads of the largest size may wait, taken together, while an earlier request is answered.

In memory, many small headers take a hundred times what they take on the wire, and nobody has asked for a token yet.
"""

LINGER_SECONDS = 2.0
"""How long the client's side of a connection stays open once we have said our last.

If it were closed at once with bytes unread, the client could be told of a reset before it has seen the answer.
"""

PAUSE_SECONDS = 1.0
"""About how long a connection is not read after a request on it was turned away: Retry-After has asked it to wait.

Clients that come again at once could otherwise keep the server so busy turning them away that it does nothing else.
"""

IGNORED_BYTES = 16 * 1_048_576
"""How much is read and thrown away of a request that has its answer: enough for a client that looks for it last."""


class Protocol(HttpToolsProtocol):
    """One connection.

    As long as no whole request is under way, the client owes one: from the opening of the connection or the first byte
    of the request, it has `client_timeout` for it. As long has a client that takes nothing of its answer. The answer to
    what breaks a limit is the last of its connection.
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
        self._reception = reception
        self._running: RequestResponseCycle | None = None
        self._ahead: deque[int] = deque()  # the sizes of the heads in uvicorn's pipeline
        self._has_ended = False
        self._is_over = False  # nothing that still comes is heard
        self._is_waited_for = False
        self._debt: asyncio.TimerHandle | None = None
        self._untaken: asyncio.TimerHandle | None = None
        self._pause: asyncio.TimerHandle | None = None
        # Of the request that is being received:
        self._is_receiving = False
        self._is_in_head = True
        self._is_turned_away = False
        self._head_bytes = 0
        self._hosts = 0
        self._bytes_without_body = 0
        self._ignored_bytes = 0

    # Called by the transport.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > self._reception.max_connections:
            self._reception.note_turned_away()
            self._answer(ServerBusy(), is_last=True)
            self._is_over = True
            transport.close()
        else:
            self._demand_request()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._debt, self._untaken, self._pause):
            if timer is not None:
                timer.cancel()
        self._count_wait(is_waited_for=False)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            self._ignore(data)
            return
        self._unset_keepalive_if_required()
        self._bytes_without_body += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The request is answered as if it had not asked for another protocol, and nothing after it is read: it
            # might be meant for one who had agreed.
            self._end_after_answers()
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, Problem) else RequestMalformed())
        else:
            if self._is_receiving and self._bytes_without_body > self._max_bytes_without_body:
                self._refuse(HeadersTooLarge(self._reception.max_header_bytes))
        self._settle()

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn closes the connection whatever is under way
        """Answer a client that has said all it has to say, and still listens (RFC 9112, section 9.6)."""
        self._has_ended = True
        if self._is_receiving or not self._is_answering:
            return False
        self._end_after_answers()
        return True

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_taking()
        self._settle()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._watch_taking()
        self._settle()

    # Called by the parser. What is raised here comes out of feed_data.

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= self._reception.max_pipelined:
            raise RequestMalformed
        super().on_message_begin()
        self._is_receiving = self._is_in_head = True
        self._is_turned_away = False
        self._head_bytes = self._hosts = self._bytes_without_body = self._ignored_bytes = 0
        self._forgive_debt()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._reception.max_url_bytes:
            raise UrlTooLong(self._reception.max_url_bytes)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + FIELD_OVERHEAD
        if self._head_bytes > self._reception.max_header_bytes:
            raise HeadersTooLarge(self._reception.max_header_bytes)
        # Those that follow a body in chunks are dropped: the request was judged without them.
        if self._is_in_head:
            super().on_header(name, value)
            self._hosts += self.headers[-1][0] == b"host"

    def on_headers_complete(self) -> None:
        version = self.parser.get_http_version()
        # httptools reads HTTP/0.9 too. With two hosts or none, a proxy and we could disagree about whose request it is.
        if version not in {"1.0", "1.1"} or self._hosts > 1 or (self._hosts == 0 and version == "1.1"):
            raise RequestMalformed
        if self.parser.should_upgrade() and any(_announces_body(*header) for header in self.headers):
            # httptools takes all that follows for the other protocol, and the request would be left without its body.
            raise UpgradeRefused
        if any(name == b"transfer-encoding" and value.lower() != b"chunked" for name, value in self.headers):
            # httptools would take what was compressed before it was cut into chunks for what was meant.
            raise RequestMalformed
        if self._is_answering:
            self._ahead.appendleft(self._head_bytes + len(self.url))
            if sum(self._ahead) > HEADS_AHEAD * self._reception.max_header_bytes:
                raise HeadersTooLarge(self._reception.max_header_bytes)
            super().on_headers_complete()
        elif not self._reception.is_full(len(self.tasks)):
            super().on_headers_complete()
        else:
            self._turn_away(version)
        self._is_in_head = False

    def on_body(self, body: bytes) -> None:
        self._bytes_without_body = 0
        if self._is_turned_away or self.cycle.response_complete:
            self._ignore(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_receiving = False
        if not self._is_turned_away:
            super().on_message_complete()

    # Called by uvicorn.

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401  a type of uvicorn's own
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        if self._ahead:
            self._ahead.pop()
        super().on_response_complete()
        if self._is_over and not self._is_answering:
            self._linger()
        elif self.transport.get_write_buffer_size():
            self._watch_taking()
        self._settle()

    # How long the client may take.

    @property
    def _is_answering(self) -> bool:
        return bool(self.pipeline) or (self._running is not None and not self._running.response_complete)

    def _settle(self) -> None:
        """Start or stop the clock, as the client owes a request or not, and say whether one under way waits for it."""
        if self._is_over:
            return
        is_answering = self._is_answering
        if self._is_receiving or (not is_answering and self.timeout_keep_alive_task is None):
            self._demand_request()
        else:
            self._forgive_debt()
        lacks_body = self._is_receiving and not self._is_in_head and self._running is self.cycle
        self._count_wait(is_waited_for=is_answering and (lacks_body or self.flow.write_paused))

    def _count_wait(self, *, is_waited_for: bool) -> None:
        if is_waited_for is not self._is_waited_for:
            self._is_waited_for = is_waited_for
            self._reception.waited_for += 1 if is_waited_for else -1

    def _demand_request(self) -> None:
        # Not anew with every byte: one byte now and then is as slow as none.
        if self._debt is None:
            self._debt = self.loop.call_later(self._reception.client_timeout, self._call_in)

    def _forgive_debt(self) -> None:
        if self._debt is not None:
            self._debt.cancel()
            self._debt = None

    def _call_in(self) -> None:
        self._debt = None
        if self.flow.read_paused:
            # It is not the client that is slow: an earlier request has yet to be answered.
            self._demand_request()
        elif self._is_receiving:
            self._refuse(RequestTimeout(self._reception.client_timeout))
        else:
            self.transport.close()

    def _watch_taking(self) -> None:
        if self._untaken is not None:
            self._untaken.cancel()
        size = self.transport.get_write_buffer_size()
        self._untaken = self.loop.call_later(self._reception.client_timeout, self._check_taking, size)

    def _check_taking(self, size: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left >= size > 0:
            self.transport.abort()
        elif left:
            self._watch_taking()

    # What is answered here.

    @property
    def _max_bytes_without_body(self) -> int:
        return self._reception.max_url_bytes + self._reception.max_header_bytes

    def _turn_away(self, version: str) -> None:
        self._reception.note_turned_away()
        # A client that asks leave to send its body may send it now, or not; and an answer to HEAD has none.
        if (
            self.expect_100_continue
            or version == "1.0"
            or not self.parser.should_keep_alive()
            or self.parser.get_method() == b"HEAD"
        ):
            raise ServerBusy
        self._is_turned_away = True
        self._answer(ServerBusy(), is_last=False)
        self.flow.pause_reading()
        pause = PAUSE_SECONDS * random.uniform(0.5, 1.5)  # noqa: S311  no secret; so that not all come again at once
        self._pause = self.loop.call_later(pause, self.flow.resume_reading)

    def _refuse(self, problem: Problem) -> None:
        """Answer the request that is being received, if it has no answer yet, and end the connection."""
        if self._is_receiving and not self._is_in_head and not self._is_turned_away and self._is_answering:
            if self.pipeline:
                self.pipeline.popleft()  # nobody has begun to answer it
            elif not self.cycle.response_started:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
                self._answer(problem, is_last=True)
        elif not self._is_answering and (self._is_in_head or not self._is_receiving):
            self._answer(problem, is_last=True)
        self._end_after_answers()

    def _answer(self, problem: Problem, *, is_last: bool) -> None:
        origin = next((value for name, value in self.headers or () if name == b"origin"), b"")
        self.transport.write(
            self._reception.write_answer(problem, origin, self.server_state.default_headers, is_last=is_last)
        )

    def _ignore(self, data: bytes) -> None:
        self._ignored_bytes += len(data)
        if self._ignored_bytes > IGNORED_BYTES:
            self.transport.abort()

    def _end_after_answers(self) -> None:
        self._is_over = True
        if not self._is_answering or self.cycle.disconnected:
            self._linger()
        else:
            self.flow.pause_reading()

    def _linger(self) -> None:
        self._unset_keepalive_if_required()
        self._count_wait(is_waited_for=False)
        self._forgive_debt()
        if self._has_ended:
            self._hang_up()
        elif not self.transport.is_closing():
            self.transport.write_eof()
            self._debt = self.loop.call_later(LINGER_SECONDS, self._hang_up)

    def _hang_up(self) -> None:
        if self.transport.get_write_buffer_size():
            self._watch_taking()
        self.transport.close()


def _announces_body(name: bytes, value: bytes) -> bool:
    return name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0") != b"")
