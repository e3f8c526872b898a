"""How a process takes new connections: in fair shares with the other workers, and so that it survives a lack of files.

The event loops of Python and libuv take whatever waits as soon as they see it. Of workers that share a listener, the
first one that wakes up gets a whole burst. Where no file is left for a connection, libuv closes it without a word.
"""

import asyncio
import logging
import math
import select
import socket
from collections.abc import Callable, Collection
from multiprocessing import get_context
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ctypes import Array, c_int

BATCH = 16
"""How many connections are taken before the event loop does something else."""

TURN_SECONDS = 0.02
"""How long a worker leaves new connections to others that have fewer; these may be busy, or stuck."""

ROOM_SECONDS = 5.0
"""The same for a worker that has MAX_CONNECTIONS, and would have to refuse them.

The supervisor replaces one that has not answered for as long, so the room that it has is real until then.
"""

POLL_SECONDS = 0.002
"""How often it looks meanwhile whether they have been taken."""

RETRY_SECONDS = 0.1
"""How long no connection is taken after one could not be, for lack of files or memory."""

REPORT_SECONDS = 60.0
"""How often the log says so, at the most."""

UNSENT_BYTES = 131_072
"""How much the kernel takes of what it cannot send yet; by itself it takes megabytes.

What is on its way does not count, so a fast client far away is served as fast as before.
"""

_ABSENT = 2**31 - 1
"""The count of a worker that takes no connections: nothing is left to it."""

logger = logging.getLogger(__name__)


class Counts:
    """How many connections each worker has, in memory that all of them share.

    Each worker writes only its own count. Like all of multiprocessing's shared memory, it can be handed to a process
    only while that is started.
    """

    def __init__(self, workers: int) -> None:
        self._counts: Array[c_int] = get_context("spawn").RawArray("i", [_ABSENT] * workers)

    def write(self, worker: int, count: int) -> None:
        self._counts[worker] = count

    def forget(self, worker: int) -> None:
        """Leave nothing to a worker that has ended."""
        self._counts[worker] = _ABSENT

    def find_fewest(self, worker: int) -> float:
        """Return the lowest count of the other workers."""
        return min((count for other, count in enumerate(self._counts[:]) if other != worker), default=math.inf)


class Connections(set[object]):
    """The connections that are open; `when_one_ends` is called after each that has ended."""

    def __init__(self, when_one_ends: Callable[[], object]) -> None:
        super().__init__()
        self._when_one_ends = when_one_ends

    def discard(self, connection: object) -> None:
        """Forget a connection that has ended: uvicorn calls nothing else for that."""
        super().discard(connection)
        self._when_one_ends()


class Limits(Protocol):
    """What is asked of Reception."""

    max_connections: int
    client_timeout: float


class Acceptor:
    """Takes the connections of one listener for the running event loop; stands in for asyncio's Server.

    `connections` holds those that are open. `counts` and `worker` are for workers that share the listener.
    """

    def __init__(
        self,
        listener: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        connections: Collection[object],
        limits: Limits,
        counts: Counts | None = None,
        worker: int = 0,
    ) -> None:
        self._listener = listener
        self._make_protocol = make_protocol
        self._connections = connections
        self._limits = limits
        self._counts = counts
        self._worker = worker
        self._loop = asyncio.get_running_loop()
        self._arriving: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._leaving_since: float | None = None
        self._reported_at = -math.inf
        listener.settimeout(0)
        self._waiting = select.poll()
        self._waiting.register(listener, select.POLLIN)
        self.tell_count()
        self._loop.add_reader(listener, self._take_some)

    def tell_count(self) -> int:
        """Tell the other workers how many connections this one has; return that."""
        count = len(self._connections) + len(self._arriving)
        if self._counts is not None:
            self._counts.write(self._worker, count)
        return count

    def close(self) -> None:
        """Take what waits, and no more: where the listener is closed, the system resets what nobody has taken."""
        if self._counts is not None:
            self._counts.forget(self._worker)
            self._counts = None
        if self._pause is None:
            self._loop.remove_reader(self._listener)
        else:
            self._pause.cancel()
        while self._waiting.poll(0):
            try:
                link, _ = self._listener.accept()
            except ConnectionAbortedError:
                continue
            except OSError:
                break
            self._connect(link)

    async def wait_closed(self) -> None:
        """Wait for what was taken to become a connection."""
        if self._arriving:
            await asyncio.wait(self._arriving)

    def _take_some(self) -> None:
        for _ in range(BATCH):
            if self._leaves_them_to_others():
                self._stop_for(POLL_SECONDS)
                return
            try:
                link, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                break
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._report(error)
                self._stop_for(RETRY_SECONDS)
                return
            self._connect(link)
        self._leaving_since = None

    def _leaves_them_to_others(self) -> bool:
        count = self.tell_count()
        if self._counts is None:
            return False
        is_full = count >= self._limits.max_connections
        # Worth a wait is only more than a small difference.
        tolerance = 0 if is_full else 1 + count // 16
        if count <= self._counts.find_fewest(self._worker) + tolerance:
            self._leaving_since = None
            return False
        now = self._loop.time()
        if self._leaving_since is None:
            self._leaving_since = now
        return now - self._leaving_since < (ROOM_SECONDS if is_full else TURN_SECONDS)

    def _stop_for(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        if not self._waiting.poll(0):
            self._leaving_since = None
        self._loop.add_reader(self._listener, self._take_some)

    def _connect(self, link: socket.socket) -> None:
        link.settimeout(0)
        task = self._loop.create_task(self._make_connection(link))
        self._arriving.add(task)
        task.add_done_callback(self._end_arrival)

    def _end_arrival(self, task: asyncio.Task[None]) -> None:
        self._arriving.discard(task)
        self.tell_count()

    def _bound_unsent(self, link: socket.socket) -> None:
        # Not everywhere but on Linux.
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Twice, as a client has that takes nothing of its answer: this also ends what a connection leaves behind.
            milliseconds = int(2000 * self._limits.client_timeout)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)

    async def _make_connection(self, link: socket.socket) -> None:
        try:
            self._bound_unsent(link)
            await self._loop.connect_accepted_socket(self._make_protocol, link)
        except OSError:
            link.close()  # its client has gone

    def _report(self, error: OSError) -> None:
        now = self._loop.time()
        if now - self._reported_at >= REPORT_SECONDS:
            self._reported_at = now
            logger.error(
                "new connections must wait, none can be taken (%s): lower MAX_CONNECTIONS, "
                "or raise the system's limit of open files",
                error.strerror,
            )
