"""Requests that ask for another protocol, as Java's client does with each first one: answered as if they had not."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.support.cast import ALICE
from tests.support.problems import expect_problem
from tests.support.server import Server
from tests.support.tasks import create_task, expect_task
from tests.support.waiting import let_time_pass
from tests.support.wire import Wire, connect, write_head

TASKS = ALICE.tasks.encode()
BODY = b'{"title": "Buy groceries"}'
JSON = b"Content-Type: application/json"
LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"9\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (BODY[:9], len(BODY) - 9, BODY[9:])

ASKS = {
    "h2c, as Java asks": [b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAEAAEAAAAIAAAAB", b"Upgrade: h2c"],
    "websocket": [b"Connection: keep-alive, Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"],
    "TLS": [b"Upgrade: TLS/1.2", b"Connection: upgrade"],
    "several": [b"Connection: upgrade", b"Upgrade: h2c, websocket", b"Upgrade: IRC/6.9"],
}
FRAMINGS = {"a length": (LENGTH, BODY), "chunks": (CHUNKED, CHUNKS)}


def send_whole(wire: Wire, request: bytes) -> None:
    wire.send(request)


def send_head_first(wire: Wire, request: bytes) -> None:
    head, _, rest = request.partition(b"\r\n\r\n")
    wire.send(head, b"\r\n\r\n")
    let_time_pass(0.05)  # so that the two come apart
    wire.send(rest)


def send_bytes(wire: Wire, request: bytes) -> None:
    for byte in request:
        wire.send(bytes([byte]))


SENDERS = [send_whole, send_head_first, send_bytes]
every_ask = pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
every_framing = pytest.mark.parametrize(("framing", "body"), FRAMINGS.values(), ids=FRAMINGS)


@pytest.fixture
def wire(server: Server, alice: httpx.Client) -> Iterator[Wire]:
    """A connection to a server without tasks."""
    assert alice.get(ALICE.tasks).json() == []
    with connect(server) as opened:
        yield opened


def write_post(*headers: bytes, body: bytes = b"") -> bytes:
    return write_head("POST", TASKS, JSON, *headers, user=ALICE) + body


@every_ask
@every_framing
@pytest.mark.parametrize("send", SENDERS)
def test_a_body_is_read_and_the_connection_goes_on(
    ask: list[bytes], framing: bytes, body: bytes, send: Callable[[Wire, bytes], None], wire: Wire
) -> None:
    """However the bytes are cut; the next requests, which may ask again, are in the same packet and in another."""
    post = write_post(framing, *ask, body=body)
    send(wire, post + write_head("GET", TASKS, *ask, user=ALICE) + post)
    first = wire.read_answer()
    assert (first.status_code, first.json()) == (201, expect_task(ALICE, id=1))
    assert "Connection" not in first.headers
    assert "Upgrade" not in first.headers
    assert wire.read_answer().json() == [first.json()]
    assert wire.read_answer().json() == expect_task(ALICE, id=2)
    send(wire, write_head("DELETE", TASKS + b"/2", *ask, user=ALICE) + write_head("GET", TASKS, user=ALICE))
    assert wire.read_answer().status_code == 204
    assert wire.read_answer().json() == [first.json()]


@every_framing
def test_a_client_that_waits_for_leave_to_send_its_body_gets_it(framing: bytes, body: bytes, wire: Wire) -> None:
    """`Expect: 100-continue` beside `Upgrade`."""
    wire.send(write_post(framing, b"Expect: 100-continue", *ASKS["h2c, as Java asks"]))
    assert wire.read_answer().status_code == 100
    wire.send(body)
    assert wire.read_answer().json() == expect_task(ALICE, id=1)


@every_ask
def test_a_connection_that_is_to_close_is_closed(ask: list[bytes], wire: Wire) -> None:
    """`Connection: close` counts beside `Connection: Upgrade`, and HTTP/1.0 closes anyway."""
    wire.send(write_post(LENGTH, b"Connection: close", *ask, body=BODY))
    answer = wire.read_answer()
    assert (answer.status_code, answer.headers["Connection"]) == (201, "close")
    assert wire.read_to_end() == b""


@every_framing
def test_an_old_client_is_served(framing: bytes, body: bytes, wire: Wire) -> None:
    """A server must ignore `Upgrade` in HTTP/1.0 (RFC 9110, section 7.8)."""
    request = write_post(framing, *ASKS["h2c, as Java asks"], body=body).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    wire.send(request)
    answer = wire.read_answer()
    assert (answer.status_code, answer.headers["Connection"]) == (201, "close")
    assert wire.read_to_end() == b""


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([LENGTH, CHUNKED], CHUNKS),
        ([CHUNKED, LENGTH], CHUNKS),
        ([LENGTH, LENGTH], BODY),
        ([LENGTH, b"Host: other"], BODY),
        ([b"Content-Length: +5"], BODY),
        ([b"Transfer-Encoding: gzip, chunked"], CHUNKS),
        ([CHUNKED], b"z\r\n"),
        ([CHUNKED], b"2\r\nabcd\r\n0\r\n\r\n"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(headers: list[bytes], body: bytes, wire: Wire) -> None:
    """`Upgrade` makes no check weaker."""
    wire.send(write_post(*headers, *ASKS["h2c, as Java asks"], body=body), write_post(LENGTH, body=BODY))
    answer = wire.read_answer()
    assert (answer.status_code, answer.json()) == (400, expect_problem(400, "The request is not valid HTTP/1.1."))
    assert wire.read_to_end() == b""


def test_what_a_body_holds_is_never_taken_for_a_request(wire: Wire, alice: httpx.Client) -> None:
    """A body that reads like a request is a body, and refused as one."""
    task = create_task(alice, ALICE)
    body = write_head("DELETE", TASKS + b"/1", user=ALICE)
    wire.send(write_post(b"Content-Length: %d" % len(body), *ASKS["h2c, as Java asks"], body=body))
    assert wire.read_answer().status_code == 400
    wire.send(write_head("GET", TASKS, user=ALICE))
    assert wire.read_answer().json() == [task]


def test_trailers_that_ask_change_nothing(wire: Wire) -> None:
    """Behind a body in chunks, `Upgrade` comes too late to be asked at all."""
    trailers = b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    for ask in ([], ASKS["TLS"]):
        wire.send(write_post(CHUNKED, *ask, body=CHUNKS[:-2] + trailers))
        assert wire.read_answer().status_code == 201


def test_limits_hold(wire: Wire) -> None:
    """To what is sent ahead, and to a body: the connection ends."""
    ask = ASKS["h2c, as Java asks"]
    wire.send(write_head("GET", b"/livez", *ask) * 150)
    answers = wire.read_to_end()
    assert 1 <= answers.count(b"HTTP/1.1 200 OK") <= 101


def test_a_body_that_is_too_large_is_refused(wire: Wire) -> None:
    """413, as ever."""
    wire.send(write_post(b"Content-Length: 1048577", *ASKS["h2c, as Java asks"]))
    assert wire.read_answer().status_code == 413
