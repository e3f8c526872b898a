"""Traces of requests and statements, by OpenTelemetry: where it is installed (the extra `tracing`) and configured.

Where it is not, nothing of it is imported, and nothing stands in a request's way. A span holds no user, path, token or
text: it is named by its operation or statement. But it holds the request's id, which its client may have chosen.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskflow.concurrency.threads import run_in_thread
from taskflow.database import Database, Row, Statement, Value
from taskflow.observability.logs import get_record
from taskflow.settings import Settings, SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Tracer

END_SECONDS = 2.0
"""How long the end of a process waits until its last spans are taken."""

logger = logging.getLogger(__name__)


class Tracing:
    """The spans of this process, and where they are sent. Raises SettingsError where OpenTelemetry is missing."""

    def __init__(self, endpoint: str) -> None:
        try:
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        except ImportError:
            remedy = "install taskflow[tracing], or unset it"
            raise SettingsError(
                [f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed; {remedy}."]
            ) from None
        service = os.environ.get("OTEL_SERVICE_NAME", "taskflow")
        resource = Resource.create({"service.name": service, "service.version": version("taskflow")})
        self._endpoint = endpoint
        self._provider = TracerProvider(resource=resource)
        self.tracer: Tracer = self._provider.get_tracer("taskflow")

    async def open(self) -> None:
        """Begin to send what is gathered, from a thread."""
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        self._provider.add_span_processor(BatchSpanProcessor(_make_exporter(f"{self._endpoint}/v1/traces")))

    async def close(self) -> None:
        """Send the rest, as far as it is taken."""
        ending = asyncio.wrap_future(run_in_thread(self._provider.shutdown))
        await asyncio.wait({ending}, timeout=END_SECONDS)


def make_tracing(settings: Settings) -> Tracing | None:
    endpoint = settings.otel_exporter_otlp_endpoint
    return None if endpoint is None else Tracing(endpoint)


class RequestTracing:
    """Middleware: a span for each request, in the trace that its traceparent names (W3C Trace Context)."""

    def __init__(self, app: ASGIApp, *, tracer: "Tracer") -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

        self._app = app
        self._tracer = tracer
        self._kind = SpanKind.SERVER
        self._failure = Status(StatusCode.ERROR)
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        record = get_record()
        if scope["type"] != "http" or record is None:
            await self._app(scope, receive, send)
            return
        status: int | None = None

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        # Not tracestate, which could hold anything: it would go to the collector, and is for those who call on.
        parents = [value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"]
        carrier = {"traceparent": parents[0]} if len(parents) == 1 else {}
        method = scope["method"]
        attributes = {"http.request.method": method, "taskflow.request_id": record.id}
        context = self._propagator.extract(carrier)
        with self._tracer.start_as_current_span(
            method, context, self._kind, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            record.trace = f"{span.get_span_context().trace_id:032x}"
            await self._app(scope, receive, send_noting)
            if record.operation is not None:
                span.update_name(record.operation)
            if status is not None:
                span.set_attribute("http.response.status_code", status)
            if status is None or status >= 500:  # noqa: PLR2004
                span.set_status(self._failure)


class TracedDatabase(Database):
    """A database with a span for each statement, the wait for a connection included."""

    def __init__(self, settings: Settings, on_error: Callable[[str], None], *, tracer: "Tracer") -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415

        super().__init__(settings, on_error)
        self._tracer = tracer
        self._kind = SpanKind.CLIENT
        self._failure = Status(StatusCode.ERROR)

    async def fetch_all(self, statement: Statement, values: Mapping[str, Value]) -> list[Row]:
        name, attributes = statement.name.decode(), {"db.system.name": "postgresql"}
        # An exception's own words stay out of it.
        with self._tracer.start_as_current_span(
            name, None, self._kind, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                return await super().fetch_all(statement, values)
            except Exception:
                span.set_status(self._failure)
                raise


def _make_exporter(endpoint: str) -> "SpanExporter":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415

    class Exporter(OTLPSpanExporter):
        """Says once that spans are not taken, and once that they are again; its own words would name the host."""

        is_failing = False

        def export(self, spans: Sequence["ReadableSpan"]) -> SpanExportResult:
            result = super().export(spans)
            is_failing = result is not SpanExportResult.SUCCESS
            if is_failing is not self.is_failing:
                self.is_failing = is_failing
                logger.warning("traces cannot be sent, and are lost" if is_failing else "traces are sent again")
            return result

    return Exporter(endpoint)
