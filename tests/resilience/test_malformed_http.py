"""Bytes that are no HTTP/1.1, or could be read in two ways: refused, told so in JSON, and the connection is ended."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest

from tests.support.cast import ALICE
from tests.support.problems import expect_problem
from tests.support.server import Server
from tests.support.tasks import create_task, expect_task
from tests.support.wire import connect, write_head

MALFORMED = expect_problem(400, "The request is not valid HTTP/1.1.")
BODY = b'{"title": "Buy groceries"}'
LENGTH = b"Content-Length: %d" % len(BODY)
TASKS = ALICE.tasks.encode()
SMUGGLED = b"POST /api/alice/tasks HTTP/1.1\r\nHost: test\r\n\r\n"


def write_post(*headers: bytes, body: bytes = BODY) -> bytes:
    return write_head("POST", TASKS, b"Content-Type: application/json", *headers, user=ALICE) + body


REQUESTS = {
    "no HTTP": b"Hello?\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a NUL in the method": b"GE\x00T / HTTP/1.1\r\nHost: test\r\n\r\n",
    "an unknown method": write_head("BREW", TASKS),
    "a method in lower case": write_head("get", TASKS),
    "a tunnel": write_head("CONNECT", b"evil.example:443"),
    "no target": b"GET HTTP/1.1\r\nHost: test\r\n\r\n",
    "a space in the target": write_head("GET", b"/api/ali ce/tasks"),
    "no version": b"GET /docs\r\nHost: test\r\n\r\n",
    "a version of the future": b"GET /docs HTTP/4.2\r\nHost: test\r\n\r\n",
    "no host": b"GET /docs HTTP/1.1\r\n\r\n",
    "two hosts": write_head("GET", b"/docs", b"Host: other"),
    **{
        f"the host {host!r}": b"GET /docs HTTP/1.1\r\nHost: %b\r\n\r\n" % host
        for host in (
            b"a b",
            b"a/b",
            b"u@h",
            b"a?b",
            b"a#b",
            b"h:80:90",
            b"h:abc",
            b"[::1",
            b'"x"',
            b"<x>",
            b"%zz",
            b"\xff",
        )
    },
    "a header without a colon": write_head("GET", b"/docs", b"X-Odd"),
    "a header with a space before its colon": write_post(b"Content-Length : %d" % len(BODY)),
    "a header with a NUL": write_head("GET", b"/docs", b"X-Odd: a\x00b"),
    "a header with a lone carriage return": write_head("GET", b"/docs", b"X-Odd: a\rContent-Length: 5"),
    "a header over two lines": write_head("GET", b"/docs", b"X-Odd: a", b" b"),
    "a length and chunks": write_post(LENGTH, b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED),
    "chunks and a length": write_post(b"Transfer-Encoding: chunked", LENGTH, body=b"0\r\n\r\n" + SMUGGLED),
    "two lengths": write_post(LENGTH, b"Content-Length: 5"),
    "two lengths that agree": write_post(LENGTH, LENGTH),
    "two lengths in one": write_post(b"Content-Length: %d, %d" % (len(BODY), len(BODY))),
    "a length below zero": write_post(b"Content-Length: -1"),
    "a length with a sign": write_post(b"Content-Length: +%d" % len(BODY)),
    "a length in hexadecimal": write_post(b"Content-Length: 0x1a"),
    "a length beyond counting": write_post(b"Content-Length: 99999999999999999999999999"),
    "chunks that are not the last encoding": write_post(b"Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"),
    "an encoding of another kind": write_post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "something compressed, then cut into chunks": write_post(
        b"Transfer-Encoding: gzip, chunked", body=b"1a\r\n" + BODY + b"\r\n0\r\n\r\n"
    ),
    "the same in two headers": write_post(
        b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked", body=b"1a\r\n" + BODY + b"\r\n0\r\n\r\n"
    ),
    "chunks of no size": write_post(b"Transfer-Encoding: chunked", body=b"z\r\n"),
    "chunks of a size below zero": write_post(b"Transfer-Encoding: chunked", body=b"-1\r\n"),
    "chunks of a size beyond counting": write_post(b"Transfer-Encoding: chunked", body=b"f" * 17 + b"\r\n"),
    "a length behind chunks": write_post(
        b"Transfer-Encoding: chunked", body=b"1\r\n1\r\n0\r\nContent-Length: 5\r\n\r\n"
    ),
    "chunks longer than they say": write_post(b"Transfer-Encoding: chunked", body=b"2\r\nabcd\r\n0\r\n\r\n"),
}


@pytest.fixture
def empty(database: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The database, in which nothing may be found afterwards."""
    yield database
    assert database.execute("SELECT count(*) FROM tasks").fetchone() == (0,)


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_what_is_no_http_is_told_so_and_the_connection_ends(
    request_: bytes, server: Server, empty: psycopg.Connection
) -> None:
    """One answer in JSON, and nothing after it: what may hide behind the request is never read as another one."""
    assert not empty.closed
    with connect(server) as wire:
        wire.send(request_)
        answer = wire.read_answer()
        assert (answer.status_code, answer.json()) == (400, MALFORMED)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Connection"] == "close"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Server" not in answer.headers
        assert wire.read_to_end() == b""


@pytest.mark.parametrize("number", [1, 3])
def test_answers_that_are_due_come_before_the_end(number: int, server: Server, alice: httpx.Client) -> None:
    """Rubbish behind good requests takes none of their answers, and is not taken for an answer to one of them."""
    task = create_task(alice, ALICE)
    with connect(server) as wire:
        wire.send(write_head("GET", f"{ALICE.tasks}/{task['id']}".encode(), user=ALICE) * number, b"rubbish\r\n\r\n")
        for _ in range(number):
            assert wire.read_answer().json() == task
        assert wire.read_to_end() == b""


def test_an_answer_that_is_due_comes_before_a_body_is_found_to_be_none(server: Server, alice: httpx.Client) -> None:
    """The one whose body it is has no answer: the connection ends before its turn comes."""
    task = create_task(alice, ALICE)
    with connect(server) as wire:
        wire.send(write_head("GET", TASKS, user=ALICE), write_post(b"Transfer-Encoding: chunked", body=b"z\r\n"))
        assert wire.read_answer().json() == [task]
        assert wire.read_to_end() == b""
    assert alice.get(ALICE.tasks).json() == [task]


def test_a_page_may_read_why_its_request_was_refused(server: Server) -> None:
    """An answer of the server itself has the headers of CORS too, for the configured origins alone."""
    for origin, allowed in ((b"https://app.example.com", "https://app.example.com"), (b"https://evil.example", None)):
        with connect(server) as wire:
            wire.send(write_head("GET", b"/docs", b"Origin: " + origin, b"Host: other"))
            answer = wire.read_answer()
            assert (answer.status_code, answer.headers.get("Access-Control-Allow-Origin")) == (400, allowed)


def test_nothing_behind_connect_is_read(server: Server, alice: httpx.Client) -> None:
    """It is answered, and what follows it is meant for another server."""
    task = create_task(alice, ALICE)
    with connect(server) as wire:
        wire.send(write_head("CONNECT", TASKS, user=ALICE), write_head("DELETE", TASKS + b"/1", user=ALICE))
        assert wire.read_answer().status_code == 405
        assert wire.read_to_end() == b""
    assert alice.get(ALICE.tasks).json() == [task]


def test_headers_behind_a_body_change_nothing(server: Server, alice: httpx.Client) -> None:
    """Nobody becomes another user, and no body another type, by what comes after it."""
    trailers = b"Authorization: Bearer x\r\nContent-Type: text/plain\r\nHost: other\r\n\r\n"
    with connect(server) as wire:
        for number in (1, 2):
            wire.send(
                write_post(b"Transfer-Encoding: chunked", body=b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY)), trailers
            )
            assert wire.read_answer().json() == expect_task(ALICE, id=number)
    assert len(alice.get(ALICE.tasks).json()) == 2


def test_a_client_that_has_said_all_is_answered(server: Server, alice: httpx.Client) -> None:
    """It has closed its side, and waits; a client that has left looks the same, and its half a request is none."""
    with connect(server) as wire:
        wire.send(write_post(LENGTH), write_head("GET", TASKS, user=ALICE))
        wire.end()
        task = wire.read_answer().json()
        assert task == expect_task(ALICE, id=1)
        assert wire.read_answer().json() == [task]
        assert wire.read_to_end() == b""
    for half in (b"GE", write_head("GET", TASKS)[:-4], write_post(LENGTH)[:-1]):
        with connect(server) as wire:
            wire.send(half)
            wire.end()
            assert wire.read_to_end() == b""
        with connect(server) as wire:
            wire.send(write_head("GET", TASKS, user=ALICE) * 2, half)
            wire.end()
            assert [wire.read_answer().json() for _ in range(2)] == [[task]] * 2
            assert wire.read_to_end() == b""
    assert alice.get(ALICE.tasks).json() == [task]


@pytest.mark.parametrize(
    "host",
    [b"", b"test", b"test:", b"test:80", b"[::1]:8000", b"[fe80::1]", b"1.2.3.4", b"a_b.example", b"x%2Dy", b"h."],
)
def test_every_host_and_port_is_taken(host: bytes, server: Server) -> None:
    """RFC 9110, section 7.2; it may be empty."""
    with connect(server) as wire:
        wire.send(b"GET /openapi.json HTTP/1.1\r\nHost: %b\r\n\r\n" % host)
        assert wire.read_answer().status_code == 200


def test_an_old_client_is_told_to_go_on_by_nothing(server: Server, alice: httpx.Client) -> None:
    """HTTP/1.0 knows no interim answers (RFC 9110, section 10.1.1)."""
    head = write_head("POST", TASKS, LENGTH, b"Expect: 100-continue", user=ALICE).replace(b"HTTP/1.1", b"HTTP/1.0")
    with connect(server) as wire:
        wire.send(head, BODY)
        assert wire.read_answer().status_code == 201
    assert len(alice.get(ALICE.tasks).json()) == 1


def test_an_old_client_is_served(server: Server, alice: httpx.Client) -> None:
    """HTTP/1.0 needs no Host, and its connection ends with the answer."""
    create_task(alice, ALICE)
    with connect(server) as wire:
        wire.send(b"GET /openapi.json HTTP/1.0\r\n\r\n")
        answer = wire.read_answer()
        assert (answer.status_code, answer.headers["Connection"]) == (200, "close")
        assert wire.read_to_end() == b""
