"""The process that serves: its socket, its workers, its beginning and its end."""

import gc
import logging
import math
import multiprocessing
import os
import resource
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from threading import Thread
from typing import cast

import psycopg
import uvicorn
from starlette.types import ASGIApp

from taskflow.app import create_app
from taskflow.development import make_token, provide_defaults
from taskflow.logs import configure_logging
from taskflow.metrics import Metrics, count_together, forget_process, make_metrics, serve_metrics
from taskflow.migrations import migrate
from taskflow.processes import Server, Supervisor
from taskflow.protocol import Protocol
from taskflow.reception import Reception
from taskflow.settings import Settings
from taskflow.threads import run_in_thread

EXAMPLE_USER = "user_abc123"
"""Who the development token is for; the contract's examples name the same user."""

BACKLOG = 2048

GARBAGE = 50_000
"""How many objects more than before make the garbage collector look for circles; Python begins at 700."""

OTHER_FILES = 100
"""What a worker has open besides connections: libraries, pipes, standard streams."""

logger = logging.getLogger(__name__)


class PortError(Exception):
    """The address cannot be listened on; one sentence with the remedy."""


def run_server(settings: Settings) -> None:
    """Serve until a signal ends it.

    Raises PortError, EmbeddedPostgresError, SettingsError, ContractError, MigrationError.
    """
    with _bind(settings) as listener, provide_defaults(settings) as given, count_together(settings):
        metrics = make_metrics(given)
        # Built here also when workers build their own: what is wrong with it must stop the start, not the workers.
        app = create_app(given, metrics)
        complete = allow_connections(given)
        _migrate_first(complete)
        _settle_memory()
        when_up = partial(_announce, complete, listener)
        several = settings.web_concurrency > 1
        reception = Reception(complete)
        config = uvicorn.Config(
            partial(make_worker_app, complete) if several else app,
            factory=several,
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
        with _open_metrics_port(given, metrics):
            if several:
                Supervisor(config, reception, listener, when_up, when_ended=forget_process).run()
            else:
                Server(config, reception, when_up).run([listener])


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


@contextmanager
def _open_metrics_port(settings: Settings, metrics: Metrics | None) -> Iterator[None]:
    """Answer on METRICS_PORT, if it is set, for all workers. Raises PortError."""
    host, wanted = settings.host, settings.metrics_port
    with ExitStack() as stack:
        if metrics is not None and isinstance(wanted, int):
            try:
                port = stack.enter_context(serve_metrics(metrics, host, wanted))
            except OSError as error:
                raise _explain_port("METRICS_PORT", wanted, host, error) from None
            logger.info("metrics at %s/metrics", _write_url(host, port))
        yield


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


def _announce(settings: Settings, listener: socket.socket) -> None:
    url = _write_url(*listener.getsockname()[:2])
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


def _write_url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


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
            raise _explain_port("PORT", settings.port, settings.host, error) from None
        listener.set_inheritable(True)
        yield listener


def _explain_port(variable: str, port: int, host: str, error: OSError) -> PortError:
    return PortError(
        f"{variable} {port} on HOST {host} cannot be listened on ({error.strerror}); "
        f"set them to an address of this machine that is free and that you may use, such as {variable}=8001."
    )
