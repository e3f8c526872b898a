"""uvicorn's server and its supervisor of workers, with a beginning and an end of ours."""

import math
import signal
import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType

import uvicorn
from uvicorn.supervisors import Multiprocess

from taskflow.signals import choose_ending_signals

WORKER_START_SECONDS = 60
"""How long to wait for the workers before saying that they are up."""

SAME_WISH_SECONDS = 0.5
"""A signal to end that comes so soon after another means the same: a terminal and a supervisor may both send one."""

STUCK_SECONDS = 5.0
"""How much longer than the grace period a worker may take before it is killed."""

JOIN_POLL_SECONDS = 0.05
"""How often the parent looks whether its workers have ended, and whether it is told to wait no longer."""

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
    """uvicorn's server, which says when it is up, and ends when its terminal is closed."""

    def __init__(self, config: uvicorn.Config, when_up: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_up = when_up
        self._told_at = math.inf

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._when_up()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  a handler of signals has both
        self._captured_signals.append(sig)
        if not self.should_exit:
            self.should_exit = True
            self._told_at = time.monotonic()
        elif time.monotonic() - self._told_at >= SAME_WISH_SECONDS:
            self.force_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
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


class Supervisor(Multiprocess):
    """uvicorn's supervisor of workers, which says when they are up, and ends when its terminal is closed.

    `when_ended` is told the id of a worker that is no more.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        listener: socket.socket,
        when_up: Callable[[], None],
        when_ended: Callable[[int], None],
    ) -> None:
        self._ending = frozenset(choose_ending_signals())
        self._told_at = math.inf
        self._grace = config.timeout_graceful_shutdown or 0
        super().__init__(config, [listener])
        if signal.SIGHUP not in self._ending:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._listener = listener
        self._when_up = when_up
        self._when_ended = when_ended
        self._running: set[int] = set()

    def init_processes(self) -> None:
        # The tracker is started first, since that would unblock them.
        resource_tracker.ensure_running()
        with _hold_back_terminal():
            super().init_processes()
        deadline = time.monotonic() + WORKER_START_SECONDS
        if all(process.wait_until_ready(deadline - time.monotonic()) for process in self.processes):
            self._when_up()

    def keep_subprocess_alive(self) -> None:
        # Not while there is a signal to be obeyed: it may be the end.
        if not self.signal_queue:
            with _hold_back_terminal():
                super().keep_subprocess_alive()
            running = {process.pid for process in self.processes if process.pid is not None}
            for pid in self._running - running:
                self._when_ended(pid)
            self._running = running

    def terminate_all(self) -> None:
        # As long as one process had it open, new connections would be taken, and nobody would answer them.
        self._listener.close()
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
