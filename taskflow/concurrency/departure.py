"""Clients that go away before they have their answer: what still happens for them can be given up."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar

from starlette.types import Receive

WATCH_SECONDS = 0.05
"""How long a block may take before it is looked whether its client is still there."""

_client: ContextVar[Receive | None] = ContextVar("client", default=None)


def note_client(receive: Receive) -> None:
    """Say where the end of this request's client will be heard of. Its body must have been read by then."""
    _client.set(receive)


def forget_client() -> None:
    """Go on whatever becomes of the client, from here on in this task."""
    _client.set(None)


class on_departure:  # noqa: N801  used as a function is, and cheaper than one that contextlib wraps
    """Calls `act` if the client of this request goes away before the block ends.

    It looks from WATCH_SECONDS on: to look costs a task of its own, and most blocks end before.
    """

    __slots__ = ("_act", "_receive", "_timer", "_watching")

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._receive = _client.get()
        self._timer: asyncio.TimerHandle | None = None
        self._watching: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        if self._receive is not None:
            self._timer = asyncio.get_running_loop().call_later(WATCH_SECONDS, self._begin, self._receive)

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _begin(self, receive: Receive) -> None:
        self._watching = asyncio.create_task(self._watch(receive))

    async def _watch(self, receive: Receive) -> None:
        await wait_for_departure(receive)
        self._act()


async def wait_for_departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
