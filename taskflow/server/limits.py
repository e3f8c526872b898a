"""How much a process takes in at once, and the answers that it gives without its application."""

import asyncio
import logging

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from taskflow.errors import Problem, render_problem
from taskflow.observability.logs import make_record
from taskflow.settings import Settings
from taskflow.web.cors import list_cors_headers
from taskflow.web.security_headers import Headers, choose_headers

READINESS = b"/readyz"

WATCHED = frozenset({b"/livez", READINESS, b"/metrics"})
"""What is answered also where there is too much to do. Who asks for it would otherwise take a busy server for a dead
one, and have it killed; and it costs little.
"""

REPORT_SECONDS = 1.0
"""How often the log says how many were turned away: a line for each would cost more than turning it away."""

FLOOD = 1000
"""How many are turned away at once in REPORT_SECONDS, a hundredth of a CPU's time. Then whoever comes again waits."""

logger = logging.getLogger(__name__)


class Reception:
    """Holds the limits of a process, and counts what is under way against them.

    It is plain data, so that it can be handed to a worker.
    """

    def __init__(self, settings: Settings, connections_variable: str = "MAX_CONNECTIONS") -> None:
        self.max_url_bytes = settings.max_url_bytes
        self.max_header_bytes = settings.max_header_bytes
        self.max_pipelined = settings.max_pipelined
        self.max_connections = settings.max_connections
        self.client_timeout = settings.client_timeout
        # It counts within the time that the whole end may take.
        self.shutdown_delay = min(settings.shutdown_delay, settings.shutdown_timeout)
        self.is_stopping = False
        self.waited_for = 0
        """Requests under way that wait for their client: for the rest of their body, or for room to send."""
        self._max_requests = settings.max_requests
        self._headers = choose_headers(is_production=settings.is_production)
        self._cors = {origin.encode(): headers for origin, headers in list_cors_headers(settings.cors_origins).items()}
        self._written: dict[tuple[str, bytes, bool], bytes] = {}
        self._connections_variable = connections_variable
        self._turned_away = 0

    def is_full(self, tasks: int) -> bool:
        """Whether `tasks` requests under way are too many for one more.

        Those that wait for their client do not count: else a few slow clients could keep out all the others.
        """
        return tasks - self.waited_for >= self._max_requests

    @property
    def is_flooded(self) -> bool:
        """Whether so many are turned away that to do so costs too much."""
        return self._turned_away > FLOOD

    def note_turned_away(self) -> None:
        """Count a client that was turned away, for the log."""
        if self._turned_away == 0:
            asyncio.get_running_loop().call_later(REPORT_SECONDS, self._report)
        self._turned_away += 1

    def write_answer(self, problem: Problem, headers: Headers, default_headers: Headers, *, is_last: bool) -> bytes:
        """Write a whole answer to a request with these headers; `is_last` says that the connection will be closed.

        Its text is made once: to turn a request away must cost a fraction of what it costs to answer it.
        """
        origin = next((value for name, value in headers if name == b"origin" and value in self._cors), b"")
        key = (problem.detail, origin, is_last)
        if key not in self._written:
            response = render_problem(problem)
            written = [*response.raw_headers, *self._headers, *self._cors.get(origin, [])]
            if is_last:
                written.append((b"connection", b"close"))
            self._written[key] = b"%b\r\n%b" % (_write_headers(written), bytes(response.body))
        request_id = (b"x-request-id", make_record(headers).id.encode())
        return STATUS_LINE[problem.status] + _write_headers([*default_headers, request_id]) + self._written[key]

    def _report(self) -> None:
        logger.warning("turned %d away: MAX_REQUESTS or %s is reached", self._turned_away, self._connections_variable)
        self._turned_away = 0


def _write_headers(headers: Headers) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])
