"""Several workers: one port, one schema, a fair share of the connections each, and an end that leaves nothing."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import get_context
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
import uvicorn

from taskflow.database.migrations import NEWEST_VERSION
from taskflow.server import workers
from tests.conftest import MakeDatabase
from tests.support.cast import ALICE, SECRET
from tests.support.faults import run_impatient_server
from tests.support.processes import count_connections as count_links
from tests.support.processes import find_workers
from tests.support.server import START_SECONDS, STOP_SECONDS, Server, make_environment, run_server, stop_process
from tests.support.tasks import create_task
from tests.support.waiting import wait_for

WORKERS = 3


def count_connections(admin: psycopg.Connection) -> int:
    """Give how many others are connected to the database."""
    row = admin.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(("pool_size", "connections"), [("2", 2 * WORKERS), ("", 10 * WORKERS)])
def test_workers_share_a_port_and_a_database_and_leave_nothing(
    pool_size: str, connections: int, make_database: MakeDatabase
) -> None:
    """The first start makes the schema, once; the second, on the same port, finds it and the tasks."""
    url = make_database()
    environment = make_environment(DATABASE_URL=url, BETTER_AUTH_SECRET=SECRET, DATABASE_POOL_SIZE=pool_size)
    port, tasks = "0", []
    with psycopg.connect(url, autocommit=True) as admin:
        for _ in range(2):
            with run_server(environment, "--workers", str(WORKERS), "--port", port) as server:
                port = str(urlsplit(server.url).port)
                wait_for(lambda: count_connections(admin) == connections, 20)
                # A connection of its own for each request, so that any of the workers may get it.
                for _ in range(20):
                    with httpx.Client(base_url=server.url, headers=ALICE.headers) as client:
                        tasks.append(create_task(client, ALICE))
                        assert client.get(ALICE.tasks).json() == tasks
                assert stop_process(server.process) == 0
                wait_for(lambda: count_connections(admin) == 0, STOP_SECONDS)
                assert "Traceback" not in server.read_log()
        assert admin.execute("SELECT version_num FROM taskflow_schema_version").fetchall() == [(NEWEST_VERSION,)]


@contextmanager
def connect_at_once(server: Server, number: int) -> Iterator[list[socket.socket]]:
    """Open many connections without waiting for any of them."""
    address = urlsplit(server.url)
    with ExitStack() as stack:
        links = []
        for _ in range(number):
            link = stack.enter_context(socket.socket())
            link.settimeout(0)
            with suppress(BlockingIOError):
                link.connect((address.hostname, address.port))
            links.append(link)
        yield links


@pytest.fixture(scope="module")
def pair(make_database: MakeDatabase) -> Iterator[Server]:
    """A server of two workers that take 60 connections each."""
    with run_impatient_server(make_database(), "--workers", "2", MAX_CONNECTIONS="60", CLIENT_TIMEOUT="60") as server:
        wait_for(lambda: server.read_log().count("Application startup complete") == 2, START_SECONDS)
        yield server


def read_shares(server: Server) -> list[int]:
    """Return how many connections each worker has."""
    port = urlsplit(server.url).port
    assert port is not None
    return [count_links(worker, port) for worker in find_workers(server.log.parent)]


@pytest.mark.parametrize("attempt", range(5))
def test_a_burst_of_connections_is_shared_by_the_workers(attempt: int, pair: Server) -> None:  # noqa: ARG001
    """Neither has more than its 60 of 100; and none is refused while there is room for it at the other."""
    wait_for(lambda: sum(read_shares(pair)) == 0, 10)
    with connect_at_once(pair, 100) as links:
        wait_for(lambda: sum(read_shares(pair)) == 100, 20)
        assert max(read_shares(pair)) <= 60
        for link in links:
            with pytest.raises(BlockingIOError):  # a refusal would be here
                link.recv(1)


def test_a_full_worker_refuses_nobody_while_the_other_only_pauses(pair: Server) -> None:
    """A machine short of memory or processors stops a process for seconds; the room that it has is still room."""
    wait_for(lambda: sum(read_shares(pair)) == 0, 10)
    paused, *_ = find_workers(pair.log.parent)
    os.kill(paused, signal.SIGSTOP)
    try:
        with connect_at_once(pair, 100) as links:
            wait_for(lambda: sum(read_shares(pair)) == 60, 10)
            time.sleep(2)  # the pause itself
            os.kill(paused, signal.SIGCONT)
            wait_for(lambda: sorted(read_shares(pair)) == [40, 60], 20)
            for link in links:
                with pytest.raises(BlockingIOError):  # a refusal would be here
                    link.recv(1)
    finally:
        with suppress(ProcessLookupError):  # replaced meanwhile
            os.kill(paused, signal.SIGCONT)


def test_every_place_of_every_worker_is_taken_before_a_connection_is_refused(pair: Server) -> None:
    """120 of 120, one after the other."""
    wait_for(lambda: sum(read_shares(pair)) == 0, 60)
    with ExitStack() as stack:
        for number in range(120):
            (link,) = stack.enter_context(connect_at_once(pair, 1))
            wait_for(lambda number=number: sum(read_shares(pair)) == number + 1, 60)  # type: ignore[misc]
        assert read_shares(pair) == [60, 60]
        with httpx.Client(base_url=pair.url) as client:
            assert client.get("/livez").status_code == 503
        # Whichever worker is asked, it knows at once that the other has room again.
        for _ in range(20):
            link.close()
            wait_for(lambda: sum(read_shares(pair)) == 119, 60)
            (link,) = stack.enter_context(connect_at_once(pair, 1))
            wait_for(lambda: sum(read_shares(pair)) == 120, 10)
            assert read_shares(pair) == [60, 60]


def test_a_worker_that_no_longer_moves_keeps_no_connection_waiting(pair: Server) -> None:
    """It has fewer than the other, which takes them all the same until the frozen one goes on or is replaced."""
    wait_for(lambda: sum(read_shares(pair)) == 0, 10)
    frozen, *_ = find_workers(pair.log.parent)
    os.kill(frozen, signal.SIGSTOP)
    try:
        with ExitStack() as stack:
            clients = [stack.enter_context(httpx.Client(base_url=pair.url, timeout=4)) for _ in range(20)]
            assert [client.get("/livez").status_code for client in clients] == [200] * 20
    finally:
        with suppress(ProcessLookupError):  # replaced meanwhile
            os.kill(frozen, signal.SIGCONT)


def test_a_worker_that_starts_slowly_is_not_killed_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its imports may take longer than a worker may take to answer later on; there is an end to this patience too."""
    worker = workers.Worker(uvicorn.Config("nothing:app"), [], lambda _: pytest.fail("nobody asks for a server"))
    # It runs, and never answers.
    worker.process = get_context("spawn").Process(target=time.sleep, args=(60,))
    try:
        worker.start()
        assert worker.is_alive(timeout=0.01)
        # What answers an earlier question does not stand for an answer to the next one.
        for _ in range(3):
            worker.child_conn.send(obj=True)
        assert not worker.ping(timeout=0.01)
        monkeypatch.setattr(workers, "WORKER_START_SECONDS", 0)
        silent = workers.Worker(worker.config, [], lambda _: pytest.fail("nobody asks for a server"))
        silent.process = get_context("spawn").Process(target=time.sleep, args=(60,))
        silent.start()
        assert not silent.is_alive(timeout=0.01)
        silent.process.kill()
    finally:
        worker.process.kill()
    worker.process.join()
    assert not worker.is_alive(timeout=0.01)
