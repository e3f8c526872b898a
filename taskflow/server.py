"""The process that serves: its socket, its workers, its beginning and its end."""

import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import psycopg
import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from taskflow.app import create_app
from taskflow.development import make_token, provide_defaults, provide_secret
from taskflow.logs import configure_logging
from taskflow.migrations import migrate
from taskflow.settings import Settings, load_settings

EXAMPLE_USER = "user_abc123"
"""Who the development token is for; the contract's examples name the same user."""

BACKLOG = 2048

GRACE_SECONDS = 30
"""How long requests under way may take to finish once the server has been told to stop."""

logger = logging.getLogger(__name__)


class PortError(Exception):
    """The address cannot be listened on; one sentence with the remedy."""


def run_server(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises PortError, EmbeddedPostgresError, SettingsError, ContractError, MigrationError.
    """
    with _stop_on_sigterm(), _bind(settings) as listener, provide_defaults(settings) as complete:
        # Built here also when workers build their own: what is wrong with it must stop the start, not the workers.
        app = create_app(complete)
        _migrate_first(complete)
        several = settings.web_concurrency > 1
        if several:
            _export(complete)
        config = uvicorn.Config(
            f"{__name__}:make_worker_app" if several else app,
            factory=several,
            workers=settings.web_concurrency,
            access_log=False,
            log_config=None,
            server_header=False,
            http="httptools",
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        if several:
            _announce(complete, listener)
            Multiprocess(config, [listener]).run()
        else:
            _Server(config, complete, listener).run([listener])


def make_worker_app() -> ASGIApp:
    """Build the application in a worker process, from the environment that its parent prepared."""
    settings = load_settings()
    configure_logging(settings)
    return create_app(provide_secret(settings))


class _Server(uvicorn.Server):
    """uvicorn's server, which says when it is up."""

    def __init__(self, config: uvicorn.Config, settings: Settings, listener: socket.socket) -> None:
        super().__init__(config)
        self._settings = settings
        self._listener = listener

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _announce(self._settings, self._listener)


def _migrate_first(settings: Settings) -> None:
    """Bring the schema up to date once, before the workers start; where the database is down they will see to it."""
    try:
        migrate(settings.dsn)
    except psycopg.OperationalError:
        logger.warning("the database is not available, starting without it: `taskflow check` says why")


def _export(settings: Settings) -> None:
    """Hand what was chosen here down to the workers, who read the environment."""
    os.environ["DATABASE_URL"] = settings.dsn


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
        if sys.platform != "win32":
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


@contextmanager
def _stop_on_sigterm() -> Iterator[None]:
    """Unwind on SIGTERM as on Ctrl-C, so that what was started is stopped, whenever the signal comes."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        # The first signal is obeyed; what comes while things are being stopped must not interrupt that.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.exit(0)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
