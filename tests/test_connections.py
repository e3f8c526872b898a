"""Connections and their pool, where no request would show it: what is prepared, lent, given back and given up."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import psycopg
import pytest
import uvloop

from taskflow.database import Database, Row, Statement
from taskflow.database.failures import DatabaseDefect
from taskflow.errors import DatabaseUnavailable
from tests.conftest import MakeDatabase
from tests.support.settings import make_settings

T = TypeVar("T")

ECHO = Statement(b"echo", b"SELECT $1::text", ("text",))
FORGET = Statement(b"forget", b"DEALLOCATE ALL")
SLEEP = Statement(b"sleep", b"SELECT pg_sleep(0.2)")
BREAK = Statement(b"break", b"SELECT 1 / $1::int", ("by",))


def ask(url: str, talk: Callable[[Database], Awaitable[T]], **settings: object) -> T:
    """Talk to a database over one connection."""

    async def run() -> T:
        database = Database(make_settings(url, database_pool_size=1, **settings))
        await database.open()
        try:
            return await talk(database)
        finally:
            await database.close()

    return uvloop.run(run())


def test_a_statement_that_was_prepared_elsewhere_is_run_all_the_same(make_database: MakeDatabase) -> None:
    """A pooler that nobody told us of has put another backend behind the connection."""

    async def talk(database: Database) -> list[list[Row]]:
        first = await database.fetch_all(ECHO, {"text": "before"})
        await database.fetch_all(FORGET, {})
        return [first, await database.fetch_all(ECHO, {"text": "after"}), await database.fetch_all(ECHO, {"text": "x"})]

    assert ask(make_database(), talk) == [[(b"before",)], [(b"after",)], [(b"x",)]]


@pytest.mark.parametrize("size", [0, 1, 100_000, 16_000_000])
def test_a_value_of_any_size_goes_there_and_back(size: int, make_database: MakeDatabase) -> None:
    """Larger than what a socket takes at once, too."""
    ((text,),) = ask(make_database(), lambda database: database.fetch_all(ECHO, {"text": "é" * size}))
    assert text == "é".encode() * size


def test_a_value_with_u_0000_is_refused_before_it_is_sent(make_database: MakeDatabase) -> None:
    """Libpq would end the text there without a word."""
    with pytest.raises(ValueError, match=r"U\+0000"):
        ask(make_database(), lambda database: database.fetch_all(ECHO, {"text": "a\x00b"}))


def test_a_defect_leaves_the_connection_usable(make_database: MakeDatabase) -> None:
    """And its message, which can quote users, is not passed on."""

    async def talk(database: Database) -> list[Row]:
        with pytest.raises(DatabaseDefect) as caught:
            await database.fetch_all(BREAK, {"by": 0})
        assert str(caught.value) == "DivisionByZero 22012"
        return await database.fetch_all(ECHO, {"text": "on it goes"})

    assert ask(make_database(), talk) == [(b"on it goes",)]


def test_who_gives_up_waiting_does_not_take_a_connection_along(make_database: MakeDatabase) -> None:
    """Neither one that waits when it is cancelled, nor one whose statement is under way."""

    async def talk(database: Database) -> list[Row]:
        under_way = asyncio.create_task(database.fetch_all(SLEEP, {}))
        waiting = asyncio.create_task(database.fetch_all(SLEEP, {}))
        await asyncio.sleep(0)
        for task in (waiting, under_way):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        return await database.fetch_all(ECHO, {"text": "free"})

    assert ask(make_database(), talk) == [(b"free",)]


def test_many_share_one_connection_in_turn(make_database: MakeDatabase) -> None:
    """Each gets its own answer."""

    async def talk(database: Database) -> list[list[Row]]:
        return await asyncio.gather(*(database.fetch_all(ECHO, {"text": str(number)}) for number in range(500)))

    assert ask(make_database(), talk) == [[(str(number).encode(),)] for number in range(500)]


def test_a_database_that_refuses_connections_is_not_waited_for(postgres: str, make_database: MakeDatabase) -> None:
    """With none open and none to be had, the answer is 503 at once, long before the deadline of a minute."""
    url = make_database()
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]

    async def talk(database: Database) -> list[Row]:
        await database.fetch_all(ECHO, {"text": "once"})
        with psycopg.connect(postgres, autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])
            for _ in range(3):
                with pytest.raises(DatabaseUnavailable):
                    async with asyncio.timeout(10):
                        await database.fetch_all(ECHO, {"text": "again"})
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        async with asyncio.timeout(10):
            while True:
                with suppress(DatabaseUnavailable):
                    return await database.fetch_all(ECHO, {"text": "back"})
                await asyncio.sleep(0.02)

    assert ask(url, talk, database_timeout=60.0) == [(b"back",)]
