"""The database's faults: 503 with advice, nothing half-done, and recovery without a restart."""

import asyncio
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import monotonic

import psycopg
import pytest
import uvloop
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from taskflow.cli.embedded import run_postgres
from taskflow.database import Database, Row, Statement, schema
from taskflow.database.migrations import migrate
from taskflow.database.statements import LIST_TASKS
from taskflow.errors import DatabaseTimeout, DatabaseUnavailable
from tests.conftest import MakeDatabase, make_url
from tests.support.cast import ALICE, BOB
from tests.support.faults import DEADLINE, TIMED_OUT, UNAVAILABLE, expect_503, open_client, run_impatient_server
from tests.support.settings import make_settings
from tests.support.tasks import create_task, expect_task
from tests.support.waiting import wait_for

SELECT_BACKEND = Statement(b"backend", b"SELECT pg_backend_pid()")
SELECT_PREPARED = Statement(b"prepared", b"SELECT name FROM pg_prepared_statements WHERE name LIKE '%list_tasks'")
SLEEP = Statement(b"sleep", b"SELECT pg_sleep(5)")


def test_a_server_starts_without_its_database_and_works_once_it_is_there(
    postgres: str, make_database: MakeDatabase
) -> None:
    """What needs no database is answered meanwhile. No restart."""
    there = make_database()
    missing = f"{conninfo_to_dict(there)['dbname']}_later"
    with (
        run_impatient_server(make_url({**conninfo_to_dict(there), "dbname": missing})) as server,
        open_client(server) as client,
        psycopg.connect(postgres, autocommit=True) as admin,
    ):
        expect_503(client.get(ALICE.tasks), UNAVAILABLE)
        assert client.get(ALICE.tasks, headers={"Authorization": ""}).status_code == 401
        assert client.get(BOB.tasks).status_code == 403
        assert client.post(ALICE.tasks, json={}).status_code == 422
        assert client.get("/docs").status_code == 200
        admin.execute(SQL("CREATE DATABASE {}").format(Identifier(missing)))
        try:
            wait_for(lambda: client.get(ALICE.tasks).status_code == 200, 10)
            create_task(client, ALICE)
        finally:
            admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(missing)))


def test_connections_that_the_database_closed_are_replaced_unnoticed(make_database: MakeDatabase) -> None:
    """No request fails, writes included, when every backend is terminated between two of them."""
    url = make_database()
    with (
        run_impatient_server(url) as server,
        open_client(server) as client,
        psycopg.connect(url, autocommit=True) as admin,
    ):
        for number in range(1, 6):
            admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            task = create_task(client, ALICE)
            assert task == expect_task(ALICE, id=number)
        assert "answering 503" not in server.read_log()


def test_a_statement_that_waits_too_long_is_given_up_and_never_done(make_database: MakeDatabase) -> None:
    """A row that somebody has locked: 503 at the deadline, and no late write once the lock is gone."""
    url = make_database()
    with run_impatient_server(url) as server, open_client(server) as client, psycopg.connect(url) as locker:
        task = create_task(client, ALICE)
        path = f"{ALICE.tasks}/{task['id']}"
        locker.execute("SELECT * FROM tasks FOR UPDATE")
        started = monotonic()
        response = client.patch(path, json={"title": "Too late"})
        assert 0.8 * DEADLINE <= monotonic() - started < 2 * DEADLINE
        expect_503(response, TIMED_OUT)
        assert client.get(path).json() == task
        locker.rollback()
        assert client.get(path).json() == task
        assert client.patch(path, json={"title": "In time"}).json()["title"] == "In time"


def test_a_frozen_backend_is_cut_off(new_state_folder: Path) -> None:
    """It obeys nobody; the client has its 503 in time, and the next one a connection that works."""
    with (
        run_postgres(new_state_folder) as url,
        run_impatient_server(url, DATABASE_POOL_SIZE="1") as server,
        open_client(server) as client,
        psycopg.connect(url) as admin,
    ):
        task = create_task(client, ALICE)
        row = admin.execute("SELECT pid FROM pg_stat_activity WHERE query LIKE 'WITH task AS%'").fetchone()
        assert row is not None
        os.kill(row[0], signal.SIGSTOP)
        try:
            started = monotonic()
            expect_503(client.get(ALICE.tasks), TIMED_OUT)
            assert monotonic() - started < 2 * DEADLINE
            assert wait_for(lambda: client.get(ALICE.tasks).json() == [task], 5)
        finally:
            os.kill(row[0], signal.SIGCONT)


def test_a_schema_that_cannot_be_migrated_later_is_named_once(postgres: str, make_database: MakeDatabase) -> None:
    """A server that started without its database says so, and goes on answering 503 until somebody mends it."""
    made = make_database()
    with psycopg.connect(made) as connection:
        connection.execute("CREATE TABLE tasks (id bigint PRIMARY KEY)")
    name = f"{conninfo_to_dict(made)['dbname']}"
    later = f"{name}_later"
    url = make_url({**conninfo_to_dict(made), "dbname": later})
    with (
        run_impatient_server(url) as server,
        open_client(server) as client,
        psycopg.connect(postgres, autocommit=True) as admin,
    ):
        expect_503(client.get(ALICE.tasks), UNAVAILABLE)
        # A copy, so that the table is there from the beginning.
        admin.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(later), Identifier(name)))
        try:
            wait_for(lambda: "The schema could not be migrated: " in server.read_log(), 10)
            expect_503(client.get(ALICE.tasks), UNAVAILABLE)
            # Each attempt ends in a rollback: wait for a few more of them.
            wait_for(lambda: _count_rollbacks(admin, later) >= 3, 20)
            with psycopg.connect(url) as connection:
                connection.execute("DROP TABLE tasks")
            wait_for(lambda: client.get(ALICE.tasks).status_code == 200, 10)
            assert server.read_log().count("The schema could not be migrated: ") == 1
        finally:
            admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(later)))


def test_a_migration_that_fails_for_a_reason_of_ours_is_traced_and_tried_again(
    make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it is, it must not end the tries in silence."""
    attempts: list[str] = []

    def fail_once(url: str, *, connect_timeout: int) -> str:
        attempts.append(url)
        if len(attempts) == 1:
            raise RuntimeError("a defect")
        return migrate(url, connect_timeout=connect_timeout)

    monkeypatch.setattr(schema, "migrate", fail_once)

    async def list_tasks() -> list[Row]:
        database = Database(make_settings(make_database()))
        await database.open()
        try:
            async with asyncio.timeout(10):
                while True:
                    with suppress(DatabaseUnavailable):
                        return await database.fetch_all(LIST_TASKS, {"user_id": ALICE.id, "after": 0})
                    await asyncio.sleep(0.05)
        finally:
            await database.close()

    assert asyncio.run(list_tasks()) == [(b"0", b"0", None, None)]
    assert len(attempts) == 2
    traced = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert traced == ["a defect"]


def _count_rollbacks(admin: psycopg.Connection, database: str) -> int:
    row = admin.execute("SELECT xact_rollback FROM pg_stat_database WHERE datname = %s", [database]).fetchone()
    assert row is not None
    return int(row[0])


def test_a_full_pool_refuses_what_it_cannot_hold_at_once(make_database: MakeDatabase) -> None:
    """One connection, busy until its deadline; one request may wait for it; the others are told so immediately."""
    url = make_database()
    small = {"DATABASE_POOL_SIZE": "1", "DATABASE_QUEUE_SIZE": "1", "DATABASE_TIMEOUT": "3"}
    with (
        run_impatient_server(url, **small) as server,
        open_client(server) as client,
        psycopg.connect(url) as locker,
        ThreadPoolExecutor(5) as pool,
    ):
        path = f"{ALICE.tasks}/{create_task(client, ALICE)['id']}"
        locker.execute("SELECT * FROM tasks FOR UPDATE")
        requests = [pool.submit(client.patch, path, json={"is_completed": True}) for _ in range(5)]
        wait_for(lambda: sum(request.done() for request in requests) == 3, 2)
        for request in requests:
            if request.done():
                expect_503(request.result(), UNAVAILABLE)
        locker.rollback()
        assert sorted(request.result().status_code for request in requests) == [200, 200, 503, 503, 503]


def test_a_connection_whose_statement_was_told_to_stop_is_not_used_again(make_database: MakeDatabase) -> None:
    """The request to stop may arrive late, and must not hit what the connection would be doing then."""
    settings = make_settings(make_database(), database_pool_size=1, database_timeout=0.5)

    async def find_backends() -> tuple[list[Row], list[Row]]:
        database = Database(settings)
        await database.open()
        try:
            before = await database.fetch_all(SELECT_BACKEND, {})
            with pytest.raises(DatabaseTimeout):
                await database.fetch_all(SLEEP, {})
            return before, await database.fetch_all(SELECT_BACKEND, {})
        finally:
            await database.close()

    before, after = uvloop.run(find_backends())
    assert before != after


def test_a_schema_that_cannot_be_brought_up_to_date_stops_the_start(make_database: MakeDatabase) -> None:
    """The server says what is wrong in one sentence and does not serve."""
    url = make_database()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE tasks (id bigint PRIMARY KEY, title text)")
    # With less time, a busy machine starts without the database, and finds out later.
    with pytest.raises(AssertionError) as caught, run_impatient_server(url, DATABASE_TIMEOUT="30"):
        pass
    assert "it lacks created_at, description, is_completed, updated_at, user_id." in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize(("host", "prepared"), [("ep-example.neon.tech", True), ("ep-example-pooler.neon.tech", False)])
def test_statements_are_prepared_except_behind_a_pooler(host: str, prepared: bool, make_database: MakeDatabase) -> None:
    """A transaction pooler hands the next statement to another backend, which does not know what was prepared."""
    parameters = conninfo_to_dict(make_database())
    url = make_url({**parameters, "host": host, "hostaddr": parameters["host"]})
    settings = make_settings(url, database_pool_size=1)

    async def read_prepared_statements() -> list[Row]:
        database = Database(settings)
        await database.open()
        try:
            for _ in range(10):
                await database.fetch_all(LIST_TASKS, {"user_id": ALICE.id, "after": 0})
            return await database.fetch_all(SELECT_PREPARED, {})
        finally:
            await database.close()

    assert bool(asyncio.run(read_prepared_statements())) is prepared
