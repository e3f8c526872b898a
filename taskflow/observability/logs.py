"""One structured line per request and per event: for people in development, JSON in production.

A line never holds a header, a query string or a body. What a client chose (the path, its user id) is escaped and cut.
"""

import json
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol, TextIO

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskflow.settings import Settings

MAX_TEXT = 512
"""How much of a path or user id is logged, in characters."""

_QUIET = {
    **dict.fromkeys(["connexion", "psycopg", "alembic", "sqlalchemy", "asyncio", "httpx", "httpcore"], logging.ERROR),
    # These name hosts in errors too.
    **dict.fromkeys(["opentelemetry", "urllib3"], logging.CRITICAL),
}
"""Libraries whose messages below a level can quote users or name hosts; what matters of them we log ourselves."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~:/+=@-]{1,128}")
"""What of a client's ids goes into a log and back to the client as it is."""

_TRACEPARENT = re.compile(
    rb"(?!ff)(?!00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?"
)
"""W3C Trace Context, section 3.2; versions that are yet to come may say more."""

_TOKEN = re.compile(r"eyJ[\w-]+(?:\.[\w-]*)*")
"""How a JWT begins, and all of it; somebody may put one where the user's id should stand."""

requests = logging.getLogger("taskflow.requests")


@dataclass(slots=True)
class RequestRecord:
    """What is known of the request under way."""

    id: str
    trace: str | None = None
    """The id of the trace that it is a part of (W3C Trace Context), if its sender named one."""
    operation: str | None = None
    user: str | None = None
    reason: str | None = None


_current: ContextVar[RequestRecord | None] = ContextVar("current_request", default=None)


def get_record() -> RequestRecord | None:
    """Give what is known of the request under way, if there is one."""
    return _current.get()


def note_operation(operation: str) -> None:
    """Tell which of the contract's operations the request under way is."""
    record = _current.get()
    if record is not None:
        record.operation = operation


def note_user(user: str) -> None:
    """Tell the log whose request this is."""
    record = _current.get()
    if record is not None:
        record.user = user


def note_reason(reason: str) -> None:
    """Tell the log more about a refusal than the client is told."""
    record = _current.get()
    if record is not None:
        record.reason = reason


class Observer(Protocol):
    """Who is told of each request: that it is under way; at its end its operation, status and duration."""

    under_way: int

    def end_request(self, operation: str | None, status: int | None, seconds: float) -> None: ...


class RequestLog:
    """Middleware: gives every request its id, answers with it in X-Request-Id, and logs one line at the end.

    The id is the client's own, if it sends one that can be copied into a log as it is.
    """

    def __init__(self, app: ASGIApp, *, observer: Observer | None) -> None:
        self._app = app
        self._observer = observer
        self._handlers = [handler for handler in logging.getLogger().handlers if isinstance(handler, LineHandler)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = make_record(scope["headers"])
        token = _current.set(record)
        started = time.perf_counter()
        method, path = scope["method"], scope["path"]
        status: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", record.id.encode())]
            await send(message)

        if self._observer is not None:
            self._observer.under_way += 1
        try:
            await self._app(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - started
            if self._observer is not None:
                self._observer.end_request(record.operation, status, seconds)
            if requests.isEnabledFor(logging.INFO):
                duration = round(seconds * 1000, 2)
                shown = _TOKEN.sub("[token]", path)[:MAX_TEXT]
                facts = {"method": method, "path": shown, "status": status, "duration_ms": duration}
                if record.reason is not None:
                    facts["reason"] = record.reason
                for handler in self._handlers:
                    handler.write_request(record, facts)
            _current.reset(token)


def make_record(headers: Iterable[tuple[bytes, bytes]]) -> RequestRecord:
    """Give what a request's headers say of it, and an id if they hold none that is fit for a log."""
    request_id = None
    parents = []
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            request_id = value.decode()
        elif name == b"traceparent":
            parents.append(value)
    # Of two, nobody knows which one is meant.
    found = _TRACEPARENT.fullmatch(parents[0]) if len(parents) == 1 else None
    return RequestRecord(request_id or secrets.token_hex(16), found[1].decode() if found else None)


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes one line for each record, as `render` writes its fields."""

    def __init__(self, render: "Render") -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        fields = _begin_line(record.created, record.levelname.lower(), record.name, record.getMessage())
        current = _current.get()
        if current is not None:
            _add_request(fields, current)
        if record.exc_info:
            fields["trace"] = logging.Formatter().formatException(record.exc_info)
        return self._render(fields)

    def write_request(self, request: RequestRecord, facts: Mapping[str, Any]) -> None:
        """Write the line of a request without a logging record, whose making costs twice the writing."""
        fields = _begin_line(time.time(), "info", requests.name, "request")
        fields.update(facts)
        _add_request(fields, request)
        line = self._render(fields) + self.terminator
        with self.lock or nullcontext(), suppress(OSError, ValueError):  # a log that is gone fails no request
            self.stream.write(line)
            self.stream.flush()


Render = Callable[[dict[str, Any]], str]


def render_json(fields: dict[str, Any]) -> str:
    """Write one JSON object, in ASCII."""
    with suppress(TypeError):  # half of a surrogate pair, of which json has a spelling
        line = orjson.dumps(fields)
        if line.isascii():
            return line.decode()
    return json.dumps(fields)


def render_text(fields: dict[str, Any]) -> str:
    """Write one line for a person; only a trace takes more."""
    moment, level, message = fields.pop("time"), fields.pop("level"), fields.pop("message")
    trace = fields.pop("trace", "")
    if message == "request":
        message = f"{fields.pop('method')} {_escape(fields.pop('path'))} {fields.pop('status') or 'gone'}"
    pairs = "".join(f" {name}={_escape(value)}" for name, value in fields.items() if name != "logger")
    return f"{moment} {level:<7} {message}{pairs}" + (f"\n{trace}" if trace else "")


def configure_logging(settings: Settings) -> None:
    """Send everything that this process logs to standard error, in the form that suits the environment."""
    handler = LineHandler(render_json if settings.is_production else render_text)
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper(), force=True)
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)


def _begin_line(created: float, level: str, logger: str, message: str) -> dict[str, Any]:
    second, fraction = divmod(created, 1)
    moment = f"{_write_second(int(second))}.{int(fraction * 1000):03}Z"
    return {"time": moment, "level": level, "logger": logger, "message": message}


@lru_cache(maxsize=1)
def _write_second(second: int) -> str:
    """Write a time for all the lines that are of this second."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _add_request(fields: dict[str, Any], request: RequestRecord) -> None:
    fields["request_id"] = request.id
    if request.trace is not None:
        fields["trace_id"] = request.trace
    if request.user is not None:
        fields["user"] = request.user[:MAX_TEXT]


def _escape(value: object) -> str:
    """Keep a client's text on its line, without control characters that a terminal would obey."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(value))
