"""METRICS_PORT: served by the API's event loop, under limits of its own, so that no client there can harm the API."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.conftest import MakeDatabase
from tests.support.addresses import find_port
from tests.support.faults import run_impatient_server
from tests.support.problems import expect_problem
from tests.support.processes import count_files
from tests.support.server import Server
from tests.support.waiting import wait_for
from tests.support.wire import connect, write_head

CLIENT_TIMEOUT = 3
CROWD = 200
HALF_A_REQUEST = write_head("GET", b"/metrics")[:-4]
NOT_FOUND = expect_problem(404, "There is nothing at this path.")
NOT_ALLOWED = expect_problem(405, "This path takes only GET, HEAD.")
BUSY = expect_problem(503, "The server has more requests than it can answer, please retry.")


@pytest.fixture(scope="module")
def server(make_database: MakeDatabase) -> Iterator[Server]:
    variables = {"METRICS_PORT": str(find_port()), "CLIENT_TIMEOUT": str(CLIENT_TIMEOUT), "MAX_URL_BYTES": "1024"}
    with run_impatient_server(make_database(), **variables) as running:
        yield running


@pytest.fixture
def port(server: Server) -> Server:
    """The same server, at the address of its metrics."""
    url = server.read_log().partition("metrics at ")[2].partition("/metrics")[0]
    return replace(server, url=url)


def count_threads(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("Threads:")[2].split()[0])


@pytest.mark.parametrize("sent", [b"", b"G", HALF_A_REQUEST], ids=["nothing", "one byte", "half a request"])
def test_clients_that_do_not_ask_take_no_threads_and_are_ended(sent: bytes, server: Server, port: Server) -> None:
    """Twenty are waited for, the others are refused; the API answers meanwhile, and the metrics afterwards."""
    threads, files = count_threads(server), count_files(server.process.pid)
    with ExitStack() as stack:
        wires = [stack.enter_context(connect(port)) for _ in range(CROWD)]
        for wire in wires[:20]:
            wire.send(sent)
        assert wires[-1].read_answer().json() == BUSY
        assert httpx.get(f"{server.url}/readyz").json() == {"status": "ok"}
        assert count_threads(server) <= threads
        wait_for(lambda: count_files(server.process.pid) <= files + 20, 10)
        answers = {wire.read_to_end().partition(b"\r\n")[0] for wire in wires[:20]}
        assert answers == ({b"HTTP/1.1 408 Request Timeout"} if sent else {b""})
    assert httpx.get(f"{port.url}/metrics").status_code == 200
    wait_for(lambda: "METRICS_MAX_CONNECTIONS is reached" in server.read_log(), 10)
    assert "Traceback" not in server.read_log()


def test_the_port_has_nothing_but_the_metrics(port: Server) -> None:
    """Each path of the API is unknown there; a head alone can be asked for."""
    for path in ("/", "/metrics/", "/livez", "/docs", "/api/user_abc123/tasks"):
        answer = httpx.get(port.url + path)
        assert (answer.status_code, answer.json()) == (404, NOT_FOUND)
        assert answer.headers["Content-Type"] == "application/problem+json"
    for method in ("POST", "DELETE", "OPTIONS"):
        answer = httpx.request(method, f"{port.url}/metrics")
        assert (answer.status_code, answer.json(), answer.headers["Allow"]) == (405, NOT_ALLOWED, "GET, HEAD")
    head = httpx.head(f"{port.url}/metrics")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert head.headers["X-Content-Type-Options"] == "nosniff"


def test_the_limits_of_a_request_hold_there_too(port: Server) -> None:
    """Those of a URL, and of what is no HTTP."""
    with connect(port) as wire:
        wire.send(write_head("GET", b"/metrics?".ljust(1025, b"x")))
        assert wire.read_answer().status_code == 414
    with connect(port) as wire:
        wire.send(b"rubbish\r\n\r\n")
        assert wire.read_answer().status_code == 400


def test_many_scrapes_use_one_connection(port: Server) -> None:
    """It is kept open as the API's are."""
    with connect(port) as wire:
        for _ in range(3):
            wire.send(write_head("GET", b"/metrics"))
            assert wire.read_answer().status_code == 200


def test_the_metrics_listen_on_an_address_of_their_own(make_database: MakeDatabase) -> None:
    """By default loopback, whatever HOST is; elsewhere only where METRICS_HOST says so."""
    metrics = find_port()
    with run_impatient_server(make_database(), HOST="127.0.0.2", METRICS_PORT=str(metrics)):
        assert httpx.get(f"http://127.0.0.1:{metrics}/metrics").status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.2:{metrics}/metrics")
