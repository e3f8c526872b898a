"""A fixed number of connections, and those who wait for one.

Waiting for a connection costs next to nothing here, where psycopg's own pool makes a condition of each wait.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable

import psycopg

from taskflow.database.connection import Connection
from taskflow.database.failures import name_error

RECONNECT_SECONDS = (0.05, 1.0)
"""The shortest and the longest wait before another try to connect; it grows from the one to the other."""

logger = logging.getLogger(__name__)


class PoolExhausted(psycopg.OperationalError):
    """No connection is to be had: too many wait already, the time is up, or the database cannot be reached."""


class Pool:
    """Keeps `size` connections open, and lends them in turn; `queue_size` requests may wait for one."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], *, size: int, queue_size: int) -> None:
        self._connect = connect
        self._size = size
        self._queue_size = queue_size
        self._idle: list[Connection] = []
        self._waiting: deque[asyncio.Future[Connection]] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._open = 0
        self._failure: str | None = None
        self._closed = False

    def open(self) -> None:
        """Begin to connect; returns at once."""
        for _ in range(self._size):
            self._begin_to_connect()

    async def close(self) -> None:
        """Close what is here; what is lent is closed when it is given back."""
        self._closed = True
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        while self._idle:
            await self._idle.pop().close()

    async def take(self, until: float) -> Connection:
        """Lend a connection that the server has not closed meanwhile, waiting until a time of the event loop.

        Raises PoolExhausted.
        """
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_hung_up:
                return connection
            await self._replace(connection)
        if self._failure is not None and self._open == 0:
            raise PoolExhausted(f"failed: {self._failure}")
        # Those who have given up are still in the queue until their turn comes.
        if len(self._waiting) >= self._queue_size and sum(not waiting.done() for waiting in self._waiting) >= (
            self._queue_size
        ):
            raise PoolExhausted("too many requests wait for a connection")
        return await self._wait(until)

    async def give_back(self, connection: Connection) -> None:
        """Take a connection back, in whatever state it is."""
        if self._closed or not connection.is_ready:
            await self._replace(connection)
        else:
            self._hand_on(connection)

    async def _wait(self, until: float) -> Connection:
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Connection] = loop.create_future()
        self._waiting.append(waiting)
        timer = loop.call_at(until, _give_up, waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                self._hand_on(waiting.result())
            raise
        finally:
            timer.cancel()

    def _hand_on(self, connection: Connection) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(connection)
                return
        self._idle.append(connection)

    async def _replace(self, connection: Connection) -> None:
        self._open -= 1
        await connection.close()
        if not self._closed:
            self._begin_to_connect()

    def _begin_to_connect(self) -> None:
        task = asyncio.create_task(self._connect_at_last())
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect_at_last(self) -> None:
        pause, longest = RECONNECT_SECONDS
        while True:
            try:
                connection = await self._connect()
            except psycopg.Error as error:
                self._note_failure(error)
                # At random, so that many do not come all at once.
                await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  no secret
                pause = min(pause * 2, longest)
            else:
                self._failure = None
                self._open += 1
                self._hand_on(connection)
                return

    def _note_failure(self, error: psycopg.Error) -> None:
        failure = name_error(error)
        # Once, and not with every try.
        if failure != self._failure:
            logger.warning("cannot connect to the database: %s", failure)
        self._failure = failure
        if self._open == 0:
            # There is none that could be given back.
            while self._waiting:
                waiting = self._waiting.popleft()
                if not waiting.done():
                    waiting.set_exception(PoolExhausted(f"failed: {failure}"))


def _give_up(waiting: asyncio.Future[Connection]) -> None:
    if not waiting.done():
        waiting.set_exception(PoolExhausted("no connection became free in time"))
