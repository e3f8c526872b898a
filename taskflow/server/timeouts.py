"""How long a client is waited for: until it has sent what it owes, and while it takes nothing of what it is sent."""

import asyncio
from collections.abc import Callable

from taskflow.server.transport import count_untaken, reset


class Patience:
    """The clocks of one connection; each runs for `seconds`.

    `when_late` is called when the client has not sent in time what was demanded. A client that has taken nothing for so
    long is cut off; it takes up to twice that to notice.
    """

    def __init__(self, transport: asyncio.Transport, seconds: float, when_late: Callable[[], None]) -> None:
        self._transport = transport
        self._seconds = seconds
        self._when_late = when_late
        self._loop = asyncio.get_running_loop()
        self._debt: asyncio.TimerHandle | None = None
        self._untaken: asyncio.TimerHandle | None = None

    def demand(self) -> None:
        """Start the clock, unless it runs: one byte now and then is as slow as none."""
        if self._debt is None:
            self._debt = self._loop.call_later(self._seconds, self._foreclose)

    def forgive(self) -> None:
        """Stop the clock."""
        if self._debt is not None:
            self._debt.cancel()
            self._debt = None

    def watch_taking(self) -> None:
        """See to it that the client goes on taking what waits for it now."""
        if self._untaken is not None:
            self._untaken.cancel()
        self._untaken = self._loop.call_later(self._seconds, self._check_taking, self._count_untaken())

    def end(self) -> None:
        """Stop all clocks, for good."""
        self._when_late = lambda: None  # which leads back to us
        self.forgive()
        if self._untaken is not None:
            self._untaken.cancel()

    def _foreclose(self) -> None:
        self._debt = None
        self._when_late()

    def _check_taking(self, before: int) -> None:
        left = self._count_untaken()
        if left >= before > 0:
            reset(self._transport)
        elif left:
            self.watch_taking()

    def _count_untaken(self) -> int:
        """Return the bytes that wait, those in the kernel too: it takes more only when most of them are gone."""
        return count_untaken(self._transport) if self._transport.get_write_buffer_size() else 0
