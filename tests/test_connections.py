"""Connections and their pool, where no request would show it: what is prepared, lent, given back and given up."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

import psycopg
import pytest
import uvloop
from psycopg.conninfo import conninfo_to_dict

from taskflow.database import Database, Row, Statement
from taskflow.database.connection import Connection
from taskflow.database.failures import DatabaseDefect
from taskflow.database.migrations import migrate
from taskflow.database.pool import Pool, PoolExhausted
from taskflow.errors import DatabaseUnavailable
from tests.conftest import MakeDatabase
from tests.support.settings import make_settings
from tests.support.silence import run_leaving_database

T = TypeVar("T")

ECHO = Statement(b"echo", b"SELECT $1::text", ("text",))
FORGET = Statement(b"forget", b"DEALLOCATE ALL")
SLEEP = Statement(b"sleep", b"SELECT pg_sleep(2)")
BACKEND = Statement(b"backend", b"SELECT pg_backend_pid()")
MAKE = Statement(b"make", b"CREATE TABLE note (number int)")
WRITE = Statement(b"write", b"INSERT INTO note VALUES (1) RETURNING number")
ONLY_READ = Statement(b"only_read", b"SET default_transaction_read_only = on")
ACTIVE = "SELECT 1 FROM pg_stat_activity WHERE pid = %s::int AND state = 'active' AND query LIKE '%%sleep%%'"
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
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


def within(seconds: float) -> float:
    """Give a time of the event loop."""
    return asyncio.get_running_loop().time() + seconds


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


def test_who_gives_up_does_not_take_a_connection_along(make_database: MakeDatabase) -> None:
    """Neither one that waits when it is cancelled, nor one whose statement is under way: that gets a successor."""
    url = make_database()

    async def talk(database: Database) -> tuple[list[Row], list[Row]]:
        before = await database.fetch_all(BACKEND, {})
        under_way = asyncio.create_task(database.fetch_all(SLEEP, {}))
        waiting = asyncio.create_task(database.fetch_all(SLEEP, {}))
        with psycopg.connect(url, autocommit=True) as admin:
            async with asyncio.timeout(10):
                while True:
                    if admin.execute(ACTIVE, [(before[0][0] or b"").decode()]).fetchone():
                        break
                    await asyncio.sleep(0.02)
        for task in (waiting, under_way):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        return before, await database.fetch_all(BACKEND, {})

    before, after = ask(url, talk)
    assert before != after


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
@pytest.mark.parametrize("size", [1, 16_000_000])
@pytest.mark.parametrize("in_order", [True, False])
def test_a_database_that_leaves_while_it_is_written_to_ends_the_statement(
    run: Callable[..., object], size: int, in_order: bool
) -> None:
    """It has sent its last while the socket still waits to take more; nothing is watched after that."""

    async def talk(url: str) -> None:
        connection = await Connection.open(conninfo_to_dict(url), prepares=False)
        with pytest.raises(psycopg.OperationalError):
            async with asyncio.timeout(10):
                await connection.execute(ECHO, {"text": "x" * size})
        assert not connection.is_ready
        await connection.close()
        await asyncio.sleep(0)  # the loop must still be able to poll

    with run_leaving_database(in_order=in_order) as url:
        run(talk(url))


def test_a_connection_handed_to_one_who_gives_up_in_that_moment_is_not_lost(make_database: MakeDatabase) -> None:
    """It goes to the next."""
    options = conninfo_to_dict(make_database())

    async def talk() -> None:
        pool = Pool(partial(Connection.open, options, prepares=True), size=1, queue_size=1)
        pool.open()
        connection = await pool.take(within(10))
        waiting = asyncio.create_task(pool.take(within(10)))
        await asyncio.sleep(0)
        await pool.give_back(connection)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await pool.take(within(10)) is connection
        await pool.give_back(connection)
        await pool.close()

    uvloop.run(talk())


def test_who_waits_in_vain_is_told_so_and_leaves_no_trace(make_database: MakeDatabase) -> None:
    """The only connection is out; once it is back, the next one gets it."""
    options = conninfo_to_dict(make_database())

    async def talk() -> None:
        pool = Pool(partial(Connection.open, options, prepares=True), size=1, queue_size=1)
        pool.open()
        connection = await pool.take(within(10))
        for _ in range(3):  # of a queue of one
            with pytest.raises(PoolExhausted, match="no connection became free in time"):
                await pool.take(within(0.05))
        await pool.give_back(connection)
        assert await pool.take(within(10)) is connection
        await pool.close()
        await pool.give_back(connection)
        assert not connection.is_ready

    uvloop.run(talk())


def test_a_server_that_only_reads_is_not_asked_again(make_database: MakeDatabase) -> None:
    """After a failover, another connection may lead to the server that has taken over."""

    async def talk(database: Database) -> list[Row]:
        await database.fetch_all(MAKE, {})
        await database.fetch_all(ONLY_READ, {})
        with pytest.raises(DatabaseUnavailable):
            await database.fetch_all(WRITE, {})
        return await database.fetch_all(WRITE, {})

    assert ask(make_database(), talk) == [(b"1",)]


def test_a_server_that_only_reads_for_long_is_not_connected_to_with_every_change(make_database: MakeDatabase) -> None:
    """Each connection is a process at the server, and a log-in."""
    url = make_database()
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CREATE TABLE note (number int)")
        admin.execute(f"ALTER DATABASE {conninfo_to_dict(url)['dbname']} SET default_transaction_read_only = on")
    opened: list[float] = []

    async def connect() -> Connection:
        opened.append(within(0))
        return await Connection.open(conninfo_to_dict(url), prepares=True)

    async def talk() -> None:
        pool = Pool(connect, size=3, queue_size=10)
        pool.open()
        started = within(0)
        for _ in range(100):
            connection = await pool.take(within(10))
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                await connection.execute(WRITE, {})
            await pool.give_back(connection)
        assert len(opened) <= 3 * (2 + within(0) - started)
        await pool.close()

    uvloop.run(talk())


def test_one_failed_change_is_enough_to_leave_a_server_that_only_reads(make_database: MakeDatabase) -> None:
    """All other idle connections lead to it too, and each would fail one more request, maybe much later."""
    url = make_database()
    migrate(url)
    name = conninfo_to_dict(url)["dbname"]

    async def talk() -> list[list[Row]]:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("CREATE TABLE note (number int)")
            admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            database = Database(make_settings(url, database_pool_size=5))
            await database.open()
            async with asyncio.timeout(10):
                while True:
                    if admin.execute(OTHERS).fetchone() == (5,):
                        break
                    await asyncio.sleep(0.02)
            admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
            with pytest.raises(DatabaseUnavailable):
                await database.fetch_all(WRITE, {})
            rows = [await database.fetch_all(WRITE, {}) for _ in range(10)]
            await database.close()
            return rows

    assert uvloop.run(talk()) == [[(b"1",)]] * 10


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
