"""The log: one structured line per request, for machines in production and for people in development.

Nobody can forge a line. What must not stand in it is the matter of test_log_privacy.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from unittest.mock import ANY
from urllib.parse import quote

import httpx
import pytest

from tests.conftest import MakeDatabase
from tests.support.cast import ALICE, BOB, SECRET, User
from tests.support.logs import LINE_SECONDS, Scene, find_requests, open_scene, wait_for_request
from tests.support.server import Server, make_environment, run_server
from tests.support.waiting import wait_for
from tests.support.wire import connect, write_head


@pytest.fixture(scope="module")
def scene(make_database: MakeDatabase) -> Iterator[Scene]:
    """The server that most tests of this file share."""
    with open_scene(make_database(), DATABASE_TIMEOUT="0.5", MAX_BODY_BYTES="2048") as opened:
        yield opened


@pytest.mark.parametrize(
    ("method", "path", "user", "status"),
    [
        ("GET", "/api/alice/tasks", ALICE, 200),
        ("POST", "/api/alice/tasks/", ALICE, 201),
        ("GET", "/api/alice/tasks", None, 401),
        ("GET", "/api/alice/tasks", BOB, 403),
        ("DELETE", "/nowhere", None, 404),
        ("PUT", "/api/alice/tasks", ALICE, 405),
        ("GET", "/api/alice/tasks/first", ALICE, 422),
        ("OPTIONS", "/openapi.yaml", None, 405),
        ("GET", "/docs", None, 200),
    ],
)
def test_each_request_has_one_line(method: str, path: str, user: User | None, status: int, scene: Scene) -> None:
    """With its time in UTC, what it asked, how it went, how long it took, under which id, and whose it was."""
    headers = user.headers if user else {}
    body = {"title": "Buy groceries"} if method == "POST" else None
    before = datetime.now(UTC).replace(microsecond=0)
    response = scene.client.request(method, path, headers=headers, json=body)
    line = wait_for_request(scene.server, response)
    # Without a route, nobody's token is looked at.
    known = {"user": user.id} if user and status != 405 else {}
    assert line == {
        "time": ANY,
        "level": "info",
        "logger": "taskflow.requests",
        "message": "request",
        "method": method,
        "path": path,
        "status": status,
        "duration_ms": ANY,
        "request_id": response.headers["X-Request-Id"],
        **known,
    }
    assert response.status_code == status
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert before <= datetime.fromisoformat(line["time"]) <= datetime.now(UTC)
    assert 0 < line["duration_ms"] < 30_000


def test_every_request_has_an_id_of_its_own(scene: Scene) -> None:
    """As long as its client gives it none."""
    responses = [scene.client.get("/docs") for _ in range(20)]
    ids = [response.headers["X-Request-Id"] for response in responses]
    wait_for_request(scene.server, responses[-1])
    assert len(set(ids)) == 20
    assert [line["request_id"] for line in find_requests(scene.server)[-20:]] == ids


@pytest.mark.parametrize(
    "request_id",
    ["x", "x" * 128, "7a085853-4722-4cbc-8f8f-1b8a2b2ed2d6", "Root=1-67891233-abcdef012345678912345678", "a+/="],
)
def test_a_clients_own_id_is_kept(scene: Scene, request_id: str) -> None:
    """In the answer and in the log; also where the request is refused before it is one."""
    headers = {"X-Request-Id": request_id}
    responses = [scene.client.get("/docs", headers=headers), scene.client.get("/nowhere", headers=headers)]
    assert [response.headers["X-Request-Id"] for response in responses] == [request_id] * 2
    with connect(scene.server) as wire:
        wire.send(write_head("GET", b"/docs", f"X-Request-Id: {request_id}".encode(), b"Content-Length: x"))
        assert (answer := wire.read_answer()).status_code == 400
        assert answer.headers["X-Request-Id"] == request_id
    wait_for_request(scene.server, responses[-1])
    assert [line["request_id"] for line in find_requests(scene.server)[-2:]] == [request_id] * 2


@pytest.mark.parametrize("request_id", ["", "x" * 129, "two words", "a\tb", '"quoted"', "{}", "é", "a,b", "%0a"])
def test_an_id_that_is_not_fit_for_a_log_is_replaced(scene: Scene, request_id: str) -> None:
    """The request is answered all the same."""
    response = scene.client.get("/docs", headers={b"X-Request-Id": request_id.encode()})
    assert response.status_code == 200
    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-Id"])


TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("traceparent", "trace"),
    [
        (f"00-{TRACE}-b7ad6b7169203331-01", TRACE),
        (f"00-{TRACE}-b7ad6b7169203331-00", TRACE),
        (f"cc-{TRACE}-b7ad6b7169203331-01-what-comes", TRACE),
        (f"00-{TRACE}-b7ad6b7169203331-01-what-comes", None),
        (f"ff-{TRACE}-b7ad6b7169203331-01", None),
        (f"00-{TRACE.upper()}-b7ad6b7169203331-01", None),
        (f"00-{'0' * 32}-b7ad6b7169203331-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE}-b7ad6b7169203331", None),
        ("x", None),
    ],
)
def test_a_line_names_the_trace_that_its_request_is_of(scene: Scene, traceparent: str, trace: str | None) -> None:
    """As the header traceparent says it (W3C Trace Context), if it says it right."""
    response = scene.client.get("/docs", headers={"traceparent": traceparent})
    assert wait_for_request(scene.server, response).get("trace_id") == trace


FORGERIES = [
    "\n",
    "\r\n",
    "\r",
    "\x1b[2K\x1b[1A",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
    "\u202e",
    "\x00",
    '"}\n{"',
]


@pytest.mark.parametrize("forgery", FORGERIES, ids=ascii)
def test_no_path_and_no_user_can_forge_a_line(forgery: str, scene: Scene) -> None:
    """What a client chose stays inside one JSON string, in which nothing but ASCII is written."""
    mallory = User(f"mallory{forgery}forged")
    response = scene.client.get(quote(f"/{mallory.id}"), headers=mallory.headers)
    assert wait_for_request(scene.server, response)["path"] == f"/{mallory.id}"
    response = scene.client.get(ALICE.tasks, headers=mallory.headers)
    assert wait_for_request(scene.server, response)["user"] == mallory.id
    assert scene.server.log.read_bytes().isascii()


def test_long_paths_and_user_ids_are_cut(scene: Scene) -> None:
    """A request cannot fill the disk."""
    user = User("u" * 2000)
    line = wait_for_request(scene.server, scene.client.get(user.tasks, headers=user.headers))
    assert line["path"] == user.tasks[:512]
    assert line["user"] == user.id[:512]


def test_development_lines_are_for_people(database_url: str) -> None:
    """Plain text, one line a request; control characters are written out, and cannot forge a line or move a cursor."""
    environment = make_environment(DATABASE_URL=database_url, BETTER_AUTH_SECRET=SECRET)
    with run_server(environment) as server, httpx.Client(base_url=server.url) as client:
        response = client.get(ALICE.tasks, headers=ALICE.headers)
        line = _wait_for_text(server, response.headers["X-Request-Id"])
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info    GET /api/alice/tasks 200"
            r" duration_ms=\d+\.\d+ request_id=[0-9a-f]{32} user=alice",
            line,
        )
        for forgery in FORGERIES:
            mallory = User(f"mallory{forgery}forged")
            written = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in mallory.id)
            response = client.get(quote(f"/{mallory.id}"), headers=mallory.headers)
            assert f" GET /{written} 404 " in _wait_for_text(server, response.headers["X-Request-Id"])
            response = client.get(ALICE.tasks, headers=mallory.headers)
            assert _wait_for_text(server, response.headers["X-Request-Id"]).endswith(f" user={written}")


def _wait_for_text(server: Server, request_id: str) -> str:
    # splitlines takes every character that any terminal or tool might take for the end of a line.
    def find_line() -> str | None:
        lines = server.log.read_bytes().decode().splitlines()
        return next((line for line in lines if f"request_id={request_id}" in line), None)

    return wait_for(find_line, LINE_SECONDS)
