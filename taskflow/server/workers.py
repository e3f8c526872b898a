"""uvicorn's server and its supervisor of workers, with a beginning and an end of ours."""

import asyncio
import logging
import math
import signal
import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import resource_tracker
from types import FrameType
from typing import TYPE_CHECKING, cast

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from taskflow.observability.metrics import Metrics
from taskflow.server.acceptance import Acceptor, Connections, Counts
from taskflow.server.limits import Reception
from taskflow.server.signals import choose_ending_signals

if TYPE_CHECKING:
    from uvicorn.server import Protocols

WORKER_START_SECONDS = 60
"""How long to wait for a worker's first answer."""

STARTING_POLL_SECONDS = 0.5
"""How long to wait at a time for that of a worker that replaces another, so that signals are heard meanwhile."""

SAME_WISH_SECONDS = 0.5
"""A signal to end that comes so soon after another means the same: a terminal and a supervisor may both send one."""

STUCK_SECONDS = 5.0
"""How much longer than the grace period a worker may take before it is killed."""

JOIN_POLL_SECONDS = 0.05
"""How often the parent looks whether its workers have ended, and whether it is told to wait no longer."""

logger = logging.getLogger(__name__)

_FROM_TERMINAL = (signal.SIGINT, signal.SIGHUP)
"""What a terminal sends to every process in it. Workers leave it to their parent, who tells them to end."""


@contextmanager
def _hold_back_terminal() -> Generator[None, None, None]:
    """Start processes that hear nothing of the terminal: what is blocked here is blocked in them from the first."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _FROM_TERMINAL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _FROM_TERMINAL)


class Server(uvicorn.Server):
    """uvicorn's server, which takes connections itself, says when it is up, and ends when its terminal is closed.

    `counts` and `worker` are for workers that share a listener. `make_metrics_server` makes the server of a second
    listener, which runs in the same event loop.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        reception: Reception,
        make_metrics_server: Callable[[Metrics], "Server"] | None = None,
        when_up: Callable[[], None] = lambda: None,
        counts: Counts | None = None,
        worker: int = 0,
    ) -> None:
        super().__init__(config)
        self._when_up = when_up
        self._told_at = math.inf
        self._reception = reception
        self._accept = partial(Acceptor, limits=reception, counts=counts, worker=worker)
        self._acceptors: list[Acceptor] = []
        # A worker that believed another to be full would refuse what that has room for.
        self.server_state.connections = cast("set[Protocols]", Connections(self._tell_counts))
        self._make_metrics_server = make_metrics_server
        self._metrics_server: Server | None = None
        self._ticking: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup([])
        make_protocol = partial(  # type: ignore[call-arg]  # as uvicorn has it
            self.config.http_protocol_class,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        listener, *others = sockets or []
        self._acceptors.append(self._accept(listener, make_protocol, self.server_state.connections))
        self.servers.extend(cast("list[asyncio.Server]", self._acceptors))
        if others and self._make_metrics_server is not None:
            self._metrics_server = self._make_metrics_server(self.lifespan.state["metrics"])
            await self._metrics_server.open(others)
        self._when_up()

    async def open(self, sockets: list[socket.socket]) -> None:
        """Begin to serve beside another server, which hears the signals."""
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup(sockets)
        self._ticking = asyncio.create_task(self.main_loop())

    async def close(self) -> None:
        """End at once."""
        for acceptor in self._acceptors:
            acceptor.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        self.should_exit = True
        if self._ticking is not None:
            await self._ticking

    def _tell_counts(self) -> None:
        for acceptor in self._acceptors:
            acceptor.tell_count()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  a handler of signals has both
        self._captured_signals.append(sig)
        if not self.should_exit:
            self.should_exit = True
            self._told_at = time.monotonic()
        elif time.monotonic() - self._told_at >= SAME_WISH_SECONDS:
            self.force_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._reception.is_stopping = True
        listener, *others = sockets or []
        await super().shutdown([listener])
        if self._metrics_server is not None:
            await self._metrics_server.close()
        for other in others:
            other.close()
        if self.force_exit:
            # uvicorn would leave all as it is, and Python would complain of it.
            for task in list(self.server_state.tasks):
                task.cancel()
            await self.lifespan.shutdown()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        with super().capture_signals():
            previous = {number: signal.signal(number, self.handle_exit) for number in choose_ending_signals()}
            try:
                yield
            finally:
                for number, handler in previous.items():
                    signal.signal(number, handler)


class Worker(Process):
    """A process that runs a server of ours, which `make_server` makes there; uvicorn's runs one of its own."""

    def __init__(
        self, config: uvicorn.Config, sockets: list[socket.socket], make_server: Callable[[uvicorn.Config], Server]
    ) -> None:
        super().__init__(config, sockets)
        self._make_server = make_server
        self._is_starting_until = math.inf

    def start(self) -> None:
        super().start()
        self._is_starting_until = time.monotonic() + WORKER_START_SECONDS

    def _healthcheck(self, timeout: float) -> bool | None:
        with suppress(OSError, EOFError):
            while self.parent_conn.poll():
                self.parent_conn.recv()  # the answer to an earlier question says nothing of now
        answer = super()._healthcheck(timeout)
        if answer is not None:
            self._is_starting_until = 0
        return answer

    def is_alive(self, timeout: float = 5) -> bool:
        """Whether it runs and answers in time (seconds); one that is starting has WORKER_START_SECONDS for it.

        uvicorn would kill a new worker whose imports take longer than the timeout, and the next one, for ever.
        """
        if not self.process.is_alive():
            return False
        is_starting = time.monotonic() < self._is_starting_until
        return self.ping(min(timeout, STARTING_POLL_SECONDS) if is_starting else timeout) or is_starting

    @property
    def server(self) -> uvicorn.Server:
        if self._server is None:
            self._server = self._make_server(self.config)
        return self._server


class Supervisor(Multiprocess):
    """uvicorn's supervisor of workers, which says when they are up, and ends when its terminal is closed.

    `when_ended` is called with the id of a worker that has ended.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        make_server: Callable[..., Server],
        sockets: list[socket.socket],
        when_up: Callable[[], None],
        when_ended: Callable[[int], None],
    ) -> None:
        self._ending = frozenset(choose_ending_signals())
        self._told_at = math.inf
        self._grace = config.timeout_graceful_shutdown or 0
        super().__init__(config, sockets)
        if signal.SIGHUP not in self._ending:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._when_up = when_up
        self._when_ended = when_ended
        self._make_server = make_server
        self._counts = Counts(config.workers)
        self.has_failed = False
        """Whether it has ended since a worker could not start."""

    def init_processes(self) -> None:
        # The tracker is started first, since that would unblock them.
        resource_tracker.ensure_running()
        self.processes.extend(self._start_worker(number) for number in range(self.processes_num))
        deadline = time.monotonic() + WORKER_START_SECONDS
        if all(process.wait_until_ready(deadline - time.monotonic()) for process in self.processes):
            self._when_up()

    def keep_subprocess_alive(self) -> None:
        """Replace workers that have died or no longer answer; as uvicorn does, but by workers of ours."""
        for number, worker in enumerate(self.processes):
            # Not while there is a signal to be obeyed: it may be the end.
            if self.signal_queue or self.should_exit.is_set():
                return
            if worker.is_alive(timeout=self.config.timeout_worker_healthcheck):
                continue
            worker.kill()
            worker.join()
            self._counts.forget(number)
            if worker.pid is not None:
                self._when_ended(worker.pid)
            if worker.exitcode == STARTUP_FAILURE:
                logger.error("a worker could not start, so the server ends")
                self.has_failed = True
                self.should_exit.set()
                return
            logger.warning("worker %s has ended and is replaced", worker.pid)
            self.processes[number] = self._start_worker(number)

    def _start_worker(self, number: int) -> Worker:
        make_server = partial(self._make_server, counts=self._counts, worker=number)
        worker = Worker(self.config, self.sockets, make_server)
        with _hold_back_terminal():
            worker.start()
        return worker

    def terminate_all(self) -> None:
        # As long as one process had it open, new connections would be taken, and nobody would answer them.
        for listener in self.sockets:
            listener.close()
        self._told_at = time.monotonic()
        super().terminate_all()

    def join_all(self) -> None:
        while any(process.process.is_alive() for process in self.processes):
            is_impatient = time.monotonic() - self._told_at >= SAME_WISH_SECONDS
            # One that no longer moves would not end at all.
            is_stuck = time.monotonic() - self._told_at >= self._grace + STUCK_SECONDS
            if is_stuck or (is_impatient and self._ending.intersection(self.signal_queue)):
                for process in self.processes:
                    process.process.kill()
            self.signal_queue.clear()
            time.sleep(JOIN_POLL_SECONDS)
        super().join_all()

    def handle_hup(self) -> None:
        # By itself uvicorn would restart the workers.
        self.handle_term()

    def handle_ttin(self) -> None:
        """Start no further worker, as uvicorn does: WEB_CONCURRENCY workers share what the database allows."""

    def handle_ttou(self) -> None:
        """Stop none either."""
