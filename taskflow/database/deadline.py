"""The end of a statement that takes too long."""

import asyncio

from taskflow.database.connection import Connection

UNWANTED_SECONDS = 0.2
"""How long a statement may go on that nobody waits for: to stop it costs its connection, and another in its place."""


class Deadline:
    """Ends a statement that takes too long: the server is asked to stop it, then its connection is cut.

    From outside, since a frozen server obeys neither its own statement_timeout nor a request to cancel. Times are the
    event loop's.
    """

    def __init__(self, connection: Connection, ask_at: float, cut_at: float) -> None:
        self._connection = connection
        self._ask_at = ask_at
        self._cut_at = cut_at
        self._is_for_nobody = False
        self._loop = asyncio.get_running_loop()
        self._began_at = self._loop.time()
        self._timer = self._loop.call_at(ask_at, self._begin)
        self._stopping: asyncio.Task[None] | None = None

    @property
    def has_passed(self) -> bool:
        # The clock would not do: a timer may fire a moment before the time it was set for.
        return self._stopping is not None

    @property
    def is_for_nobody(self) -> bool:
        """Whether it has passed because nobody waits for the statement any more."""
        return self.has_passed and self._is_for_nobody

    def bring_forward(self) -> None:
        """Let the statement end soon, since nobody waits for it any more."""
        if self.has_passed:
            return
        self._is_for_nobody = True
        self._timer.cancel()
        self._timer = self._loop.call_at(min(self._ask_at, self._began_at + UNWANTED_SECONDS), self._begin)

    def lift(self) -> None:
        """Leave the connection alone from now on."""
        self._timer.cancel()
        if self._stopping is not None:
            self._stopping.cancel()

    def _begin(self) -> None:
        self._stopping = asyncio.create_task(self._stop())

    async def _stop(self) -> None:
        await self._connection.ask_to_stop(timeout=self._cut_at - self._loop.time())
        await asyncio.sleep(self._cut_at - self._loop.time())
        self._connection.cut()
