"""What other programs have prepared and set on a backend that the next request meets."""

import asyncio
from datetime import datetime
from typing import LiteralString

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from taskflow.database import Database, Row, Statement
from taskflow.database.statements import LIST_TASKS
from tests.conftest import MakeDatabase
from tests.support.cast import ALICE
from tests.support.contract import check_response
from tests.support.faults import TIMED_OUT, UNAVAILABLE, expect_503
from tests.support.pgbouncer import BACKENDS, PROGRAM, PgBouncer, hold_backends, run_on_all, run_pgbouncer
from tests.support.settings import make_settings
from tests.support.tasks import create_task, expect_task

PATCH = {"title": "Buy vegetables", "description": "Leek é漢🎉", "is_completed": True}

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed")


def test_another_versions_statement_is_never_run_for_ours(postgres: str, make_database: MakeDatabase) -> None:
    """While versions change, two of them share the backends, where each prepares its text under the same name."""
    old = Statement(b"list_tasks", b"SELECT 'old' WHERE $1::text IS NOT NULL", ("user_id",))
    new = Statement(b"list_tasks", b"SELECT 'new' WHERE $1::text IS NOT NULL", ("user_id",))

    async def run(url: str) -> list[list[Row]]:
        settings = make_settings(url, database_pool_size=1)
        olds, news = Database(settings), Database(settings)
        await olds.open()
        await news.open()
        try:
            with hold_backends(url, 2) as (first, second):
                # Each has one backend to itself, and prepares there what it runs.
                first.rollback()
                rows = [await olds.fetch_all(old, {"user_id": "alice"})]
                first.execute("SELECT 1")
                second.rollback()
                rows += [await news.fetch_all(new, {"user_id": "alice"})]
                # The old one now meets what the new one has left.
                rows += [await olds.fetch_all(old, {"user_id": "alice"})]
                return rows
        finally:
            await olds.close()
            await news.close()

    with run_pgbouncer(postgres, default_pool_size=2) as pgbouncer:
        assert asyncio.run(run(pgbouncer.make_url(make_database()))) == [[(b"old",)], [(b"new",)], [(b"old",)]]


def test_what_others_have_prepared_is_left_alone(client: httpx.Client, pgbouncer: PgBouncer, database_url: str) -> None:
    """Under the bare name of a statement of ours, or under the very name that we prepare it under."""
    names = [LIST_TASKS.name.decode(), LIST_TASKS.prepared_name.decode()]
    task = create_task(client, ALICE)
    with hold_backends(pgbouncer.make_url(database_url)) as connections:
        for connection in connections:
            connection.execute("DEALLOCATE ALL")
            connection.execute(SQL("PREPARE {} AS SELECT 'others'").format(Identifier(names[0])))
            connection.execute(SQL("PREPARE {} AS {}").format(Identifier(names[1]), SQL(LIST_TASKS.text.decode())))
            connection.commit()
    for _ in range(2 * BACKENDS):
        assert client.get(ALICE.tasks).json() == [task]


def test_settings_that_others_leave_behind_change_no_answer(
    client: httpx.Client, pgbouncer: PgBouncer, database: psycopg.Connection, database_url: str
) -> None:
    """Times are UTC with Z and text is exact, whatever the backends were told by whom."""
    url = pgbouncer.make_url(database_url)
    run_on_all(
        url,
        "SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'; SET IntervalStyle = 'sql_standard';"
        " SET client_encoding = 'LATIN1'; SET standard_conforming_strings = off; SET bytea_output = 'escape';"
        " SET quote_all_identifiers = on; SET transform_null_equals = on; SET extra_float_digits = -15;"
        " SET default_transaction_isolation = 'serializable'; SET application_name = 'others'",
    )
    try:
        with hold_backends(url) as connections:
            for connection in connections:
                assert connection.execute("SHOW IntervalStyle").fetchone() == ("sql_standard",)
        for number in range(1, 2 * BACKENDS + 1):
            task = create_task(client, ALICE, title="é漢🎉", description="\\'\"\n")
            assert task == expect_task(ALICE, id=number, title="é漢🎉", description="\\'\"\n")
            assert client.get(ALICE.tasks).json()[number - 1] == task
            changed = client.patch(f"{ALICE.tasks}/{number}", json=PATCH)
            check_response(changed)
            times = database.execute("SELECT created_at, updated_at FROM tasks WHERE id = %s", [number]).fetchone()
            assert times == (read_time(task["created_at"]), read_time(changed.json()["updated_at"]))
            assert changed.json() == {**task, **PATCH, "updated_at": changed.json()["updated_at"]}
        assert database.execute("SELECT DISTINCT title, description FROM tasks").fetchall() == [
            (PATCH["title"], PATCH["description"])
        ]
    finally:
        run_on_all(url, "RESET ALL")


def read_time(text: str) -> datetime:
    """Read a time of an answer, which must be in UTC."""
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("setting", "problem"),
    [("SET statement_timeout = '100ms'", TIMED_OUT), ("SET lock_timeout = '100ms'", UNAVAILABLE)],
)
def test_limits_that_others_leave_behind_end_a_statement_early_at_worst(
    setting: LiteralString, problem: dict[str, object], client: httpx.Client, pgbouncer: PgBouncer, database_url: str
) -> None:
    """There is no guard against these; it is 503 then, and never done by halves."""
    task = create_task(client, ALICE)
    path = f"{ALICE.tasks}/{task['id']}"
    url = pgbouncer.make_url(database_url)
    run_on_all(url, setting)
    try:
        with psycopg.connect(database_url) as locker:
            locker.execute("SELECT * FROM tasks FOR UPDATE")
            expect_503(client.patch(path, json={"title": "In vain"}), problem)
        assert client.get(path).json() == task
    finally:
        run_on_all(url, "RESET ALL")
