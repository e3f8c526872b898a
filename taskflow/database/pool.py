"""A fixed number of connections, and those who wait for one.

To wait is one future here, where psycopg's own pool makes a condition of it.
"""

import asyncio
import logging
import math
import random
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

import psycopg

from taskflow.concurrency.departure import on_departure
from taskflow.database.connection import Connection
from taskflow.database.failures import name_error
from taskflow.database.shares import SERVER, Borrower, Queue, Shares, Waiting
from taskflow.errors import ClientGone

RECONNECT_SECONDS = (0.05, 1.0)
"""The shortest and the longest wait before another try to connect; it grows from the one to the other."""

OUTAGE_SECONDS = 1.0
"""How long the database may refuse to be connected to before requests are refused at once: a restart is waited for."""

RENEWAL_SECONDS = 1.0
"""How often all connections are replaced, at the most."""

RETURN_SECONDS = 1.0
"""How long a pool that is closed waits for what is lent: for a statement to be stopped, and no longer."""

logger = logging.getLogger(__name__)


class PoolExhausted(psycopg.OperationalError):
    """No connection is to be had: too many wait already, the time is up, or the database cannot be reached."""


class Pool:
    """Keeps `size` connections open, and lends them in turn; `queue_size` requests may wait for one.

    One user has at most `user_share` of both, and searches have `search_share` of the connections; each at least one.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        *,
        size: int,
        queue_size: int,
        user_share: float = 1,
        search_share: float = 1,
        on_error: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._connect = connect
        self.size = size
        self._queue_size = queue_size
        self._user_queue_size = max(1, int(queue_size * user_share))
        self._search_queue_size = max(1, int(queue_size * search_share))
        self._on_error = on_error
        self._idle: deque[Connection] = deque()
        self._shares = Shares(size, user_share=user_share, search_share=search_share)
        self._queue = Queue(self._shares)
        self._connecting: set[asyncio.Task[None]] = set()
        self.connections = 0
        """How many are open, those lent included."""
        self._failure: str | None = None
        self._failing_since = math.inf
        self._renewed_at = -math.inf
        self._closed = False
        self._last_return: asyncio.Future[None] | None = None

    @property
    def waiting(self) -> int:
        """How many wait for a connection."""
        return len(self._queue)

    def open(self) -> None:
        """Begin to connect; returns at once."""
        if not self._closed:
            for _ in range(self.size):
                self._begin_to_connect()

    async def close(self) -> None:
        """Close what is here; what is lent is closed when it is given back, and waited for a moment."""
        self._closed = True
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        while self._idle:
            await self._replace(self._idle.popleft())
        if self.connections:
            self._last_return = asyncio.get_running_loop().create_future()
            await asyncio.wait({self._last_return}, timeout=RETURN_SECONDS)

    async def take(self, until: float, borrower: Borrower = SERVER) -> Connection:
        """Lend a connection that the server has not closed meanwhile, waiting until a time of the event loop.

        Raises PoolExhausted, or ClientGone if the borrower's client goes away while it waits.
        """
        while True:
            if self._idle and self._shares.admits(borrower):
                connection = self._idle.popleft()
                self._shares.note_loan(borrower)
            else:
                connection = await self._wait(until, borrower)
            if not connection.is_hung_up:
                return connection
            self._shares.note_return(borrower)
            await self._replace(connection)
            self._lend()

    async def give_back(self, connection: Connection, borrower: Borrower = SERVER) -> None:
        """Take a connection back from who has borrowed it, in whatever state it is."""
        self._shares.note_return(borrower)
        if connection.is_read_only and self._renews():
            # The others lead to the same server, which no longer takes changes, and would all fail in turn.
            for _ in range(len(self._idle)):
                await self._replace(self._idle.popleft())
            await self._replace(connection)
        elif self._closed or not connection.is_ready:
            await self._replace(connection)
        else:
            self._idle.append(connection)
        self._lend()

    async def _wait(self, until: float, borrower: Borrower) -> Connection:
        """Wait for a connection, and have it noted as lent."""
        if self._is_out_of_reach():
            raise PoolExhausted(f"failed: {self._failure}")
        is_full = len(self._queue) >= self._queue_size or (
            borrower.user is not None and self._queue.count(borrower.user) >= self._user_queue_size
        )
        if is_full or (borrower.is_search and self._queue.searches >= self._search_queue_size):
            raise PoolExhausted("too many requests wait for a connection")
        waiting = self._queue.add(borrower)
        timer = asyncio.get_running_loop().call_at(until, self._give_up, waiting)
        try:
            with on_departure(partial(_leave, waiting)):
                return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                # It was handed on in the very moment in which the request was given up.
                await self.give_back(waiting.result(), borrower)
            raise
        finally:
            timer.cancel()
            self._queue.remove(borrower, waiting)

    def _give_up(self, waiting: Waiting) -> None:
        if not waiting.done():
            waiting.set_exception(PoolExhausted("no connection became free in time"))

    def _is_out_of_reach(self) -> bool:
        """Whether waiting is in vain: no connection is open, and for a while now none has been to be had."""
        return self.connections == 0 and asyncio.get_running_loop().time() - self._failing_since >= OUTAGE_SECONDS

    def _lend(self) -> None:
        """Lend what is idle to those who wait, as far as their shares admit it."""
        while self._idle:
            following = self._queue.pop()
            if following is None:
                return
            borrower, waiting = following
            if not waiting.done():
                self._shares.note_loan(borrower)
                waiting.set_result(self._idle.popleft())

    def _renews(self) -> bool:
        """Whether all connections may be replaced now: not too often, since the new ones may lead there too."""
        now = asyncio.get_running_loop().time()
        if now - self._renewed_at < RENEWAL_SECONDS:
            return False
        self._renewed_at = now
        return True

    async def _replace(self, connection: Connection) -> None:
        self.connections -= 1
        await connection.close()
        if not self._closed:
            self._begin_to_connect()
        elif self._last_return is not None and not self.connections and not self._last_return.done():
            self._last_return.set_result(None)

    def _begin_to_connect(self) -> None:
        task = asyncio.create_task(self._connect_at_last())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect_at_last(self) -> None:
        pause, longest = RECONNECT_SECONDS
        while True:
            try:
                connection = await self._connect()
            except Exception as error:  # noqa: BLE001  whatever it is, the place in the pool must not be lost
                self._on_error(type(error).__name__)
                self._note_failure(name_error(error) if isinstance(error, psycopg.Error) else type(error).__name__)
                # At random, so that many do not come all at once.
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  no secret
                pause = min(pause * 2, longest)
            else:
                self._failure, self._failing_since = None, math.inf
                self.connections += 1
                self._idle.append(connection)
                self._lend()
                return

    def _note_failure(self, failure: str) -> None:
        # Once, and not with every try.
        if failure != self._failure:
            logger.warning("cannot connect to the database: %s", failure)
        self._failure = failure
        self._failing_since = min(self._failing_since, asyncio.get_running_loop().time())
        if self._is_out_of_reach():
            for waiting in self._queue.drain():
                if not waiting.done():
                    waiting.set_exception(PoolExhausted(f"failed: {failure}"))


def _leave(waiting: Waiting) -> None:
    if not waiting.done():
        waiting.set_exception(ClientGone)
