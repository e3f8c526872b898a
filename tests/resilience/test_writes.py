"""What was acknowledged is there, once; what was not may be there, once; and a client that leaves takes nothing along.

No writer repeats itself, so a task that is there twice was made twice by the server.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import httpx
import psycopg
import pytest

from tests.conftest import MakeDatabase
from tests.support.cast import ALICE
from tests.support.cluster import make_cluster
from tests.support.faults import open_client, run_impatient_server
from tests.support.server import STOP_SECONDS, Server
from tests.support.tasks import create_task
from tests.support.waiting import wait_for
from tests.support.wire import Wire, connect, write_head

WRITERS = 8
KILLS = 3
PROGRESS = 200
"""How many more tasks must have been acknowledged before the next blow."""

PATIENCE_SECONDS = 30
LEAVERS = 50
POOL_SIZE = 5

OURS = "test"
"""Tells the sessions of the tests from those of the server."""


class Writer(Thread):
    """A client that goes on writing whatever happens, and notes what it was told."""

    def __init__(self, server: Server, name: str) -> None:
        super().__init__(name=name)
        self.tried: set[str] = set()
        self.acknowledged: dict[int, str] = {}
        self.statuses: set[int | None] = set()
        self._server = server
        self._end = Event()

    def run(self) -> None:
        with open_client(self._server) as client:
            while not self._end.is_set():
                self._write(client, f"{self.name}, number {len(self.tried)}")

    def stop(self) -> None:
        self._end.set()
        self.join()

    def _write(self, client: httpx.Client, title: str) -> None:
        self.tried.add(title)
        try:
            response = client.post(ALICE.tasks, json={"title": title})
        except httpx.TransportError:
            self.statuses.add(None)
            return
        self.statuses.add(response.status_code)
        if response.status_code == 201:
            self.acknowledged[response.json()["id"]] = title


@contextmanager
def run_writers(server: Server) -> Iterator[list[Writer]]:
    """Let writers write until the block ends."""
    writers = [Writer(server, f"Writer {number}") for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        for writer in writers:
            writer.stop()


def wait_for_progress(writers: list[Writer]) -> None:
    """Wait until the writers, all together, have got on."""
    goal = sum(len(writer.acknowledged) for writer in writers) + PROGRESS
    wait_for(lambda: sum(len(writer.acknowledged) for writer in writers) >= goal, PATIENCE_SECONDS)


def test_what_was_acknowledged_is_there_after_every_crash() -> None:
    """PostgreSQL is killed three times amid the writing, then TaskFlow itself: nothing is lost, nothing is doubled."""
    with make_cluster() as cluster:
        cluster.start()
        with run_impatient_server(cluster.url, DATABASE_TIMEOUT="2") as server:
            with run_writers(server) as writers:
                for _ in range(KILLS):
                    wait_for_progress(writers)
                    cluster.kill()
                    cluster.start()
                wait_for_progress(writers)
                server.process.kill()
                server.process.wait(STOP_SECONDS)
                wait_for(lambda: all(None in writer.statuses for writer in writers), PATIENCE_SECONDS)
            assert "Traceback" not in server.read_log()
        with psycopg.connect(cluster.url) as admin:
            rows = admin.execute("SELECT id, title FROM tasks").fetchall()
    tasks: dict[int, str] = dict(rows)
    acknowledged = {number: title for writer in writers for number, title in writer.acknowledged.items()}
    assert sum(len(writer.acknowledged) for writer in writers) == len(acknowledged) >= (KILLS + 1) * PROGRESS
    assert {number: tasks.get(number) for number in acknowledged} == acknowledged
    assert len(rows) == len(set(tasks.values()))
    assert set(tasks.values()) <= {title for writer in writers for title in writer.tried}
    assert {status for writer in writers for status in writer.statuses} == {201, 503, None}


@pytest.fixture(scope="module")
def database_url(make_database: MakeDatabase) -> str:
    return make_database()


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[Server]:
    with run_impatient_server(database_url, DATABASE_POOL_SIZE=str(POOL_SIZE)) as running:
        yield running
        assert "Traceback" not in running.read_log()


@pytest.fixture
def admin(server: Server, database_url: str) -> Iterator[psycopg.Connection]:
    """A session that sees what the server's are doing; there is no task when the test begins."""
    assert server.url
    with psycopg.connect(database_url, autocommit=True, application_name=OURS) as connection:
        connection.execute("TRUNCATE tasks")
        yield connection


def close(_: Wire) -> None:
    """Leave in good order: the connection is closed when its block ends."""


LEAVE = pytest.mark.parametrize("leave", [close, Wire.reset], ids=["in good order", "by a reset"])


@LEAVE
def test_a_client_that_leaves_within_its_body_leaves_nothing(
    leave: Callable[[Wire], None], server: Server, admin: psycopg.Connection
) -> None:
    """Half a task is no task, also where the half would be one."""
    seen = count_requests(server)
    for _ in range(LEAVERS):
        with connect(server) as wire:
            body = b'{"title": "Half"}'
            wire.send(write_head("POST", ALICE.tasks.encode(), b"Content-Length: 100", user=ALICE), body)
            leave(wire)
    wait_for(lambda: count_requests(server) == seen + LEAVERS, PATIENCE_SECONDS)
    expect_idle_pool(admin)
    assert read_titles(admin) == []


@LEAVE
def test_a_client_that_does_not_wait_for_its_answer_costs_no_connection(
    leave: Callable[[Wire], None], server: Server, admin: psycopg.Connection
) -> None:
    """Its task may be there or not, once; the pool is as large as before, and no transaction is open."""
    seen = count_requests(server)
    titles = [f"Title {number}" for number in range(LEAVERS)]
    for title in titles:
        with connect(server) as wire:
            wire.send(write_task(title))
            leave(wire)
    wait_for(lambda: count_requests(server) == seen + LEAVERS, PATIENCE_SECONDS)
    expect_idle_pool(admin)
    there = read_titles(admin)
    assert len(there) == len(set(there))
    assert set(there) <= set(titles)
    with open_client(server) as client:
        create_task(client, ALICE, title="And now one that waits")
    assert sorted([*there, "And now one that waits"]) == sorted(read_titles(admin))


@LEAVE
def test_a_client_that_leaves_while_its_statement_waits_costs_no_connection(
    leave: Callable[[Wire], None], server: Server, admin: psycopg.Connection, database_url: str
) -> None:
    """The table is locked; every connection is busy with somebody who is gone, and is there for others again."""
    seen = count_requests(server)
    with psycopg.connect(database_url, application_name=OURS) as locker:
        locker.execute("LOCK TABLE tasks IN EXCLUSIVE MODE")
        for number in range(LEAVERS):
            with connect(server) as wire:
                wire.send(write_task(f"Title {number}"))
                leave(wire)
        wait_for(lambda: count_requests(server) == seen + LEAVERS, PATIENCE_SECONDS)
        expect_idle_pool(admin)
    assert read_titles(admin) == []
    with open_client(server) as client:
        task = create_task(client, ALICE)
        assert client.get(ALICE.tasks).json() == [task]


def write_task(title: str) -> bytes:
    """Write a whole request for a new task."""
    body = b'{"title": "%b"}' % title.encode()
    head = write_head("POST", ALICE.tasks.encode(), b"Content-Length: %d" % len(body), user=ALICE)
    return head + body


def count_requests(server: Server) -> int:
    """Count the requests that have ended, however they did."""
    return server.read_log().count(f" {ALICE.tasks} ")


def expect_idle_pool(admin: psycopg.Connection) -> None:
    """As many sessions as are configured, before long; each of them has nothing to do, and no transaction."""
    sessions = "SELECT state FROM pg_stat_activity WHERE datname = current_database() AND application_name <> %s"
    expected = [("idle",)] * POOL_SIZE
    wait_for(lambda: admin.execute(sessions, [OURS]).fetchall() == expected, PATIENCE_SECONDS)


def read_titles(admin: psycopg.Connection) -> list[str]:
    return [title for (title,) in admin.execute("SELECT title FROM tasks")]
