"""Clients that go away before they have their answer: what still happens for them can be given up."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from starlette.types import Receive

_client: ContextVar[Receive | None] = ContextVar("client", default=None)


def note_client(receive: Receive) -> None:
    """Say where the end of this request's client will be heard of. Its body must have been read by then."""
    _client.set(receive)


def forget_client() -> None:
    """Go on whatever becomes of the client, from here on in this task."""
    _client.set(None)


@contextmanager
def on_departure(act: Callable[[], None]) -> Iterator[None]:
    """Call `act` if the client of this request goes away before the block ends; costs a task of its own."""
    receive = _client.get()
    if receive is None:
        yield
        return

    async def watch() -> None:
        await wait_for_departure(receive)
        act()

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()


async def wait_for_departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
