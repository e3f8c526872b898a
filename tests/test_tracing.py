"""Traces: a request goes on with the trace that it comes in, and what is told of it names nobody."""

import os
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.conftest import MakeDatabase
from tests.support.cast import ALICE, BOB, SECRET
from tests.support.logs import Scene, wait_for_request
from tests.support.processes import run_command
from tests.support.server import make_environment, stop_process
from tests.support.traces import Collector, run_collector, trace_scene, wait_for_spans
from tests.support.waiting import wait_for

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}


@pytest.fixture(scope="module")
def shared_scene(make_database: MakeDatabase, collector: Collector) -> Iterator[Scene]:
    with trace_scene(make_database(), collector, DATABASE_TIMEOUT="0.5") as opened:
        opened.client.headers.update(ALICE.headers)
        # What the server does of itself when it starts, which is to remove old keys, is traced too.
        wait_for(collector.list_spans, 10)
        yield opened


@pytest.fixture
def scene(shared_scene: Scene, collector: Collector) -> Scene:
    """A server that is traced, nothing of which the collector knows yet."""
    collector.bodies.clear()
    return shared_scene


def describe(span: Span) -> dict[str, Any]:
    """Give all that a span says, but for its own id and its times."""
    attributes = {one.key: one.value.string_value or one.value.int_value for one in span.attributes}
    return {
        "name": span.name,
        "kind": Span.SpanKind.Name(span.kind),
        "trace": span.trace_id.hex(),
        "parent": span.parent_span_id.hex(),
        "status": Status.StatusCode.Name(span.status.code) + span.status.message,
        "attributes": attributes,
        "events": list(span.events),
    }


def test_a_request_goes_on_with_its_trace(scene: Scene, collector: Collector) -> None:
    """Its span is a child of the caller's, and the statement's is its own child; each lies within its parent."""
    response = scene.client.post(ALICE.tasks, json={"title": "Buy groceries"}, headers=TRACEPARENT)
    request, statement = wait_for_spans(collector, 2)
    common = {"trace": TRACE, "status": "STATUS_CODE_UNSET", "events": []}
    assert describe(request) == {
        **common,
        "name": "createTask",
        "kind": "SPAN_KIND_SERVER",
        "parent": PARENT,
        "attributes": {
            "http.request.method": "POST",
            "http.response.status_code": 201,
            "taskflow.request_id": response.headers["X-Request-Id"],
        },
    }
    assert describe(statement) == {
        **common,
        "name": "create_task",
        "kind": "SPAN_KIND_CLIENT",
        "parent": request.span_id.hex(),
        "attributes": {"db.system.name": "postgresql"},
    }
    assert request.start_time_unix_nano <= statement.start_time_unix_nano
    assert statement.end_time_unix_nano <= request.end_time_unix_nano


def test_a_request_without_a_trace_begins_one(scene: Scene, collector: Collector) -> None:
    """Whose id stands in the log too."""
    response = scene.client.get("/docs")
    (span,) = wait_for_spans(collector, 1)
    assert describe(span) == {
        "name": "GET",
        "kind": "SPAN_KIND_SERVER",
        "trace": wait_for_request(scene.server, response)["trace_id"],
        "parent": "",
        "status": "STATUS_CODE_UNSET",
        "attributes": {
            "http.request.method": "GET",
            "http.response.status_code": 200,
            "taskflow.request_id": response.headers["X-Request-Id"],
        },
        "events": [],
    }


def test_a_caller_that_does_not_record_is_followed(scene: Scene, collector: Collector) -> None:
    """What it has not sampled is not sent; the log names its trace all the same."""
    unsampled = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
    response = scene.client.get(ALICE.tasks, headers=unsampled)
    assert wait_for_request(scene.server, response)["trace_id"] == TRACE
    scene.client.post(ALICE.tasks, json={"title": "Buy groceries"}, headers=TRACEPARENT)
    assert [span.name for span in wait_for_spans(collector, 2)] == ["createTask", "create_task"]


def test_a_failure_is_marked_and_a_refusal_is_not(scene: Scene, collector: Collector) -> None:
    """Ours, and not the client's."""
    scene.client.get(BOB.tasks)
    with scene.database.transaction():
        scene.database.execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        assert scene.client.get(ALICE.tasks).status_code == 503
    spans = [(span.name, Status.StatusCode.Name(span.status.code)) for span in wait_for_spans(collector, 3)]
    assert spans == [
        ("listTasks", "STATUS_CODE_UNSET"),
        ("listTasks", "STATUS_CODE_ERROR"),
        ("list_tasks", "STATUS_CODE_ERROR"),
    ]


def test_a_trace_names_nobody(scene: Scene, collector: Collector) -> None:
    """No user, path, token or text is in what is sent; nor where it was refused, or failed."""
    state = {"tracestate": "vendor=private"}
    scene.client.post(ALICE.tasks, json={"title": "Private words"}, headers={**TRACEPARENT, **state})
    scene.client.get(ALICE.tasks, params={"q": "Private words"})
    scene.client.get(ALICE.tasks, params={"cursor": "private"})
    scene.client.get(f"{BOB.tasks}/1")
    scene.database.execute("ALTER TABLE tasks RENAME TO elsewhere")
    assert scene.client.post(ALICE.tasks, json={"title": "Private words"}).status_code == 500
    scene.database.execute("ALTER TABLE elsewhere RENAME TO tasks")
    scene.client.delete(f"{ALICE.tasks}/private")
    wait_for(lambda: "deleteTask" in [span.name for span in collector.list_spans()], 10)
    sent = b"".join(collector.bodies).lower()
    for private in ("private", ALICE.id, BOB.id, "/api/", ALICE.token, SECRET):
        assert private.lower().encode() not in sent


def test_a_collector_that_takes_nothing_is_not_waited_for(make_database: MakeDatabase) -> None:
    """Requests are answered as ever; that spans are lost is said once, and so is the end of it, without its address."""
    with run_collector() as collector, trace_scene(make_database(), collector) as scene:
        collector.status = 400
        wait_for(lambda: _ask(scene) and "traces cannot be sent" in scene.server.read_log(), 10)
        collector.status = 200
        wait_for(lambda: _ask(scene) and "traces are sent again" in scene.server.read_log(), 10)
        log = scene.server.read_log()
        assert log.count("traces cannot be sent") == log.count("traces are sent again") == 1
        assert f":{collector.server.server_port}" not in log


def _ask(scene: Scene) -> bool:
    return scene.client.get(ALICE.tasks, headers=ALICE.headers).is_success


def test_the_end_does_not_wait_for_a_collector_that_is_gone(make_database: MakeDatabase) -> None:
    """What it has not taken then is lost."""
    with run_collector() as collector:
        pass
    with trace_scene(make_database(), collector) as scene:
        assert _ask(scene)
        started = monotonic()
        assert stop_process(scene.server.process) == 0
        assert monotonic() - started < 5
        assert f":{collector.server.server_port}" not in scene.server.read_log()


def test_every_worker_sends_its_spans(make_database: MakeDatabase) -> None:
    """To the last: what there is at the end is sent."""
    with run_collector() as collector:
        with trace_scene(make_database(), collector, WEB_CONCURRENCY="2", OTEL_BSP_SCHEDULE_DELAY="60000") as scene:
            for _ in range(20):
                assert httpx.get(scene.server.url + ALICE.tasks, headers=ALICE.headers).is_success
            assert stop_process(scene.server.process) == 0
        names = [span.name for span in collector.list_spans()]
        assert (names.count("listTasks"), names.count("list_tasks")) == (20, 20)


def test_that_it_is_not_installed_is_said_at_the_start(database_url: str, tmp_path: Path) -> None:
    """By the server and by the check, with the remedy. Without the variable nothing of it is imported."""
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").write_text("raise ImportError")
    environment = make_environment(DATABASE_URL=database_url, PYTHONPATH=os.fspath(tmp_path))
    sentence = (
        "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed; "
        "install taskflow[tracing], or unset it."
    )
    wanted = {**environment, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    served = run_command(wanted, "serve", "--port", "0")
    assert (served.returncode, served.stderr) == (2, f"taskflow: {sentence}\n")
    checked = run_command(wanted, "check")
    assert (checked.returncode, checked.stdout.splitlines()[-1]) == (1, f"failed  traces         {sentence}")
    assert run_command(environment, "migrate").returncode == 0
    assert run_command(environment, "check").returncode == 0
