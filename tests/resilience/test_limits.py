"""What a request, a connection and all of them together may be at the most; each limit is a setting."""

import resource
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from taskflow.server.run import allow_connections
from tests.conftest import MakeDatabase
from tests.support.cast import ALICE
from tests.support.faults import open_client, run_impatient_server
from tests.support.problems import expect_problem
from tests.support.processes import count_files, find_workers
from tests.support.server import Server, read_peak_memory
from tests.support.settings import make_settings
from tests.support.waiting import let_time_pass, wait_for
from tests.support.wire import Wire, connect, write_head

MAX_URL_BYTES = 1024
MAX_HEADER_BYTES = 4096
MAX_PIPELINED = 10
MAX_CONNECTIONS = 30

URL_TOO_LONG = expect_problem(414, "The URL is longer than 1024 bytes.")
HEADERS_TOO_LARGE = expect_problem(431, "The headers are larger than 4096 bytes.")
BUSY = expect_problem(503, "The server has more requests than it can answer, please retry.")
MEBIBYTE = b"x" * 1_048_576


@pytest.fixture(scope="module")
def server(make_database: MakeDatabase) -> Iterator[Server]:
    """A server with small limits."""
    limits = {
        "MAX_URL_BYTES": MAX_URL_BYTES,
        "MAX_HEADER_BYTES": MAX_HEADER_BYTES,
        "MAX_PIPELINED": MAX_PIPELINED,
        "MAX_CONNECTIONS": MAX_CONNECTIONS,
        "CLIENT_TIMEOUT": 20,
        "KEEP_ALIVE_TIMEOUT": 1,
        "DATABASE_TIMEOUT": 5,
    }
    with run_impatient_server(make_database(), **{name: str(value) for name, value in limits.items()}) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with open_client(server) as alice:
        yield alice


def expect_last(wire: Wire, status: int, problem: dict[str, object]) -> None:
    """The last answer on a connection."""
    answer = wire.read_answer()
    assert (answer.status_code, answer.json(), answer.headers["Connection"]) == (status, problem, "close")
    assert wire.read_to_end() == b""


def test_a_url_may_be_as_long_as_the_limit_and_no_longer(server: Server) -> None:
    """The query counts too."""
    with connect(server) as wire:
        wire.send(write_head("GET", b"/docs?".ljust(MAX_URL_BYTES, b"x")))
        assert wire.read_answer().status_code == 200
        wire.send(write_head("GET", b"/docs?".ljust(MAX_URL_BYTES + 1, b"x")))
        expect_last(wire, 414, URL_TOO_LONG)


def test_headers_may_be_as_large_as_the_limit_and_no_larger(server: Server) -> None:
    """Each counts 32 bytes more than its name and value have, so that many small ones are not for free."""
    room = MAX_HEADER_BYTES - len(b"Host" + b"test") - 32
    with connect(server) as wire:
        wire.send(write_head("GET", b"/docs", b"X: " + b"x" * (room - 1 - 32)))
        assert wire.read_answer().status_code == 200
        wire.send(write_head("GET", b"/docs", b"X: " + b"x" * (room - 32)))
        expect_last(wire, 431, HEADERS_TOO_LARGE)
    many = room // (1 + 1 + 32)
    with connect(server) as wire:
        wire.send(write_head("GET", b"/docs", *[b"X: x"] * many))
        assert wire.read_answer().status_code == 200
        wire.send(write_head("GET", b"/docs", *[b"X: x"] * (many + 1)))
        expect_last(wire, 431, HEADERS_TOO_LARGE)


@pytest.mark.parametrize(
    ("beginning", "status", "problem"),
    [
        (b"GET /", 414, URL_TOO_LONG),
        (b"GET / HTTP/1.1\r\nX: ", 431, HEADERS_TOO_LARGE),
        (b"GET / HTTP/1.1\r\n", 431, HEADERS_TOO_LARGE),
        (write_head("POST", ALICE.tasks.encode(), b"Transfer-Encoding: chunked", user=ALICE) + b"1;", 431, None),
        (write_head("POST", ALICE.tasks.encode(), b"Transfer-Encoding: chunked", user=ALICE) + b"0\r\nX: ", 431, None),
    ],
    ids=["URL", "header", "name of a header", "extension of a chunk", "header behind the body"],
)
def test_what_does_not_end_is_ended(
    beginning: bytes, status: int, problem: dict[str, object] | None, server: Server
) -> None:
    """Without being kept: a gigabyte of it would cost as much memory as a kilobyte."""
    memory = read_peak_memory(server)
    with connect(server) as wire:
        wire.send(beginning)
        # The server soon stops listening.
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            send_without_end(wire)
        assert read_peak_memory(server) - memory < 20_000
    with connect(server) as wire:
        wire.send(beginning, MEBIBYTE)
        expect_last(wire, status, problem or HEADERS_TOO_LARGE)


def send_without_end(wire: Wire) -> None:
    """Send a gigabyte."""
    for _ in range(1000):
        wire.send(MEBIBYTE)


def test_requests_may_be_sent_ahead_up_to_a_number(server: Server) -> None:
    """All of them are answered, in order; where there are more, the connection ends after those that were taken."""
    get = write_head("GET", ALICE.tasks.encode(), user=ALICE)
    with connect(server) as wire:
        wire.send(get * (MAX_PIPELINED + 1))
        for _ in range(MAX_PIPELINED + 1):
            assert wire.read_answer().json() == []
        wire.send(get * 500)
        for _ in range(MAX_PIPELINED + 1):
            assert wire.read_answer().json() == []
        assert wire.read_to_end() == b""


def test_a_request_that_has_begun_has_the_time_of_a_request(server: Server) -> None:
    """And not that of a connection over which nothing happens, which ends after KEEP_ALIVE_TIMEOUT."""
    get = write_head("GET", ALICE.tasks.encode(), user=ALICE)
    with connect(server) as wire:
        wire.send(get, get[:20])
        assert wire.read_answer().json() == []
        let_time_pass(1.5)
        wire.send(get[20:])
        assert wire.read_answer().json() == []
        assert wire.read_to_end() == b""


def test_heads_that_wait_behind_an_answer_are_bounded_together(make_database: MakeDatabase) -> None:
    """With the limits as they are: many small headers, sent ahead by clients without a token that read nothing."""
    ahead = write_head("GET", b"/docs", *[b"ab:cd"] * 880) * 99
    ordinary = write_head("GET", b"/openapi.json", *[b"X-Header: value"] * 20)
    with run_impatient_server(make_database()) as server, ExitStack() as stack:
        memory = read_peak_memory(server)
        for _ in range(20):
            wire = stack.enter_context(connect(server))
            wire.send(write_head("GET", b"/docs/swagger-ui-bundle.js"), ahead[: len(ahead) // 2])
        wire = stack.enter_context(connect(server))
        wire.send(ordinary * 100)
        assert [wire.read_answer().status_code for _ in range(100)] == [200] * 100
        assert read_peak_memory(server) - memory < 60_000


def test_connections_beyond_the_limit_are_told_so_and_closed(server: Server, client: httpx.Client) -> None:
    """Those that are open go on, and a place that becomes free is taken."""
    assert client.get(ALICE.tasks).status_code == 200
    files = count_files(server.process.pid)
    with ExitStack() as stack:
        wires = [stack.enter_context(connect(server)) for _ in range(MAX_CONNECTIONS - 1)]
        for wire in wires:
            wire.send(write_head("GET", b"/docs"))
            assert wire.read_answer().status_code == 200
        with connect(server) as wire:
            answer = wire.read_answer()
            assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (503, BUSY, "1")
            assert wire.read_to_end() == b""
        assert client.get(ALICE.tasks).status_code == 200
        wait_for(lambda: "MAX_CONNECTIONS is reached" in server.read_log(), 10)
    wait_for(lambda: count_files(server.process.pid) <= files, 10)
    with connect(server) as wire:
        wire.send(write_head("GET", b"/docs"))
        assert wire.read_answer().status_code == 200


def test_the_server_asks_for_as_many_files_as_it_may_need(make_database: MakeDatabase) -> None:
    """By default a process may open 1024."""
    with run_impatient_server(make_database(), MAX_CONNECTIONS="2000") as server:
        soft, _ = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        assert soft >= 2000 + 10
        assert "open files" not in server.read_log()


def test_where_the_system_allows_fewer_files_fewer_connections_are_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Some must be left for the database; the operator is told."""
    granted: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 2048))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: granted.append(limits))
    settings = make_settings("postgresql://owner@host/tasks", database_pool_size=10)
    assert allow_connections(settings).max_connections == 2048 - 10 - 100
    assert granted == [(2048, 2048)]
    assert caplog.messages == ["MAX_CONNECTIONS is 4000, but the system's limit of open files allows 1938"]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_without_a_file_for_a_connection_says_so_and_recovers(
    workers: str, make_database: MakeDatabase
) -> None:
    """Connections are neither reset nor lost: they wait, and are answered once there are files again."""
    with run_impatient_server(make_database(), "--workers", workers) as server:
        wait_for(lambda: server.read_log().count("Application startup complete") == int(workers), 60)
        processes = find_workers(server.log.parent) or {server.process.pid}
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        with ExitStack() as stack:
            for process in processes:
                # Files are numbered from 0, so the next one would be this, or a free one below it.
                resource.prlimit(process, resource.RLIMIT_NOFILE, (count_files(process), limits[1]))
            wires = [stack.enter_context(connect(server)) for _ in range(50)]
            for wire in wires:
                wire.send(write_head("GET", b"/livez"))
            wait_for(lambda: "none can be taken (Too many open files)" in server.read_log(), 20)
            for process in processes:
                resource.prlimit(process, resource.RLIMIT_NOFILE, limits)
            assert [wire.read_answer().status_code for wire in wires] == [200] * 50
        assert server.read_log().count("none can be taken") <= len(processes)
        assert "Traceback" not in server.read_log()


def test_json_that_is_meant_to_hurt_is_refused(client: httpx.Client) -> None:
    """Depth, digits and repetition: each within the limit of a body, each told what is wrong with it."""
    bombs = {
        b"[" * 500_000: (400, "The request body is not valid JSON (line 1, column 1026)."),
        b'{"a":' * 150_000: (400, "The request body is not valid JSON (line 1, column 5122)."),
        b'{"title": ' + b"9" * 1_000_000 + b"}": (400, "The request body is not valid JSON (line 1, column 11)."),
        b'{"title": 1e400}': (400, "The request body is not valid JSON (line 1, column 11)."),
        b'{"title": "a", "title": "b"}': (400, "The request body names a member of an object twice."),
    }
    for bomb, (status, detail) in bombs.items():
        answer = client.post(ALICE.tasks, content=bomb)
        assert (answer.status_code, answer.json()["detail"]) == (status, detail)
    assert client.get(ALICE.tasks).json() == []
