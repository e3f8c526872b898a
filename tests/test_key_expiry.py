"""Idempotency keys whose life is over: they are removed at the start and from then on, and no others."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import psycopg
import pytest

from taskflow.database import Database
from taskflow.database.migrations import migrate
from taskflow.database.statements import AGED_ROWS
from taskflow.operations.idempotency import KeyExpiry
from tests.conftest import MakeDatabase
from tests.support.cast import ALICE
from tests.support.logs import open_scene
from tests.support.settings import make_settings
from tests.support.waiting import wait_for

DAY = 86_400
YOUNG = ["young1", "young2", "young3"]


@pytest.fixture
def database_url(make_database: MakeDatabase) -> str:
    """A database whose tables are made."""
    url = make_database()
    migrate(url)
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def add_keys(database: psycopg.Connection, name: str, number: int, *, age: str) -> None:
    """Write keys as they are after a time."""
    database.execute(
        "INSERT INTO taskflow_idempotency_keys"
        " SELECT 'alice', %s || n, '', n, '', '', now() - %s::interval FROM generate_series(1, %s) AS n",
        [name, age, number],
    )


def list_keys(database: psycopg.Connection) -> list[str]:
    return [key for (key,) in database.execute("SELECT key FROM taskflow_idempotency_keys ORDER BY key")]


@contextmanager
def run_expiry(database_url: str, lifetime: int) -> Iterator[None]:
    """Remove keys as a server does, while the block runs."""
    settings = make_settings(database_url, database_timeout=0.5, idempotency_key_lifetime=lifetime)

    async def run() -> None:
        database = Database(settings)
        expiry = KeyExpiry(database, settings, pause=0.05)
        await database.open()
        await expiry.open()
        await asyncio.to_thread(is_over.wait)
        await expiry.close()
        await database.close()

    is_over = Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(asyncio.run, run())
        try:
            yield
        finally:
            is_over.set()
            running.result()


def test_keys_are_removed_when_their_life_is_over(database_url: str, database: psycopg.Connection) -> None:
    """All of them, however many; those that are younger stay."""
    add_keys(database, "old", 2 * AGED_ROWS + 5, age="1 day 1 second")
    add_keys(database, "young", 3, age="23 hours 55 minutes")
    with run_expiry(database_url, lifetime=DAY):
        wait_for(lambda: list_keys(database) == YOUNG, 10)


def test_keys_grow_old_while_the_server_runs(database_url: str, database: psycopg.Connection) -> None:
    """They are looked for again and again."""
    with run_expiry(database_url, lifetime=1):
        for name in ("first", "second"):
            add_keys(database, name, 1, age="0")
            wait_for(lambda: list_keys(database) == [], 10)


def test_servers_that_look_at_once_do_not_wait_for_each_other(database_url: str, database: psycopg.Connection) -> None:
    """What one of them is about to remove, the other passes over."""
    add_keys(database, "old", 2, age="2 days")
    with psycopg.connect(database_url) as other:
        other.execute("SELECT * FROM taskflow_idempotency_keys WHERE key = 'old1' FOR UPDATE")
        with run_expiry(database_url, lifetime=DAY):
            wait_for(lambda: list_keys(database) == ["old1"], 10)


def test_an_outage_does_not_end_the_looking(
    database_url: str, database: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does a defect, which is logged."""
    with run_expiry(database_url, lifetime=1):
        database.execute("ALTER TABLE taskflow_idempotency_keys RENAME TO elsewhere")
        wait_for(lambda: "idempotency keys that are no longer needed cannot be removed" in caplog.text, 10)
        database.execute("ALTER TABLE elsewhere RENAME TO taskflow_idempotency_keys")
        with database.transaction():
            database.execute("LOCK TABLE taskflow_idempotency_keys")
            wait_for(lambda: "answering 503" in caplog.text, 10)
        add_keys(database, "old", 1, age="1 minute")
        wait_for(lambda: list_keys(database) == [], 10)


def test_a_server_removes_keys(database_url: str, database: psycopg.Connection) -> None:
    """When it starts; a key that is gone can be used for another body."""
    add_keys(database, "old", 1, age="1 day 1 second")
    add_keys(database, "young", 3, age="0")
    with open_scene(database_url) as scene:
        wait_for(lambda: list_keys(database) == YOUNG, 10)
        for key, status in (("young1", 422), ("old1", 201)):
            headers = {**ALICE.headers, "Idempotency-Key": key}
            response = scene.client.post(ALICE.tasks, json={"title": "Buy groceries"}, headers=headers)
            assert response.status_code == status
