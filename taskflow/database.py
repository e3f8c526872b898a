"""The pool of connections, the deadline of every call, and what a driver's failure means for the client."""

import asyncio
import logging
import math
import os
import re
import select
import socket
from contextlib import suppress
from typing import Any, LiteralString, cast

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from taskflow.errors import DatabaseTimeout, DatabaseUnavailable, Problem
from taskflow.migrations import MigrationError, migrate
from taskflow.settings import Settings

Row = dict[str, Any]
Connection = AsyncConnection[Row]

MIGRATION_RETRY_SECONDS = 1.0
"""How long to wait before another try to reach a database that was not there at start."""

MAX_CANCEL_SECONDS = 1.0
"""How long a statement that was told to stop may take to do so before its connection is cut."""

_UNAVAILABLE_CLASSES = frozenset({"08", "53", "57", "58"})
"""SQLSTATE classes: connection, resources, operator intervention, system."""

_UNAVAILABLE_STATES = frozenset({"25006", "25P03", "40001", "40P01", "55P03"})
"""Read-only, idle in transaction, serialisation failure, deadlock, lock not available."""

_QUOTED = re.compile(r"""(["']).*?\1""")

logger = logging.getLogger(__name__)


class DatabaseDefect(Exception):
    """The database refused a statement that we should not have sent.

    Holds only the driver's class and the SQLSTATE: its message can quote what users wrote.
    """


class Database:
    """The one way to PostgreSQL.

    Every call takes one statement, which is its own transaction, and at most the deadline (DATABASE_TIMEOUT), the wait
    for a connection included. Raises DatabaseUnavailable, DatabaseTimeout or, for a defect, DatabaseDefect.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = settings.dsn
        self._deadline = settings.database_timeout
        self._migrated = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            kwargs={**_connection_options(self._url, self._deadline), "autocommit": True, "row_factory": dict_row},
            connection_class=cast("type[Connection]", AsyncConnection),
            min_size=settings.database_pool_size,
            max_size=settings.database_pool_size,
            max_waiting=settings.database_queue_size,
            timeout=self._deadline,
            reconnect_timeout=self._deadline,
            open=False,
        )

    async def open(self) -> None:
        """Bring the schema up to date and fill the pool; where the database is down, go on trying in the background.

        Raises MigrationError if the database is there and its schema cannot be brought up to date.
        """
        if not await self._try_migrate(logging.WARNING):
            self._keep(asyncio.create_task(self._migrate_in_background()))
        await self._pool.open()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pool.close()

    async def fetch_one(self, statement: LiteralString, parameters: dict[str, object]) -> Row | None:
        """Run a statement; give its first row, if there is one."""
        rows = await self.fetch_all(statement, parameters)
        return rows[0] if rows else None

    async def fetch_all(self, statement: LiteralString, parameters: dict[str, object]) -> list[Row]:
        """Run a statement; give all its rows."""
        if not self._migrated:
            raise DatabaseUnavailable
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._deadline
        try:
            connection = await self._take_connection(deadline)
        except psycopg.Error as error:
            raise _explain_failure(error) from None
        timer = loop.call_at(deadline, self._interrupt, connection)
        try:
            cursor = await connection.execute(statement, parameters)
            return await cursor.fetchall()
        except psycopg.Error as error:
            failure = _explain_failure(error)
            if isinstance(failure, DatabaseUnavailable) and loop.time() >= deadline:
                raise DatabaseTimeout from None
            raise failure from None
        finally:
            timer.cancel()
            if loop.time() >= deadline:
                # It may still be told to stop, and must not be serving somebody else by then.
                await connection.close()
            await self._pool.putconn(connection)

    async def _take_connection(self, deadline: float) -> Connection:
        """Give a connection that the server has not closed meanwhile.

        The pool's own check would wait longer and longer between dead connections; after a restart of the database
        all of them are.
        """
        while True:
            connection = await self._pool.getconn(deadline - asyncio.get_running_loop().time())
            if not _is_hung_up(connection):
                return connection
            await connection.close()
            await self._pool.putconn(connection)

    def _interrupt(self, connection: Connection) -> None:
        grace = min(self._deadline, MAX_CANCEL_SECONDS)
        self._keep(asyncio.create_task(_stop_statement(connection, grace)))

    async def _migrate_in_background(self) -> None:
        while not self._migrated:
            await asyncio.sleep(MIGRATION_RETRY_SECONDS)
            try:
                await self._try_migrate(logging.DEBUG)
            except MigrationError as error:
                logger.error("%s", error)  # noqa: TRY400  its sentence is all there is to say

    async def _try_migrate(self, level: int) -> bool:
        try:
            await asyncio.to_thread(migrate, self._url, connect_timeout=_connect_timeout(self._deadline))
        except psycopg.OperationalError as error:
            logger.log(level, "the database is not available yet, trying again: %s", _name_error(error))
        else:
            logger.info("the schema is up to date")
            self._migrated = True
        return self._migrated

    def _keep(self, task: asyncio.Task[None]) -> None:
        # The loop itself holds a task only weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _connection_options(url: str, deadline: float) -> dict[str, Any]:
    options: dict[str, Any] = {**conninfo_to_dict(url), "connect_timeout": _connect_timeout(deadline)}
    if "-pooler" in str(options.get("host", "")):
        # A transaction pooler hands the next statement to another backend, which does not know what was prepared.
        options["prepare_threshold"] = None
    return options


def _connect_timeout(deadline: float) -> int:
    # Whole seconds, and libpq takes 1 for 2.
    return max(2, math.ceil(deadline))


def _is_hung_up(connection: Connection) -> bool:
    # An idle connection has nothing to say unless the server has closed it. Asking costs one system call and no trip.
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


async def _stop_statement(connection: Connection, grace: float) -> None:
    """Stop a statement at its deadline: ask the server for `grace` seconds at most, then cut the connection."""
    with suppress(psycopg.Error):
        await connection.cancel_safe(timeout=grace)
    if not connection.closed and connection.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
        with socket.socket(fileno=os.dup(connection.fileno())) as link, suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)


def _explain_failure(error: psycopg.Error) -> Problem | DatabaseDefect:
    state = error.sqlstate or ""
    if isinstance(error, psycopg.errors.QueryCanceled):
        problem: Problem = DatabaseTimeout()
    elif (
        isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        or state[:2] in _UNAVAILABLE_CLASSES
        or state in _UNAVAILABLE_STATES
    ):
        problem = DatabaseUnavailable()
    else:
        return DatabaseDefect(_name_error(error))
    logger.warning("answering 503: %s", _name_error(error))
    return problem


def _name_error(error: psycopg.Error) -> str:
    name = type(error).__name__
    if error.sqlstate:
        return f"{name} {error.sqlstate}"
    # A failure to connect has no SQLSTATE. Its reason stands behind host and port, and may quote user and database:
    # all of these stay out of logs.
    lines = str(error).splitlines() or [""]
    reason = next((line for line in lines if "failed: " in line), lines[0]).rsplit("failed: ", 1)[-1]
    return f"{name}: {_QUOTED.sub('...', reason).strip()}"
