"""Five hundred clients at once, each with a whole life of a task: not one answer is wrong."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from tests.conftest import MakeDatabase
from tests.support.cast import User
from tests.support.faults import run_impatient_server
from tests.support.processes import count_connections, count_files
from tests.support.server import Server
from tests.support.tasks import expect_task
from tests.support.waiting import wait_for

CLIENTS = 500
POOL_SIZE = 10
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def database_url(make_database: MakeDatabase) -> str:
    return make_database()


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[Server]:
    """A server with the limits that it has by default; five hundred clients of one process come back late."""
    with run_impatient_server(database_url, DATABASE_TIMEOUT="20", KEEP_ALIVE_TIMEOUT="75") as running:
        yield running


async def live(server: Server, user: User) -> None:
    """Create, list, get, patch and delete a task over one connection, which nobody else uses."""
    async with httpx.AsyncClient(base_url=server.url, headers=user.headers, timeout=PATIENCE_SECONDS) as client:
        created = await client.post(user.tasks, json={"title": "Buy groceries", "description": user.id})
        assert (created.status_code, created.json()) == (201, expect_task(user, description=user.id))
        task: dict[str, Any] = created.json()
        path = created.headers["Location"]
        assert (await client.get(user.tasks)).json() == [task]
        assert (await client.get(path)).json() == task
        patched = await client.patch(path, json={"is_completed": True})
        assert patched.json() == {**task, "is_completed": True, "updated_at": patched.json()["updated_at"]}
        assert patched.json()["updated_at"] > task["updated_at"]
        deleted = await client.delete(path)
        assert (deleted.status_code, deleted.content) == (204, b"")
        assert (await client.get(path)).status_code == 404


async def gather(lives: list[Coroutine[Any, Any, None]]) -> None:
    await asyncio.gather(*lives)


def test_five_hundred_clients_at_once_are_served(server: Server, database_url: str) -> None:
    """NFR-002: nobody is refused, nobody gets what is another's, and nothing is left of them."""
    with psycopg.connect(database_url, autocommit=True) as admin:
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        wait_for(lambda: admin.execute(others + " AND state = 'idle'").fetchone() == (POOL_SIZE,), 20)
    files = count_files(server.process.pid)
    asyncio.run(gather([live(server, User(f"user-{number}")) for number in range(CLIENTS)]))
    # The event loop opens files of its own: one with its first connection, and each connection's of the pool twice.
    wait_for(lambda: count_files(server.process.pid) <= files + 1 + POOL_SIZE, 20)
    wait_for(lambda: count_connections(server.process.pid, urlsplit(server.url).port or 0) == 0, 20)
    with psycopg.connect(database_url) as admin:
        assert admin.execute("SELECT count(*) FROM tasks").fetchone() == (0,)
    log = server.read_log()
    assert log.count(" 201 ") == log.count(" 204 ") == CLIENTS
    assert [status for status in (" 500 ", " 503 ") if status in log] == []
