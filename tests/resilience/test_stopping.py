"""A server that is told to stop: what is under way is finished, what is new is refused, and it ends in time."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic

import httpx
import psycopg
import pytest

from tests.conftest import MakeDatabase
from tests.support.cast import ALICE
from tests.support.faults import open_client, run_impatient_server
from tests.support.problems import expect_problem
from tests.support.processes import find_workers
from tests.support.server import START_SECONDS, STOP_SECONDS, Server
from tests.support.tasks import create_task
from tests.support.waiting import let_time_pass, wait_for
from tests.support.wire import connect, write_head

PATIENT = {"DATABASE_TIMEOUT": "20", "SHUTDOWN_TIMEOUT": "20"}
HASTY = {"DATABASE_TIMEOUT": "20", "SHUTDOWN_TIMEOUT": "1"}
BODY = b'{"title": "Buy groceries"}'
STOPPING = expect_problem(503, "The server is stopping, please retry.")
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def wait_for_statement(admin: psycopg.Connection) -> None:
    """Wait until a statement of the server's waits for a lock."""

    def waits() -> bool:
        return admin.execute(WAITING).fetchone() != (0,)

    wait_for(waits, 20)


@contextmanager
def hold_patch(server: Server, url: str, title: str) -> Iterator[tuple[Future[httpx.Response], psycopg.Connection]]:
    """Keep a patch of a new task under way; give its answer to be, and the connection whose rollback lets it go on."""
    with (
        open_client(server) as client,
        psycopg.connect(url) as locker,
        psycopg.connect(url, autocommit=True) as admin,
        ThreadPoolExecutor(1) as pool,
    ):
        path = f"{ALICE.tasks}/{create_task(client, ALICE)['id']}"
        locker.execute("SELECT * FROM tasks FOR UPDATE")
        answer = pool.submit(client.patch, path, json={"title": title})
        wait_for_statement(admin)
        yield answer, locker


def is_refused(server: Server) -> bool:
    """Whether nobody listens any more."""
    try:
        with connect(server):
            return False
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        return False  # it came in the very moment; the next one will be refused


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_is_under_way_is_finished_and_what_is_new_is_refused(workers: str, make_database: MakeDatabase) -> None:
    """A statement that waits, and a body of which half is here, get their answers; new connections are refused."""
    url = make_database()
    with (
        run_impatient_server(url, "--workers", workers, **PATIENT) as server,
        open_client(server) as client,
        psycopg.connect(url) as locker,
        psycopg.connect(url, autocommit=True) as admin,
        ThreadPoolExecutor(1) as pool,
        connect(server) as half,
        connect(server) as idle,
    ):
        wait_for(lambda: server.read_log().count("Application startup complete") == int(workers), START_SECONDS)
        path = f"{ALICE.tasks}/{create_task(client, ALICE)['id']}"
        half.send(write_head("POST", ALICE.tasks.encode(), b"Content-Length: %d" % len(BODY), user=ALICE), BODY[:9])
        idle.send(write_head("GET", b"/docs"))
        assert idle.read_answer().status_code == 200
        locker.execute("SELECT * FROM tasks FOR UPDATE")
        answer = pool.submit(client.patch, path, json={"title": "Last words"})
        wait_for_statement(admin)
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: is_refused(server), 10)
        assert idle.read_to_end() == b""
        assert server.process.poll() is None
        locker.rollback()
        assert (answer.result().status_code, answer.result().headers["Connection"]) == (200, "close")
        half.send(BODY[9:])
        assert half.read_answer().status_code == 201
        assert server.process.wait(STOP_SECONDS) == 0
        titles = admin.execute("SELECT title FROM tasks ORDER BY id").fetchall()
        assert titles == [("Last words",), ("Buy groceries",)]
        assert "Traceback" not in server.read_log()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_comes_on_an_open_connection_is_answered_for_a_moment(workers: str, make_database: MakeDatabase) -> None:
    """A proxy may have sent it before it knew: it is done, and the connection ends with the answer."""
    post = write_head("POST", ALICE.tasks.encode(), b"Content-Length: %d" % len(BODY), user=ALICE) + BODY
    with (
        run_impatient_server(make_database(), "--workers", workers, SHUTDOWN_DELAY="60", **PATIENT) as server,
        connect(server) as used,
        connect(server) as unused,
        connect(server) as half,
        connect(server) as asked,
    ):
        wait_for(lambda: server.read_log().count("Application startup complete") == int(workers), START_SECONDS)
        for wire in (used, half, asked):
            wire.send(write_head("GET", b"/docs"))
            assert wire.read_answer().status_code == 200
        half.send(post[:20])
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: is_refused(server), 10)
        let_time_pass(0.2)  # each worker looks ten times a second
        half.send(post[20:])
        for wire, request in ((used, post), (unused, post), (half, b"")):
            wire.send(request)
            answer = wire.read_answer()
            assert (answer.status_code, answer.headers["Connection"]) == (201, "close")
            assert wire.read_to_end() == b""
        asked.send(write_head("GET", b"/readyz"))
        answer = asked.read_answer()
        assert (answer.status_code, answer.headers["Connection"], answer.json()) == (503, "close", STOPPING)
        assert asked.read_to_end() == b""
        # With the last connection gone, nothing is waited for.
        assert server.process.wait(STOP_SECONDS) == 0
        assert "Traceback" not in server.read_log()


@pytest.mark.parametrize(("delay", "least"), [("0", 0), ("2", 2), ("60", 3)])
def test_a_connection_that_stays_idle_is_closed_after_the_delay(
    delay: str, least: float, make_database: MakeDatabase
) -> None:
    """SHUTDOWN_TIMEOUT, three seconds here, bounds it."""
    settings = {"SHUTDOWN_DELAY": delay, "SHUTDOWN_TIMEOUT": "3"}
    with run_impatient_server(make_database(), **settings) as server, connect(server) as idle:
        idle.send(write_head("GET", b"/docs"))
        assert idle.read_answer().status_code == 200
        started = monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert idle.read_to_end() == b""
        assert server.process.wait(STOP_SECONDS) == 0
        assert least <= monotonic() - started < least + 15


@pytest.mark.parametrize("length", [1, 20, -1])
def test_half_a_head_that_has_come_in_time_is_waited_for(length: int, make_database: MakeDatabase) -> None:
    """Its client has sent it before it could know; closing the connection would leave a POST without an answer."""
    post = write_head("POST", ALICE.tasks.encode(), b"Content-Length: %d" % len(BODY), user=ALICE) + BODY
    length = length % len(post.partition(b"\r\n\r\n")[0])
    with (
        run_impatient_server(make_database(), SHUTDOWN_DELAY="0", **PATIENT) as server,
        connect(server) as wire,
        connect(server) as idle,
    ):
        for each in (wire, idle):
            each.send(write_head("GET", b"/docs"))
            assert each.read_answer().status_code == 200
        wire.send(post[:length])
        server.process.send_signal(signal.SIGTERM)
        assert idle.read_to_end() == b""
        wire.send(post[length:])
        answer = wire.read_answer()
        assert (answer.status_code, answer.headers["Connection"]) == (201, "close")
        assert wire.read_to_end() == b""
        assert server.process.wait(STOP_SECONDS) == 0


@pytest.mark.parametrize(
    ("settings", "sent_back"), [({"CLIENT_TIMEOUT": "1"}, b"408"), ({"SHUTDOWN_TIMEOUT": "1"}, b"")]
)
def test_half_a_head_whose_rest_does_not_come_holds_up_the_end_for_as_long_as_may_be(
    settings: dict[str, str], sent_back: bytes, make_database: MakeDatabase
) -> None:
    """CLIENT_TIMEOUT and SHUTDOWN_TIMEOUT bound it, whichever is over first."""
    with (
        run_impatient_server(make_database(), **{"SHUTDOWN_DELAY": "0", **PATIENT, **settings}) as server,
        connect(server) as half,
    ):
        half.send(write_head("GET", b"/docs"))
        assert half.read_answer().status_code == 200
        half.send(b"GET /docs HTTP/1.1\r\nHo")
        started = monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert half.read_to_end().partition(b" ")[2][:3] == sent_back
        assert server.process.wait(STOP_SECONDS) == 0
        assert monotonic() - started < 10


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_takes_too_long_is_told_so_and_never_done(workers: str, make_database: MakeDatabase) -> None:
    """At the end of SHUTDOWN_TIMEOUT: 503 for the client, and no late write when the lock is gone."""
    url = make_database()
    with (
        run_impatient_server(url, "--workers", workers, **HASTY) as server,
        psycopg.connect(url, autocommit=True) as admin,
        hold_patch(server, url, "Too late") as (answer, locker),
    ):
        started = monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(STOP_SECONDS) == 0
        assert 1 <= monotonic() - started < 1 + 5
        assert (answer.result().status_code, answer.result().json()) == (503, STOPPING)
        assert answer.result().headers["Retry-After"] == "1"
        # PostgreSQL may need a moment to hear of it.
        wait_for(lambda: admin.execute(WAITING).fetchone() == (0,), 10)
        locker.rollback()
        assert admin.execute("SELECT title FROM tasks").fetchall() == [("Buy groceries",)]
        assert "Traceback" not in server.read_log()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_second_signal_ends_it_at_once(workers: str, number: signal.Signals, make_database: MakeDatabase) -> None:
    """Without waiting for what is under way, and without a trace."""
    url = make_database()
    with (
        run_impatient_server(url, "--workers", workers, **PATIENT) as server,
        hold_patch(server, url, "Too late") as (answer, _),
    ):
        server.process.send_signal(number)
        wait_for(lambda: is_refused(server), 10)
        let_time_pass(0.6)  # what comes at once after the first is taken for the same wish
        started = monotonic()
        server.process.send_signal(number)
        assert server.process.wait(STOP_SECONDS) == 0
        assert monotonic() - started < 5
        error = answer.exception()
        assert isinstance(error, httpx.RemoteProtocolError | httpx.ReadError) or answer.result().json() == STOPPING
        assert "Traceback" not in server.read_log()


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_two_signals_at_once_are_one_wish(
    workers: str, first: signal.Signals, second: signal.Signals, make_database: MakeDatabase
) -> None:
    """A terminal and a supervisor may both send one: what is under way is finished all the same."""
    url = make_database()
    with (
        run_impatient_server(url, "--workers", workers, **PATIENT) as server,
        hold_patch(server, url, "Last words") as (answer, locker),
    ):
        server.process.send_signal(first)
        let_time_pass(0.1)
        server.process.send_signal(second)
        wait_for(lambda: is_refused(server), 10)
        let_time_pass(1)
        assert not answer.done()
        locker.rollback()
        assert answer.result().json()["title"] == "Last words"
        assert server.process.wait(STOP_SECONDS) == 0


def test_a_worker_that_no_longer_moves_does_not_keep_the_server_from_ending(make_database: MakeDatabase) -> None:
    """It is killed a little after the time that all have."""
    with run_impatient_server(make_database(), "--workers", "2", **HASTY) as server:
        wait_for(lambda: server.read_log().count("Application startup complete") == 2, START_SECONDS)
        os.kill(min(find_workers(server.log.parent)), signal.SIGSTOP)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(STOP_SECONDS) == 0
