"""One structured line per request and per event: for people in development, JSON in production.

A line never holds a header, a query string or a body. What a client chose (the path, its user id) is escaped and cut.
"""

import json
import logging
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskflow.settings import Settings

MAX_TEXT = 512
"""How much of a path or user id is logged, in characters."""

_QUIET = ("connexion", "psycopg", "alembic", "sqlalchemy", "asyncio")
"""Libraries whose messages below an error can quote users or name hosts; what matters of them we log ourselves."""

requests = logging.getLogger("taskflow.requests")


@dataclass(slots=True)
class RequestRecord:
    """What is known of the request under way."""

    id: str = field(default_factory=lambda: secrets.token_hex(16))
    user: str | None = None
    reason: str | None = None


_current: ContextVar[RequestRecord | None] = ContextVar("current_request", default=None)


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


class RequestLog:
    """Middleware: gives every request its id, answers with it in X-Request-Id, and logs one line at the end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = RequestRecord()
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

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            duration = round((time.perf_counter() - started) * 1000, 2)
            facts = {"method": method, "path": path[:MAX_TEXT], "status": status, "duration_ms": duration}
            if record.reason is not None:
                facts["reason"] = record.reason
            requests.info("request", extra={"facts": facts})
            _current.reset(token)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        fields = _collect_fields(self, record)
        with suppress(TypeError):  # half of a surrogate pair, of which json has a spelling
            line = orjson.dumps(fields)
            if line.isascii():
                return line.decode()
        return json.dumps(fields)


class TextFormatter(logging.Formatter):
    """One line for a person; only a trace takes more."""

    def format(self, record: logging.LogRecord) -> str:
        fields = _collect_fields(self, record)
        moment, level, message = fields.pop("time"), fields.pop("level"), fields.pop("message")
        trace = fields.pop("trace", "")
        if message == "request":
            message = f"{fields.pop('method')} {_escape(fields.pop('path'))} {fields.pop('status') or 'gone'}"
        pairs = "".join(f" {name}={_escape(value)}" for name, value in fields.items() if name != "logger")
        return f"{moment} {level:<7} {message}{pairs}" + (f"\n{trace}" if trace else "")


def configure_logging(settings: Settings) -> None:
    """Send everything that this process logs to standard error, in the form that suits the environment."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if settings.is_production else TextFormatter())
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper(), force=True)
    # What no line of ours tells need not be found out for each (the logging package's own advice on optimisation).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)


def _collect_fields(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, Any]:
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields = {"time": moment, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
    facts: Mapping[str, Any] = getattr(record, "facts", {})
    fields.update(facts)
    current = _current.get()
    if current is not None:
        fields["request_id"] = current.id
        if current.user is not None:
            fields["user"] = current.user[:MAX_TEXT]
    if record.exc_info:
        fields["trace"] = formatter.formatException(record.exc_info)
    return fields


def _escape(value: object) -> str:
    """Keep a client's text on its line, without control characters that a terminal would obey."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(value))
