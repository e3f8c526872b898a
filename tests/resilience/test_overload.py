"""More requests than the server takes: the rest is told so at once and cheaply, and nobody else suffers."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from time import monotonic
from unittest.mock import ANY

import httpx
import psycopg
import pytest

from tests.conftest import MakeDatabase
from tests.support.cast import ALICE, BOB
from tests.support.contract import check_response
from tests.support.faults import open_client, run_impatient_server
from tests.support.problems import expect_problem
from tests.support.server import Server
from tests.support.tasks import create_task
from tests.support.waiting import wait_for
from tests.support.wire import Wire, connect, write_head

MAX_REQUESTS = 5
BUSY = expect_problem(503, "The server has more requests than it can answer, please retry.")
GET = write_head("GET", ALICE.tasks.encode(), user=ALICE)
ORIGIN = "http://localhost:3000"


@pytest.fixture(scope="module")
def database_url(make_database: MakeDatabase) -> str:
    return make_database()


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[Server]:
    """A server that takes five requests at once."""
    variables = {"MAX_REQUESTS": str(MAX_REQUESTS), "DATABASE_TIMEOUT": "20"}
    with run_impatient_server(database_url, **variables) as running:
        yield running


def wait_for_statements(admin: psycopg.Connection, text: str, number: int = MAX_REQUESTS) -> None:
    """Wait until so many statements are under way; by default, as many as the server takes requests."""
    active = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND query LIKE %s AND state = 'active' AND pid <> pg_backend_pid()"
    )
    wait_for(lambda: admin.execute(active, [f"%{text}%"]).fetchone() == (number,), 10)


@contextmanager
def fill(server: Server, database_url: str, number: int = MAX_REQUESTS) -> Iterator[list[Future[httpx.Response]]]:
    """Keep as many requests under way as the server takes, or fewer, until the block ends; give their answers to be."""
    with (
        open_client(server) as client,
        psycopg.connect(database_url) as locker,
        psycopg.connect(database_url, autocommit=True) as admin,
        ThreadPoolExecutor(MAX_REQUESTS) as pool,
    ):
        path = f"{ALICE.tasks}/{create_task(client, ALICE)['id']}"
        locker.execute("SELECT * FROM tasks FOR UPDATE")
        answers = [pool.submit(client.patch, path, json={"is_completed": True}) for _ in range(number)]
        wait_for_statements(admin, "UPDATE tasks", number)
        yield answers
        locker.rollback()
        assert [answer.result().status_code for answer in answers] == [200] * number


def test_one_request_too_many_is_told_so_at_once(server: Server, database_url: str) -> None:
    """With all that a page needs to understand it, on a connection that stays; those under way are not disturbed."""
    with open_client(server) as client, fill(server, database_url) as answers:
        started = monotonic()
        refusal = client.get(ALICE.tasks, headers={"Origin": ORIGIN})
        assert monotonic() - started < 5
        check_response(refusal)
        assert (refusal.status_code, refusal.json()) == (503, BUSY)
        assert dict(refusal.headers) == {
            "date": ANY,
            "x-request-id": ANY,
            "content-length": str(len(refusal.content)),
            "content-type": "application/problem+json",
            "retry-after": "1",
            "cache-control": "no-store",
            "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "no-referrer",
            "access-control-allow-credentials": "true",
            "access-control-expose-headers": "ETag, Link, Location, Retry-After, WWW-Authenticate, X-Request-Id",
            "access-control-allow-origin": ORIGIN,
            "vary": "Origin",
        }
        assert not any(answer.done() for answer in answers)
    with open_client(server) as client:
        assert client.get(ALICE.tasks).status_code == 200
    wait_for(lambda: "turned 1 away: MAX_REQUESTS or MAX_CONNECTIONS is reached" in server.read_log(), 10)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/readyz?x"])
def test_a_probe_is_answered_all_the_same(server: Server, database_url: str, path: str) -> None:
    """Or a busy server would be taken for a dead one, and killed."""
    with open_client(server) as client, fill(server, database_url):
        assert client.get(path).status_code == (200 if path == path.partition("?")[0] else 422)
        assert client.get(ALICE.tasks).status_code == 503


def test_a_connection_outlives_a_refusal_and_the_next_one_comes_late(server: Server, database_url: str) -> None:
    """A client that comes again at once waits about as long as Retry-After has asked it to; a body is not mistaken."""
    post = write_head("POST", ALICE.tasks.encode(), b"Content-Length: %d" % len(GET), user=ALICE) + GET
    with connect(server) as wire:
        with fill(server, database_url):
            started = monotonic()
            wire.send(post)
            assert wire.read_answer().status_code == 503
            wire.send(post)
            assert wire.read_answer().status_code == 503
            assert monotonic() - started > 0.45
        wire.send(GET)
        assert wire.read_answer().status_code == 200
    with open_client(server) as client:
        assert {task["title"] for task in client.get(ALICE.tasks).json()} == {"Buy groceries"}


def test_users_on_one_connection_do_not_wait_for_each_other(server: Server, database_url: str) -> None:
    """As behind a proxy: each is told so at once, or answered at once where there is room again."""
    gets = [write_head("GET", user.tasks.encode(), user=user) for user in (ALICE, BOB)]
    with connect(server) as wire, connect(server) as other:
        with fill(server, database_url):
            started = monotonic()
            for get in gets * 10:
                wire.send(get)
                assert wire.read_answer().status_code == 503
            assert monotonic() - started < 5  # with a pause after each: 10 s
            other.send(gets[0])
            assert other.read_answer().status_code == 503
        other.send(gets[1])
        assert other.read_answer().status_code == 200


@pytest.mark.parametrize("rest", [GET, b"rubbish\r\n\r\n", write_head("CONNECT", b"/docs")])
def test_a_late_refusal_comes_before_what_is_behind_it(rest: bytes, server: Server, database_url: str) -> None:
    """Answers come in order; bytes sent behind a request that is told late end its connection."""
    with connect(server) as wire, fill(server, database_url):
        wire.send(GET)
        assert wire.read_answer().status_code == 503
        wire.send(GET, rest)
        answer = wire.read_answer()
        assert (answer.status_code, answer.json(), answer.headers.get("Connection")) == (503, BUSY, None)
        assert wire.read_answer().headers["Connection"] == "close"
        assert wire.read_to_end() == b""


def test_a_client_that_leaves_before_its_late_refusal_harms_nobody(server: Server, database_url: str) -> None:
    """Its answer is dropped."""
    with fill(server, database_url):
        for leave in (Wire.reset, Wire.end):
            with connect(server) as wire:
                for _ in range(2):
                    wire.send(GET)
                assert wire.read_answer().status_code == 503
                leave(wire)
    assert "Traceback" not in server.read_log()


@pytest.mark.parametrize(
    "request_",
    [
        write_head("HEAD", ALICE.tasks.encode(), user=ALICE),
        write_head("POST", ALICE.tasks.encode(), b"Content-Length: 10", b"Expect: 100-continue", user=ALICE),
        write_head("GET", ALICE.tasks.encode(), b"Connection: close", user=ALICE),
        GET.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
    ids=["HEAD", "Expect", "Connection: close", "HTTP/1.0"],
)
def test_a_refusal_ends_a_connection_that_it_could_leave_in_doubt(
    request_: bytes, server: Server, database_url: str
) -> None:
    """Whether a body comes now, or is expected in the answer, is not certain for these."""
    with fill(server, database_url), connect(server) as wire:
        wire.send(request_)
        answer = wire.read_answer()
        assert (answer.status_code, answer.headers["Connection"], answer.json()) == (503, "close", BUSY)
        assert wire.read_to_end() == b""


def test_requests_that_wait_for_their_clients_keep_nobody_out(server: Server) -> None:
    """More clients than the server takes requests have sent half a body: others are served."""
    with open_client(server) as client, ExitStack() as stack:
        for _ in range(4 * MAX_REQUESTS):
            wire = stack.enter_context(connect(server))
            wire.send(write_head("POST", ALICE.tasks.encode(), b"Content-Length: 10", user=ALICE), b"{")
        for _ in range(10):
            assert client.get(ALICE.tasks).status_code == 200


@pytest.mark.parametrize("lengths", [[], [b"Content-Length: 1"]], ids=["half of another", "no body"])
def test_a_request_that_is_not_whole_hides_no_other(lengths: list[bytes], server: Server, database_url: str) -> None:
    """One under way counts, also with half of another behind it, or without a body that nobody waits for."""
    half = write_head("POST", ALICE.tasks.encode(), b"Content-Length: 10", user=ALICE) + b"{"
    with (
        open_client(server) as client,
        psycopg.connect(database_url) as locker,
        psycopg.connect(database_url, autocommit=True) as admin,
        ExitStack() as stack,
    ):
        path = f"{ALICE.tasks}/{create_task(client, ALICE)['id']}".encode()
        locker.execute("SELECT * FROM tasks FOR UPDATE")
        wires = [stack.enter_context(connect(server)) for _ in range(MAX_REQUESTS)]
        for wire in wires:
            wire.send(write_head("DELETE", path, *lengths, user=ALICE), *([] if lengths else [half]))
        wait_for_statements(admin, "DELETE FROM tasks")
        refusal = client.get(ALICE.tasks)
        assert (refusal.status_code, refusal.json()) == (503, BUSY)
        locker.rollback()
        assert sorted(wire.read_answer().status_code for wire in wires) == [204] + [404] * (MAX_REQUESTS - 1)


def test_requests_behind_one_that_is_answered_are_not_refused(server: Server, database_url: str) -> None:
    """Answers must come in order, and a connection has one request under way at a time."""
    patch = write_head("PATCH", f"{ALICE.tasks}/1".encode(), b"Content-Length: 22", user=ALICE)
    with (
        open_client(server) as client,
        psycopg.connect(database_url, autocommit=True) as admin,
        connect(server) as wire,
    ):
        with fill(server, database_url, MAX_REQUESTS - 1):
            wire.send(patch, b'{"is_completed": true}', GET * 20)
            wait_for_statements(admin, "UPDATE tasks")
            assert client.get(ALICE.tasks).status_code == 503
        assert [wire.read_answer().status_code for _ in range(21)] == [200] * 21


def test_requests_sent_ahead_to_a_full_server_end_the_connection(server: Server, database_url: str) -> None:
    """They have not waited as Retry-After asks; to refuse each of them would be what keeps the server busy."""
    with fill(server, database_url), connect(server) as wire:
        wire.send(GET * 1000)
        first, second = wire.read_answer(), wire.read_answer()
        assert (first.status_code, second.status_code) == (503, 503)
        assert second.headers["Connection"] == "close"
        assert wire.read_to_end() == b""


def test_readers_that_have_closed_their_side_and_take_nothing_keep_nobody_out(
    server: Server, database_url: str
) -> None:
    """A long list that waits for its client does not count, whether the client could still speak or not."""
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(
            "INSERT INTO tasks (user_id, title, description)"
            " SELECT %s, 'Buy groceries', repeat('x', 1000000) FROM generate_series(1, 20)",
            [BOB.id],
        )
    with open_client(server) as client, ExitStack() as stack:
        for _ in range(2 * MAX_REQUESTS):
            wire = stack.enter_context(connect(server))
            wire.send(write_head("GET", BOB.tasks.encode(), user=BOB))
            wire.end()
            assert len(wire.read_part(1000)) == 1000
        assert [client.get(f"{ALICE.tasks}/1").status_code for _ in range(10)] == [200] * 10
