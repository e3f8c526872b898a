"""What the rest of the house asks the database with."""

import asyncio
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from taskflow.concurrency.departure import on_departure
from taskflow.database.connection import Connection, Row
from taskflow.database.deadline import Deadline
from taskflow.database.failures import explain_failure
from taskflow.database.parameters import is_transaction_pooler, round_connect_timeout
from taskflow.database.pool import Pool
from taskflow.database.schema import SchemaKeeper
from taskflow.database.shares import Borrower
from taskflow.database.statement import Statement, Value
from taskflow.errors import ClientGone, DatabaseTimeout, DatabaseUnavailable
from taskflow.settings import Settings

STOP_SHARE = 0.2
"""The last part of a deadline, in which a statement that takes too long is asked to stop before it is cut off."""


class Database:
    """Runs statements.

    Every call takes one statement, which is its own transaction, and at most the deadline (DATABASE_TIMEOUT, of
    searches DATABASE_SEARCH_TIMEOUT, seconds), the wait for a connection included. It is not begun if its client goes
    away while it waits for one, and a search is not finished. Raises DatabaseUnavailable, DatabaseTimeout, ClientGone,
    RowExists or, for a defect, DatabaseDefect. `on_error` is told the driver's name of each failure, to connect or to
    run a statement.
    """

    def __init__(self, settings: Settings, on_error: Callable[[str], None] = lambda _: None) -> None:
        self._on_error = on_error
        self._deadline = settings.database_timeout
        self._search_deadline = min(settings.database_search_timeout, self._deadline)
        self.answered_at = -math.inf
        """When it has last carried out a statement, as a time of the event loop."""
        connect_timeout = round_connect_timeout(self._deadline)
        options = _make_connection_options(settings.dsn, connect_timeout)
        # A transaction pooler hands the next statement to another backend, which does not know what was prepared.
        prepares = not is_transaction_pooler(str(options.get("host", "")))
        self.pool = Pool(
            partial(Connection.open, options, prepares=prepares),
            size=settings.pool_size,
            queue_size=settings.database_queue_size,
            user_share=settings.database_user_share,
            search_share=settings.database_search_share,
            on_error=self._on_error,
        )
        # Not both at once: where there are fewer connections than the pool wants, it would leave none for the schema.
        self._schema = SchemaKeeper(
            settings.dsn, connect_timeout=connect_timeout, then=self.pool.open, on_error=self._on_error
        )

    async def open(self) -> None:
        """Bring the schema up to date, then fill the pool; what cannot be done yet goes on in the background."""
        await self._schema.open(patience=self._deadline)

    async def close(self) -> None:
        await self._schema.close()
        await self.pool.close()

    async def fetch_one(self, statement: Statement, values: Mapping[str, Value]) -> Row | None:
        """Run a statement; give its first row, if there is one."""
        rows = await self.fetch_all(statement, values)
        return rows[0] if rows else None

    async def fetch_all(self, statement: Statement, values: Mapping[str, Value]) -> list[Row]:
        """Run a statement; give all its rows."""
        if not self._schema.is_current:
            raise DatabaseUnavailable
        seconds = self._search_deadline if statement.is_search else self._deadline
        cut_at = asyncio.get_running_loop().time() + seconds
        ask_at = cut_at - seconds * STOP_SHARE
        user = values.get("user_id")
        borrower = Borrower(user if isinstance(user, str) else None, statement.is_search)
        try:
            connection = await self.pool.take(ask_at, borrower)
        except psycopg.Error as error:
            self._on_error(type(error).__name__)
            raise explain_failure(error) from None
        deadline = Deadline(connection, ask_at, cut_at)
        try:
            if statement.is_search:
                with on_departure(deadline.bring_forward):
                    rows = await connection.execute(statement, values)
            else:
                rows = await connection.execute(statement, values)
        except asyncio.CancelledError:
            # Nobody learns any more what becomes of it: one that waits for a lock must not be carried out later.
            await connection.ask_to_stop(timeout=self._deadline)
            raise
        except psycopg.Error as error:
            if deadline.is_for_nobody:
                raise ClientGone from None
            failure = explain_failure(error)
            if isinstance(failure, DatabaseUnavailable) and deadline.has_passed:
                self._on_error("QueryCanceled")  # by us, from outside
                raise DatabaseTimeout from None
            self._on_error(type(error).__name__)
            raise failure from None
        else:
            self.answered_at = asyncio.get_running_loop().time()
            return rows
        finally:
            deadline.lift()
            if deadline.has_passed:
                # The server may still be told to stop what this connection does: it must not be serving others then.
                await connection.close()
            await self.pool.give_back(connection, borrower)


def _make_connection_options(url: str, connect_timeout: int) -> dict[str, Any]:
    # keepalives: what lies between may forget a silent connection, and say nothing. The operator's own go before.
    # client_encoding: values are sent as UTF-8, whatever the database holds.
    keepalives = {"keepalives_idle": 60, "keepalives_interval": 10, "keepalives_count": 3}
    return {**keepalives, **conninfo_to_dict(url), "connect_timeout": connect_timeout, "client_encoding": "utf8"}
