"""A client's connection: who is answered, who is refused or turned away, and how it ends."""

import asyncio
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from taskflow.errors import HeadersTooLarge, Problem, RequestMalformed, RequestTimeout, ServerBusy, ServerStopping
from taskflow.observability.metrics import Metrics
from taskflow.server.limits import READINESS, WATCHED, Reception
from taskflow.server.parsing import StrictProtocol
from taskflow.server.repeats import Repeats
from taskflow.server.timeouts import Patience
from taskflow.server.transport import DrainingTransport

LINGER_SECONDS = 2.0
"""How long the client's side of a connection stays open once we have said our last.

If it were closed at once with bytes unread, the client could be told of a reset before it has seen the answer.
"""

PROBE_SECONDS = 0.25
"""How often a client that has said its last, and waits for its answer, is sent an interim one."""

_MEANINGLESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
"""Methods whose body means nothing (RFC 9110, section 9.3): nobody waits for it."""

IGNORED_BYTES = 16 * 1_048_576
"""How much is read and thrown away of a request that has its answer: enough for a client that looks for it last."""


class Protocol(StrictProtocol):
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
        super().__init__(config, server_state, app_state, _loop, reception=reception)
        self._reception = reception
        self._metrics: Metrics | None = app_state.get("metrics")
        self._running: RequestResponseCycle | None = None
        self._has_ended = False
        self._is_over = False  # nothing that still comes is heard
        self._is_waited_for = False
        self._patience: Patience
        self._farewell: asyncio.TimerHandle | None = None
        self._probe: asyncio.TimerHandle | None = None
        self._stay: asyncio.TimerHandle | None = None
        self._is_turned_away = False
        self._repeats = Repeats()
        self._late_refusal: asyncio.TimerHandle | None = None
        self._has_refused_in_read = False
        self._ignored_bytes = 0

    # Called by the transport.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(DrainingTransport(transport, self._reception.client_timeout, self._stop_listening))
        self._patience = Patience(transport, self._reception.client_timeout, self._call_in)
        if len(self.connections) > self._reception.max_connections:
            self._reception.note_turned_away()
            self._answer(ServerBusy(), is_last=True)
            self._is_over = True
            transport.close()
        else:
            self._patience.demand()
            if self._reception.is_stopping:
                self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.end()
        for timer in (self._late_refusal, self._farewell, self._probe, self._stay):
            if timer is not None:
                timer.cancel()
        self._is_over = True
        self._count_wait(is_waited_for=False)
        for cycle, _ in self.pipeline:
            cycle.on_response = lambda: None  # which leads back to us
        self.pipeline.clear()
        if self._running is not None and not self._running.response_complete:
            # uvicorn tells only the newest request that its client has gone.
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            self._ignore(data)
            return
        self._unset_keepalive_if_required()
        self._has_refused_in_read = False
        self.bytes_without_body += len(data)
        try:
            self.feed(data)
        except httptools.HttpParserUpgrade:
            # After CONNECT, which is answered 405 or 404, bytes are meant for another server: none of them is read.
            self._end_after_answers()
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, Problem) else RequestMalformed())
        else:
            if self.is_endless:
                self._refuse(HeadersTooLarge(self._reception.max_header_bytes))
        self._settle()

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn closes the connection whatever is under way
        """Answer a client that has said all it has to say, and still listens (RFC 9112, section 9.6)."""
        self._has_ended = True
        is_half = self.is_receiving and not self.is_in_head
        if not self._is_answering or (is_half and not self.pipeline):
            self.transport.close()
            return True  # it may have to take its answer
        if is_half:
            self.pipeline.popleft()  # its rest will never come
        self.is_receiving = False
        self._end_after_answers()
        self._probe = self.loop.call_later(PROBE_SECONDS, self._probe_client)
        return True

    def pause_writing(self) -> None:
        super().pause_writing()
        self._patience.watch_taking()
        self._settle()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._patience.watch_taking()
        self._settle()

    def _probe_client(self) -> None:
        """Find out whether a client that has said its last still listens: one that does not, resets the connection.

        Clients of HTTP/1.1 pass an interim answer over (RFC 9110, section 15.2).
        """
        cycle = self._running
        if cycle is None or cycle.response_started or self.transport.is_closing():
            return
        if cycle.scope["http_version"] == "1.1":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._probe = self.loop.call_later(PROBE_SECONDS, self._probe_client)

    # Called by the parser. What is raised here comes out of feed_data.

    def on_message_begin(self) -> None:
        if self._late_refusal is not None:
            raise ServerBusy  # sent ahead, and not waiting at all
        super().on_message_begin()
        self._is_turned_away = False
        self._ignored_bytes = 0
        self._patience.forgive()

    def on_headers_complete(self) -> None:
        self.check_head(is_ahead=self._is_answering)
        if self._reception.is_stopping and self.url.partition(b"?")[0] == READINESS:
            raise ServerStopping
        if self._is_answering or not self._reception.is_full(len(self.tasks)) or self.url.partition(b"?")[0] in WATCHED:
            super().on_headers_complete()
            if self._reception.is_stopping:
                self.cycle.keep_alive = False
        else:
            self._turn_away()
            self.is_in_head = False

    def on_body(self, body: bytes) -> None:
        self.bytes_without_body = 0
        if self._is_turned_away or self.cycle.response_complete:
            self._ignore(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.ignores_upgrade:
            self.ignores_upgrade = False
            return
        self.is_receiving = False
        if not self._is_turned_away:
            super().on_message_complete()

    # Called by uvicorn.

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401  a type of uvicorn's own
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def shutdown(self) -> None:
        """Make every answer whose head is not yet sent the connection's last (RFC 9112, section 9.6).

        Without a request, it stays for `shutdown_delay`: a proxy may be sending one. One that has begun is waited for.
        """
        if self._is_answering and not self.cycle.response_started:
            self.cycle.keep_alive = False
        elif not self._is_over:
            self._stay = self.loop.call_later(self._reception.shutdown_delay, self._end_stay)

    def on_response_complete(self) -> None:
        if self.ahead:
            self.ahead.pop()
        super().on_response_complete()
        if self._is_over and not self._is_answering:
            self._linger()
        elif self.transport.get_write_buffer_size():
            self._patience.watch_taking()
        if self.is_receiving:
            self._unset_keepalive_if_required()
        self._settle()

    # How long the client may take.

    @property
    def _is_answering(self) -> bool:
        return bool(self.pipeline) or (self._running is not None and not self._running.response_complete)

    def _settle(self) -> None:
        """Start or stop the clock, as the client owes a request or not, and say whether one under way waits for it."""
        is_answering = self._is_answering
        if not self._is_over:
            if self.is_receiving or (not is_answering and self.timeout_keep_alive_task is None):
                self._patience.demand()
            else:
                self._patience.forgive()
        self._count_wait(is_waited_for=is_answering and (self.flow.write_paused or self._lacks_body))

    @property
    def _lacks_body(self) -> bool:
        """Whether the request that is being answered may wait for the rest of its body."""
        return (
            self.is_receiving
            and not self.is_in_head
            and not self._is_over
            and self._running is self.cycle
            and self.scope["method"] not in _MEANINGLESS
        )

    def _count_wait(self, *, is_waited_for: bool) -> None:
        if is_waited_for is not self._is_waited_for:
            self._is_waited_for = is_waited_for
            self._reception.waited_for += 1 if is_waited_for else -1

    def _call_in(self) -> None:
        if self.flow.read_paused:
            # It is not the client that is slow: an earlier request has yet to be answered.
            self._patience.demand()
        elif self.is_receiving:
            self._refuse(RequestTimeout(self._reception.client_timeout))
        else:
            self.transport.close()

    def _end_stay(self) -> None:
        if self._is_answering:
            self.cycle.keep_alive = False
        elif self._is_turned_away or not self.is_receiving:
            self._end_pause()
            self.transport.close()

    # What is answered here.

    def _turn_away(self) -> None:
        self._reception.note_turned_away()
        # A client that asks leave to send its body may send it now, or not; and an answer to HEAD has none.
        if (
            self._has_refused_in_read  # sent ahead, and not waiting at all
            or self._reception.is_stopping
            or self.expect_100_continue
            or self.parser.get_http_version() == "1.0"
            or not self.parser.should_keep_alive()
            or self.parser.get_method() == b"HEAD"
        ):
            raise ServerBusy
        self._is_turned_away = self._has_refused_in_read = True
        served = () if self._running is None else self._running.scope["headers"]
        wait = self._repeats.find_wait(self.loop.time(), self.headers, served, is_flooded=self._reception.is_flooded)
        if wait > 0:
            self.flow.pause_reading()
            self._late_refusal = self.loop.call_later(wait, self._end_pause)
        else:
            self._say_busy()

    def _say_busy(self) -> None:
        self._answer(ServerBusy(), is_last=False)
        self._repeats.begin_pause(self.loop.time())

    def _end_pause(self) -> None:
        """Send the refusal that is due, if there is one."""
        if self._late_refusal is not None:
            self._late_refusal.cancel()
            self._late_refusal = None
            self._say_busy()
            self.flow.resume_reading()

    def _refuse(self, problem: Problem) -> None:
        """Answer the request that is being received, if it has no answer yet, and end the connection."""
        self._end_pause()
        if self.is_receiving and not self.is_in_head and not self._is_turned_away and self._is_answering:
            if self.pipeline:
                self.pipeline.popleft()  # nobody has begun to answer it
            elif not self.cycle.response_started:
                self.cycle.disconnected = True
                self.cycle.waiting_for_100_continue = False
                self.cycle.message_event.set()
                self._answer(problem, is_last=True)
        elif not self._is_answering and (self.is_in_head or not self.is_receiving):
            self._answer(problem, is_last=True)
        self._end_after_answers()

    def _answer(self, problem: Problem, *, is_last: bool) -> None:
        if self._metrics is not None:
            self._metrics.count_refusal(problem.status)
        headers, defaults = self.headers or [], self.server_state.default_headers
        self.transport.write(self._reception.write_answer(problem, headers, defaults, is_last=is_last))

    def _ignore(self, data: bytes) -> None:
        self._ignored_bytes += len(data)
        if self._ignored_bytes > IGNORED_BYTES:
            self.transport.abort()

    def _end_after_answers(self) -> None:
        self._stop_listening()
        if not self._is_answering or self.cycle.disconnected:
            self._linger()
        else:
            self.flow.pause_reading()

    def _linger(self) -> None:
        self._stop_listening()
        self._count_wait(is_waited_for=False)
        if self._has_ended:
            self.transport.close()
        elif not self.transport.is_closing():
            self.flow.resume_reading()  # what is left unread at the end would reset the connection
            self.transport.write_eof()
            self._farewell = self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _stop_listening(self) -> None:
        self._is_over = True
        self._unset_keepalive_if_required()
        self._patience.forgive()
