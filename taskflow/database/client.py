"""The pool of connections, the deadline of every call, and what a driver's failure means for the client."""

import asyncio
import logging
import math
import os
import re
import select
import socket
from contextlib import suppress
from functools import partial
from typing import Any, LiteralString, cast

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from taskflow.errors import DatabaseTimeout, DatabaseUnavailable, Problem
from taskflow.migrations import MigrationError, migrate
from taskflow.settings import Settings
from taskflow.threads import run_in_thread

Row = dict[str, Any]
Connection = AsyncConnection[Row]

MIGRATION_RETRY_SECONDS = 1.0
"""How long to wait before another try to reach a database that was not there at start."""

STOP_SHARE = 0.2
"""The last part of a deadline, in which a statement that takes too long is asked to stop before it is cut off."""

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

    Every call takes one statement, which is its own transaction, and at most the deadline (DATABASE_TIMEOUT, seconds),
    the wait for a connection included. Raises DatabaseUnavailable, DatabaseTimeout or, for a defect, DatabaseDefect.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = settings.dsn
        self._deadline = settings.database_timeout
        self._connect_timeout = _round_connect_timeout(self._deadline)
        self._migrated = False
        self._complaint = ""
        self._migration: asyncio.Task[None] | None = None
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            kwargs=_make_connection_options(self._url, self._connect_timeout),
            connection_class=cast("type[Connection]", AsyncConnection),
            min_size=settings.database_pool_size,
            max_size=settings.database_pool_size,
            max_waiting=settings.database_queue_size,
            timeout=self._deadline,
            reconnect_timeout=self._deadline,
            open=False,
        )

    async def open(self) -> None:
        """Bring the schema up to date and fill the pool; what cannot be done yet is tried again in the background."""
        attempt = asyncio.create_task(self._try_to_migrate())
        await asyncio.wait({attempt}, timeout=self._deadline)
        self._migration = asyncio.create_task(self._go_on_migrating(attempt))
        await self._pool.open()

    async def close(self) -> None:
        if self._migration is not None:
            self._migration.cancel()
            await asyncio.wait({self._migration})
        await self._pool.close()

    async def fetch_one(self, statement: LiteralString, parameters: dict[str, object]) -> Row | None:
        """Run a statement; give its first row, if there is one."""
        rows = await self.fetch_all(statement, parameters)
        return rows[0] if rows else None

    async def fetch_all(self, statement: LiteralString, parameters: dict[str, object]) -> list[Row]:
        """Run a statement; give all its rows."""
        if not self._migrated:
            raise DatabaseUnavailable
        cut_at = asyncio.get_running_loop().time() + self._deadline
        ask_at = cut_at - self._deadline * STOP_SHARE
        try:
            connection = await self._take_connection(ask_at)
        except psycopg.Error as error:
            raise _explain_failure(error) from None
        deadline = _Deadline(connection, ask_at, cut_at)
        try:
            cursor = await connection.execute(statement, parameters)
            return await cursor.fetchall()
        except psycopg.Error as error:
            failure = _explain_failure(error)
            if isinstance(failure, DatabaseUnavailable) and deadline.has_passed:
                raise DatabaseTimeout from None
            raise failure from None
        finally:
            deadline.lift()
            if deadline.has_passed:
                # The server may still be told to stop what this connection does: it must not be serving others then.
                await connection.close()
            await self._pool.putconn(connection)

    async def _take_connection(self, until: float) -> Connection:
        """Give a connection that the server has not closed meanwhile.

        The pool's own check would wait longer and longer between dead connections; after a restart of the database
        all of them are.
        """
        while True:
            connection = await self._pool.getconn(until - asyncio.get_running_loop().time())
            if not _is_hung_up(connection):
                return connection
            await connection.close()
            await self._pool.putconn(connection)

    async def _try_to_migrate(self) -> bool:
        try:
            version = await asyncio.wrap_future(
                run_in_thread(partial(migrate, self._url, connect_timeout=self._connect_timeout))
            )
        except psycopg.OperationalError as error:
            self._complain(logging.WARNING, f"the database is not available yet, trying again: {_name_error(error)}")
        except MigrationError as error:
            self._complain(logging.ERROR, str(error))
        except Exception:
            logger.exception("the schema could not be migrated")
        else:
            logger.info("the schema is up to date (version %s)", version)
            self._migrated = True
        return self._migrated

    async def _go_on_migrating(self, attempt: asyncio.Task[bool]) -> None:
        while not await attempt:
            await asyncio.sleep(MIGRATION_RETRY_SECONDS)
            attempt = asyncio.create_task(self._try_to_migrate())

    def _complain(self, level: int, complaint: str) -> None:
        # Once, and not with every try.
        if complaint != self._complaint:
            logger.log(level, "%s", complaint)
        self._complaint = complaint


class _Deadline:
    """Ends a statement that takes too long: the server is asked to stop it, then its connection is cut.

    From outside, since a frozen server obeys neither its own statement_timeout nor a request to cancel.
    """

    def __init__(self, connection: Connection, ask_at: float, cut_at: float) -> None:
        self._connection = connection
        self._cut_at = cut_at
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_at(ask_at, self._begin)
        self._stopping: asyncio.Task[None] | None = None

    @property
    def has_passed(self) -> bool:
        # The clock would not do: a timer may fire a moment before the time it was set for.
        return self._stopping is not None

    def lift(self) -> None:
        """Leave the connection alone from now on."""
        self._timer.cancel()
        if self._stopping is not None:
            self._stopping.cancel()

    def _begin(self) -> None:
        self._stopping = asyncio.create_task(self._stop())

    async def _stop(self) -> None:
        with suppress(psycopg.Error):
            await self._connection.cancel_safe(timeout=self._cut_at - self._loop.time())
        await asyncio.sleep(self._cut_at - self._loop.time())
        with socket.socket(fileno=os.dup(self._connection.fileno())) as link, suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)


def _make_connection_options(url: str, connect_timeout: int) -> dict[str, Any]:
    options: dict[str, Any] = {
        **conninfo_to_dict(url),
        "connect_timeout": connect_timeout,
        "autocommit": True,
        "row_factory": dict_row,
    }
    if "-pooler" in str(options.get("host", "")):
        # A transaction pooler hands the next statement to another backend, which does not know what was prepared.
        options["prepare_threshold"] = None
    return options


def _round_connect_timeout(deadline: float) -> int:
    # Whole seconds, and libpq takes 1 for 2.
    return max(2, math.ceil(deadline))


def _is_hung_up(connection: Connection) -> bool:
    # An idle connection has nothing to say unless the server has closed it. Asking costs one system call and no trip.
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


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
