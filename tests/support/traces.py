"""A collector of traces, and a server that sends it its own."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.logs import Scene, open_scene
from tests.support.waiting import wait_for


@dataclass
class Collector:
    """What takes traces, and what it has been sent."""

    server: ThreadingHTTPServer
    status: int = 200
    bodies: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def list_spans(self) -> list[Span]:
        return [
            span
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@contextmanager
def run_collector() -> Iterator[Collector]:
    """Take traces until the block ends."""
    collector: Collector

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            if collector.status == 200:
                collector.bodies.append(body)
            self.send_response(collector.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(server)
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


def trace_scene(database_url: str, collector: Collector, **variables: str) -> AbstractContextManager[Scene]:
    """Run a server that sends its traces to the collector, and soon."""
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    return open_scene(database_url, **settings | variables)


def wait_for_names(collector: Collector, request: str) -> list[str]:
    """Return the names of all spans, in order of their beginning, once a request's is there, which ends last."""
    wait_for(lambda: request in {span.name for span in collector.list_spans()}, 10)
    return [span.name for span in wait_for_spans(collector, 1)]


def wait_for_spans(collector: Collector, number: int) -> list[Span]:
    """Give the spans once there are so many, in order of their beginning."""
    return sorted(
        wait_for(lambda: spans if len(spans := collector.list_spans()) >= number else None, 10),
        key=lambda span: span.start_time_unix_nano,
    )
