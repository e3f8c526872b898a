"""The process that serves: its socket, its workers, its beginning and its end."""

import gc
import logging
import math
import multiprocessing
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from threading import Thread
from typing import cast

import psycopg
import uvicorn
from starlette.types import ASGIApp
from uvicorn.config import STARTUP_FAILURE

from taskflow.app import create_app, create_metrics_app
from taskflow.concurrency.threads import run_in_thread
from taskflow.database.migrations import migrate
from taskflow.database.parameters import check_parameters, round_connect_timeout
from taskflow.observability.logs import configure_logging
from taskflow.observability.metrics import Metrics, count_together, forget_process, make_metrics
from taskflow.server.connection import Protocol
from taskflow.server.limits import Reception
from taskflow.server.workers import Server, Supervisor
from taskflow.settings import Settings

BACKLOG = 2048

GARBAGE = 50_000
"""How many objects more than before make the garbage collector look for circles; Python begins at 700."""

OTHER_FILES = 100
"""What a worker has open besides connections: libraries, pipes, standard streams."""

CompleteSettings = Callable[[Settings], AbstractContextManager[Settings]]
Announce = Callable[[Settings, str], None]

logger = logging.getLogger(__name__)


class PortError(Exception):
    """The address cannot be listened on; one sentence with the remedy."""


def run_server(settings: Settings, complete_settings: CompleteSettings, announce: Announce) -> None:
    """Serve until a signal ends it.

    The settings are completed once the ports are bound, for as long as the server runs: with a database, for example.
    `announce` is called with them and the server's URL when it is up. Raises PortError, SettingsError, ContractError,
    MigrationError, and what `complete_settings` raises.
    """
    with _bind_all(settings) as listeners, complete_settings(settings) as given, count_together(settings):
        metrics = make_metrics(given)
        # Built here also when workers build their own: what is wrong with it must stop the start, not the workers.
        app = create_app(given, metrics)
        complete = allow_connections(given)
        _migrate_first(complete)
        _settle_memory()
        when_up = partial(announce, complete, _write_url(*listeners[0].getsockname()[:2]))
        several = settings.web_concurrency > 1
        reception = Reception(complete)
        config = _configure(
            complete, partial(make_worker_app, complete) if several else app, reception, is_factory=several
        )
        make_server = partial(Server, reception=reception, make_metrics_server=partial(make_metrics_server, complete))
        if several:
            supervisor = Supervisor(config, make_server, listeners, when_up, when_ended=forget_process)
            supervisor.run()
            if supervisor.has_failed:
                sys.exit(STARTUP_FAILURE)  # as uvicorn does with a single worker
        else:
            make_server(config, when_up=when_up).run(listeners)


def _configure(
    settings: Settings, app: ASGIApp | Callable[[], ASGIApp], reception: Reception, *, is_factory: bool = False
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        factory=is_factory,
        workers=settings.web_concurrency,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # who asks is told by the token, and where from by the proxy's own log
        http=cast("type[Protocol]", partial(Protocol, reception=reception)),
        ws="none",
        lifespan="on",
        timeout_keep_alive=settings.keep_alive_timeout,
        timeout_graceful_shutdown=settings.shutdown_timeout,
    )


def make_metrics_server(settings: Settings, metrics: Metrics) -> Server:
    """Make the server of METRICS_PORT, which has the limits of the API's, and METRICS_MAX_CONNECTIONS of its own."""
    limits = {"max_connections": settings.metrics_max_connections, "cors_origins": ()}
    reception = Reception(settings.model_copy(update=limits), "METRICS_MAX_CONNECTIONS")
    config = _configure(settings, create_metrics_app(settings, metrics), reception)
    config.lifespan = "off"  # the API's application opens and closes the counts
    return Server(config, reception)


def make_worker_app(settings: Settings) -> ASGIApp:
    """Build the application in a worker process, which ends when its parent does, however that ends."""
    configure_logging(settings)
    Thread(target=_follow_parent, name="follow parent", daemon=True).start()
    app = create_app(settings, make_metrics(settings))
    _settle_memory()
    return app


def allow_connections(settings: Settings) -> Settings:
    """Ask the system for as many open files as the connections of a worker need: by default it allows 1024.

    Where it refuses, fewer connections are taken, so that some files are left for the database.
    """
    allowed, most = (math.inf if n == resource.RLIM_INFINITY else n for n in resource.getrlimit(resource.RLIMIT_NOFILE))
    others = settings.pool_size + OTHER_FILES
    if isinstance(settings.metrics_port, int):
        others += settings.metrics_max_connections
    if most < settings.max_connections + others:
        possible = max(1, int(most) - others)
        logger.warning(
            "MAX_CONNECTIONS is %d, but the system's limit of open files allows %d", settings.max_connections, possible
        )
        settings = settings.model_copy(update={"max_connections": possible})
    needed = settings.max_connections + others
    if allowed < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return settings


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
    connect_timeout = round_connect_timeout(settings.database_timeout)
    try:
        attempt = run_in_thread(partial(migrate, settings.dsn, connect_timeout=connect_timeout))
        attempt.result(timeout=settings.database_timeout)
    except (psycopg.OperationalError, TimeoutError) as error:
        if not isinstance(error, TimeoutError):
            check_parameters(settings.dsn, connect_timeout=connect_timeout)
        logger.warning("the database is not available, starting without it: `taskflow check` says why")


def _write_url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@contextmanager
def _bind_all(settings: Settings) -> Iterator[list[socket.socket]]:
    """Listen for the API, and after it for METRICS_PORT if that is set. Raises PortError."""
    # Bound before anything is started, so that a port in use stops nothing else halfway.
    with ExitStack() as stack:
        listeners = [stack.enter_context(_bind("PORT", settings.port, "HOST", settings.host))]
        if isinstance(settings.metrics_port, int):
            listener = _bind("METRICS_PORT", settings.metrics_port, "METRICS_HOST", settings.metrics_host)
            listeners.append(stack.enter_context(listener))
            logger.info("metrics at %s/metrics", _write_url(*listener.getsockname()[:2]))
        yield listeners


def _bind(port_variable: str, port: int, host_variable: str, host: str) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise PortError(
            f"{port_variable} {port} on {host_variable} {host} cannot be listened on ({error.strerror}); "
            f"set them to an address of this machine that is free and that you may use, such as {port_variable}=8001."
        ) from None
    listener.set_inheritable(True)
    return listener
