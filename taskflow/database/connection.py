"""One connection, opened by psycopg, and the one statement under way on it, run on libpq itself.

A statement through psycopg's own cursors costs half as much again: they register the socket with the event loop for
every wait, and convert each value twice. Here the socket stays registered, and values are PostgreSQL's own text.
"""

import asyncio
import os
import random
import select
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from taskflow.database.statement import Statement, Value

Row = tuple[bytes | None, ...]
"""The values of a row in PostgreSQL's text format."""

MAX_AGE_SECONDS = 3600
"""How long a connection is used: one that outlives a failover may be left with a server that only reads."""

_NOT_PREPARED = frozenset({"26000", "42P05", "0A000"})
"""There is no such prepared statement, or there is one already: a pooler has put another backend behind us. Or it no
longer fits, since the type of a column has changed."""

_READ_ONLY = "25006"
"""Another connection may lead to the server that has taken over."""


class Connection:
    """Runs one statement at a time, each of which is its own transaction.

    Raises psycopg.Error, as psycopg itself would. A call that is cancelled leaves a connection that is not ready; what
    it asked for may still be carried out.
    """

    def __init__(self, opened: AsyncConnection[Any], *, prepares: bool) -> None:
        self._opened = opened
        self._libpq = opened.pgconn
        self._prepares = prepares
        self._prepared: set[bytes] = set()
        self._results: list[PGresult] = []
        self._outcome: asyncio.Future[None] | None = None
        self._hung_up = False
        self._closed = False
        self.is_read_only = False
        self._loop = asyncio.get_running_loop()
        self._expiry = self._loop.time() + MAX_AGE_SECONDS * random.uniform(0.9, 1)  # noqa: S311  no secret
        # A descriptor of our own: libpq closes its own as soon as the server is gone, and its number would be somebody
        # else's while the event loop still watches it for us.
        self._socket = os.dup(self._libpq.socket)
        self._loop.add_reader(self._socket, self._read)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    @classmethod
    async def open(cls, options: Mapping[str, Any], *, prepares: bool) -> "Connection":
        """Connect. Raises psycopg.OperationalError."""
        return cls(await AsyncConnection.connect(**options, autocommit=True), prepares=prepares)

    @property
    def is_ready(self) -> bool:
        """Whether another statement can be sent, now and in a while."""
        return (
            not self._closed
            and not self._hung_up
            and self._outcome is None
            and self._loop.time() < self._expiry
            and self._libpq.status == ConnStatus.OK
            and self._libpq.transaction_status == TransactionStatus.IDLE
        )

    @property
    def is_hung_up(self) -> bool:
        """Whether the server has closed it meanwhile: an idle connection has nothing else to say.

        Asking costs one system call and no trip.
        """
        return self._hung_up or bool(self._poll.poll(0))

    async def execute(self, statement: Statement, values: Mapping[str, Value]) -> list[Row]:
        """Run a statement and give all its rows."""
        self.is_read_only = False
        parameters = statement.encode(values)
        if self._prepares and statement.is_prepared:
            try:
                return await self._execute_prepared(statement, parameters)
            except psycopg.Error as error:
                # Nothing has been carried out: PostgreSQL did not find what it was told to.
                if error.sqlstate not in _NOT_PREPARED:
                    raise
                self._prepares = False
        return await self._run(self._libpq.send_query_params, statement.text, parameters)

    async def ask_to_stop(self, *, timeout: float) -> None:  # noqa: ASYNC109  libpq's own, for another connection
        """Ask the server to stop the statement under way; it may not obey."""
        with suppress(psycopg.Error):
            await self._opened.cancel_safe(timeout=timeout)

    def cut(self) -> None:
        """End the connection without the server's help; the statement under way fails."""
        if not self._closed:
            with socket.socket(fileno=os.dup(self._socket)) as link, suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._unwatch()
            os.close(self._socket)
            self._libpq.finish()
            await self._opened.close()

    async def _execute_prepared(self, statement: Statement, parameters: list[bytes | None]) -> list[Row]:
        name = statement.prepared_name
        if name not in self._prepared:
            await self._run(self._libpq.send_prepare, name, statement.text)
            self._prepared.add(name)
        return await self._run(self._libpq.send_query_prepared, name, parameters)

    async def _run(self, send: Callable[..., None], *arguments: object) -> list[Row]:
        self._results = []
        self._outcome = self._loop.create_future()
        send(*arguments)
        if self._libpq.flush():
            # The socket takes no more for now, as with a large description.
            self._loop.add_writer(self._socket, self._write)
        await self._outcome
        self._outcome = None
        results, self._results = self._results, []  # or a long list would be kept until the next statement
        return [row for result in results for row in self._read_rows(result)]

    def _write(self) -> None:
        try:
            if not self._libpq.flush():
                self._loop.remove_writer(self._socket)
        except psycopg.OperationalError as error:
            self._end(error)

    def _read(self) -> None:
        if self._outcome is None or self._outcome.done():
            # Left unread, or it would be taken for an answer to the next statement.
            self._hung_up = True
            self._unwatch()
            return
        try:
            self._libpq.consume_input()
            while not self._libpq.is_busy():
                result = self._libpq.get_result()
                if result is None:
                    self._outcome.set_result(None)
                    return
                self._results.append(result)
        except psycopg.OperationalError as error:
            self._end(error)

    def _end(self, error: psycopg.OperationalError) -> None:
        self._hung_up = True
        self._unwatch()
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_exception(error)

    def _unwatch(self) -> None:
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)

    def _read_rows(self, result: PGresult) -> list[Row]:
        if result.status == ExecStatus.TUPLES_OK:
            columns = range(result.nfields)
            return [tuple([result.get_value(row, column) for column in columns]) for row in range(result.ntuples)]
        if result.status == ExecStatus.COMMAND_OK:
            return []
        if result.error_field(DiagnosticField.SQLSTATE) is None:
            # libpq's own words for a connection that was lost.
            self._hung_up = True
            raise psycopg.OperationalError("the connection was lost")
        error = error_from_result(result)
        if error.sqlstate == _READ_ONLY:
            self.is_read_only = True
        raise error
