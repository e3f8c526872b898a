"""The process that serves: its socket, its workers, its beginning and its end."""

import gc
import logging
import math
import multiprocessing
import os
import resource
import signal
import socket
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import resource_tracker
from threading import Thread
from types import FrameType
from typing import cast

import psycopg
import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from taskflow.app import create_app
from taskflow.development import make_token, provide_defaults
from taskflow.logs import configure_logging
from taskflow.migrations import migrate
from taskflow.protocol import Protocol
from taskflow.reception import Reception
from taskflow.settings import Settings
from taskflow.signals import choose_ending_signals
from taskflow.threads import run_in_thread

EXAMPLE_USER = "user_abc123"
"""Who the development token is for; the contract's examples name the same user."""

BACKLOG = 2048

WORKER_START_SECONDS = 60
"""How long to wait for the workers before saying that they are up."""

GARBAGE = 50_000
"""How many objects more than before make the garbage collector look for circles; Python begins at 700."""

OTHER_FILES = 100
"""What a worker has open besides connections: libraries, pipes, standard streams."""

SAME_WISH_SECONDS = 0.5
"""A signal to end that comes so soon after another means the same: a terminal and a supervisor may both send one."""

JOIN_POLL_SECONDS = 0.05
"""How often the parent looks whether its workers have ended, and whether it is told to wait no longer."""

_FROM_TERMINAL = (signal.SIGINT, signal.SIGHUP)
"""What a terminal sends to every process in it. Workers leave it to their parent, who tells them to end."""

logger = logging.getLogger(__name__)


class PortError(Exception):
    """The address cannot be listened on; one sentence with the remedy."""


def run_server(settings: Settings) -> None:
    """Serve until a signal ends it.

    Raises PortError, EmbeddedPostgresError, SettingsError, ContractError, MigrationError.
    """
    with _bind(settings) as listener, provide_defaults(settings) as complete:
        # Built here also when workers build their own: what is wrong with it must stop the start, not the workers.
        app = create_app(complete)
        _allow_connections(complete)
        _migrate_first(complete)
        _settle_memory()
        several = settings.web_concurrency > 1
        config = uvicorn.Config(
            partial(make_worker_app, complete) if several else app,
            factory=several,
            workers=settings.web_concurrency,
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,  # who asks is told by the token, and where from by the proxy's own log
            http=cast("type[Protocol]", partial(Protocol, reception=Reception(complete))),
            ws="none",
            lifespan="on",
            timeout_keep_alive=settings.keep_alive_timeout,
            timeout_graceful_shutdown=settings.shutdown_timeout,
        )
        if several:
            _Supervisor(config, complete, listener).run()
        else:
            _Server(config, complete, listener).run([listener])


def make_worker_app(settings: Settings) -> ASGIApp:
    """Build the application in a worker process, which ends when its parent does, however that ends."""
    configure_logging(settings)
    Thread(target=_follow_parent, name="follow parent", daemon=True).start()
    app = create_app(settings)
    _settle_memory()
    return app


def _allow_connections(settings: Settings) -> None:
    """Ask the system for as many open files as the connections of a worker need: by default it allows 1024."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = settings.max_connections + settings.pool_size + OTHER_FILES
    if most != resource.RLIM_INFINITY and most < needed:
        logger.warning("MAX_CONNECTIONS is %d, but the system allows %d open files", settings.max_connections, most)
        needed = most
    if allowed != resource.RLIM_INFINITY and allowed < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, most))


def _settle_memory() -> None:
    """Take what the start has made, some 120,000 objects that stay, out of the sight of the garbage collector.

    It would look through all of them again and again while requests wait, some 40 ms each time. What requests make is
    looked through more rarely than Python does, which took a quarter of the time with a thousand of them under way.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _migrate_first(settings: Settings) -> None:
    """Bring the schema up to date once, before the workers start; where the database is down they will see to it."""
    try:
        connect_timeout = math.ceil(settings.database_timeout)
        attempt = run_in_thread(partial(migrate, settings.dsn, connect_timeout=connect_timeout))
        attempt.result(timeout=settings.database_timeout)
    except (psycopg.OperationalError, TimeoutError):
        logger.warning("the database is not available, starting without it: `taskflow check` says why")


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it is up, and ends when its terminal is closed."""

    def __init__(self, config: uvicorn.Config, settings: Settings, listener: socket.socket) -> None:
        super().__init__(config)
        self._settings = settings
        self._listener = listener
        self._told_at = math.inf

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _announce(self._settings, self._listener)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            self._told_at = time.monotonic()
        elif time.monotonic() - self._told_at >= SAME_WISH_SECONDS:
            self.force_exit = True
        super().handle_exit(sig, frame)

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


class _Supervisor(Multiprocess):
    """uvicorn's supervisor of workers, which says when they are up, and ends when its terminal is closed."""

    def __init__(self, config: uvicorn.Config, settings: Settings, listener: socket.socket) -> None:
        self._ending = frozenset(choose_ending_signals())
        self._told_at = math.inf
        super().__init__(config, [listener])
        if signal.SIGHUP not in self._ending:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._settings = settings
        self._listener = listener

    def init_processes(self) -> None:
        # What is blocked when a process is started is blocked in it from its first moment; here it only waits.
        # The tracker is started first, since that would unblock them.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, _FROM_TERMINAL)
        super().init_processes()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _FROM_TERMINAL)
        deadline = time.monotonic() + WORKER_START_SECONDS
        if all(process.wait_until_ready(deadline - time.monotonic()) for process in self.processes):
            _announce(self._settings, self._listener)

    def keep_subprocess_alive(self) -> None:
        # Not while there is a signal to be obeyed: it may be the end.
        if not self.signal_queue:
            super().keep_subprocess_alive()

    def terminate_all(self) -> None:
        # As long as one process had it open, new connections would be taken, and nobody would answer them.
        self._listener.close()
        self._told_at = time.monotonic()
        super().terminate_all()

    def join_all(self) -> None:
        while any(process.process.is_alive() for process in self.processes):
            is_impatient = time.monotonic() - self._told_at >= SAME_WISH_SECONDS
            if is_impatient and self._ending.intersection(self.signal_queue):
                for process in self.processes:
                    process.process.kill()
            self.signal_queue.clear()
            time.sleep(JOIN_POLL_SECONDS)
        super().join_all()

    def handle_hup(self) -> None:
        # By itself uvicorn would restart the workers.
        self.handle_term()


def _announce(settings: Settings, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    if settings.is_production:
        logger.info("serving %s", url)
        return
    url = url.replace("127.0.0.1", "localhost")
    token = make_token(settings, EXAMPLE_USER)
    print(
        f"\nTaskFlow is up. Its API, to read and to try:\n\n  {url}/docs\n\n"
        f"A first task, with a token for the user {EXAMPLE_USER}:\n\n"
        f"  curl -H 'Authorization: Bearer {token}' \\\n"
        f"       -H 'Content-Type: application/json' \\\n"
        f'       -d \'{{"title": "Buy groceries"}}\' {url}/api/{EXAMPLE_USER}/tasks\n\n'
        "Stop it with Ctrl-C.\n",
        flush=True,
    )


@contextmanager
def _bind(settings: Settings) -> Iterator[socket.socket]:
    # Bound before anything is started, so that a port in use stops nothing else halfway.
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
            listener.listen(BACKLOG)
        except OSError as error:
            raise PortError(
                f"PORT {settings.port} on HOST {settings.host} cannot be listened on ({error.strerror}); "
                "set them to an address of this machine that is free and that you may use, such as PORT=8001."
            ) from None
        listener.set_inheritable(True)
        yield listener
