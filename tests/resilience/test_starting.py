"""Servers that start: many at once on an empty database, in the place of one that died, and as a newer version."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier

import httpx
import psycopg
import pytest

from taskflow.database.migrations import NEWEST_VERSION
from tests.conftest import MakeDatabase
from tests.support.cast import ALICE
from tests.support.faults import open_client, run_impatient_server
from tests.support.processes import find_workers, read_blocked_signals
from tests.support.release import NEXT_VERSION, make_next_release
from tests.support.server import START_SECONDS, Server
from tests.support.tasks import create_task, expect_task
from tests.support.waiting import wait_for

WORKERS = ("1", "1", "1", "1", "4")
PATIENT = {"DATABASE_TIMEOUT": "10"}


def test_five_servers_that_start_together_end_with_one_schema(make_database: MakeDatabase) -> None:
    """Four of one worker and one of four, on an empty database: no error, and what one writes all can read."""
    url = make_database()
    together = Barrier(len(WORKERS))
    with ExitStack() as stack, ThreadPoolExecutor(len(WORKERS)) as pool:

        def start(workers: str) -> Server:
            context = run_impatient_server(url, "--workers", workers, **PATIENT, DATABASE_POOL_SIZE="3")
            together.wait()
            return stack.enter_context(context)

        servers = list(pool.map(start, WORKERS))
        for server in servers:
            with open_client(server) as client:
                create_task(client, ALICE)
        with psycopg.connect(url) as admin:
            versions = admin.execute("SELECT version_num FROM taskflow_schema_version").fetchall()
        for server in servers:
            with open_client(server) as client:
                assert [task["id"] for task in client.get(ALICE.tasks).json()] == [1, 2, 3, 4, 5]
            log = server.read_log()
            assert [word for word in ("Traceback", "ERROR", "error  ", "answering 503") if word in log] == []
    assert versions == [(NEWEST_VERSION,)]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_worker_that_fails_is_replaced(number: signal.Signals, make_database: MakeDatabase) -> None:
    """One that has died, and one that no longer moves; meanwhile the other one serves."""
    with run_impatient_server(make_database(), "--workers", "2", **PATIENT) as server:
        before = find_workers(server.log.parent)
        assert len(before) == 2
        lost = min(before)
        os.kill(lost, number)
        wait_for(lambda: len(find_workers(server.log.parent) - {lost}) == 2, START_SECONDS)
        wait_for(lambda: lost not in find_workers(server.log.parent), 20)
        wait_for(lambda: server.read_log().count("Application startup complete") == 3, START_SECONDS)
        # It leaves what a terminal sends to its parent, as the first ones do.
        assert len({read_blocked_signals(worker) for worker in find_workers(server.log.parent)}) == 1
        for _ in range(20):
            assert httpx.get(server.url + ALICE.tasks, headers=ALICE.headers).json() == []


def test_the_next_version_takes_over_the_tasks_of_the_first(make_database: MakeDatabase) -> None:
    """All of them as they were; the first version, where it still runs, goes on meanwhile."""
    url = make_database()
    with run_impatient_server(url, **PATIENT) as first, open_client(first) as client:
        tasks = [create_task(client, ALICE, title=f"Task {number}", description="é" * number) for number in range(20)]
        with (
            make_next_release("ALTER TABLE tasks ADD COLUMN colour text NOT NULL DEFAULT 'white'") as variables,
            run_impatient_server(url, **PATIENT, **variables) as second,
            open_client(second) as newer,
        ):
            assert newer.get(ALICE.tasks).json() == tasks
            assert create_task(newer, ALICE) == expect_task(ALICE, id=21)
            assert client.get(f"{ALICE.tasks}/21").json() == expect_task(ALICE, id=21)
            assert create_task(client, ALICE) == expect_task(ALICE, id=22)
        with psycopg.connect(url) as admin:
            assert admin.execute("SELECT DISTINCT colour FROM tasks").fetchall() == [("white",)]
            assert admin.execute("SELECT version_num FROM taskflow_schema_version").fetchall() == [(NEXT_VERSION,)]
    # Started again, the first version does not know the schema, and must not guess.
    with pytest.raises(AssertionError, match="The schema could not be migrated") as caught, run_impatient_server(url):
        pass
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_migration_that_fails_leaves_the_database_as_it_was(workers: str, make_database: MakeDatabase) -> None:
    """In the middle: what it had done is undone, the new version says why it does not serve, the old one goes on."""
    url = make_database()
    with run_impatient_server(url, **PATIENT) as first, open_client(first) as client:
        task = create_task(client, ALICE)
        with (
            make_next_release("ALTER TABLE tasks DROP COLUMN title", "ALTER TABLE tasks ADD UNIQUE (colour)") as later,
            pytest.raises(AssertionError, match="the server ended with code 1") as caught,
            run_impatient_server(url, "--workers", workers, **PATIENT, **later),
        ):
            pass
        assert 'The schema could not be migrated: column "colour" named in key does not exist.' in str(caught.value)
        assert "Traceback" not in str(caught.value)
        assert client.get(ALICE.tasks).json() == [task]
        with psycopg.connect(url) as admin:
            assert admin.execute("SELECT version_num FROM taskflow_schema_version").fetchall() == [(NEWEST_VERSION,)]
