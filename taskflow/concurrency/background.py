"""Work that goes on in the event loop until it is stopped."""

import asyncio
from collections.abc import Callable, Coroutine


class Background:
    """Runs a coroutine function as a task of its own, from `start` to `stop`."""

    def __init__(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; nobody waits for the work."""
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Cancel the work and wait for its end. Raises what has ended it before."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.result()
