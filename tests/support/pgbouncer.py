"""A real PgBouncer: it lends the few sessions of a PostgreSQL to many clients, for a transaction each."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import LiteralString

import psycopg

from tests.conftest import make_url
from tests.support.addresses import find_port
from tests.support.development import make_state_folder
from tests.support.server import STOP_SECONDS
from tests.support.waiting import wait_for

# Ordinary users often lack the folder that Debian puts it in.
PROGRAM = shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))

BACKENDS = 3
"""How many sessions of PostgreSQL it has for each database and user."""

HOSTS = {"plain": "localhost", "pooler": "ep-example-pooler.neon.tech"}
"""What TaskFlow may know it as: by a name that says nothing, and by one that says what it is."""

START_SECONDS = 10
IS_ROOT = os.geteuid() == 0


@dataclass
class PgBouncer:
    """On the same port whenever it is started."""

    folder: Path
    port: int
    _process: subprocess.Popen[bytes] = field(init=False)

    @property
    def log(self) -> Path:
        return self.folder / "pgbouncer.log"

    def make_url(self, database_url: str, host: str = HOSTS["plain"]) -> str:
        """Give the way to a database through it."""
        with psycopg.connect(database_url) as connection:
            to = connection.info
            parameters = {"user": to.user, "password": to.password, "dbname": to.dbname}
        return make_url({"host": host, "hostaddr": "127.0.0.1", "port": self.port, **parameters})

    def start(self) -> None:
        """Start it; return once it is ready."""
        assert PROGRAM is not None
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  a program of the machine
                [PROGRAM, "pgbouncer.ini"],
                cwd=self.folder,
                user="nobody" if IS_ROOT else None,  # it refuses to run as root
                extra_groups=[] if IS_ROOT else None,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_for(self._is_ready, START_SECONDS)

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it by a signal; return once it is gone."""
        self._process.send_signal(number)
        self._process.wait(STOP_SECONDS)

    @contextmanager
    def leave(self, number: signal.Signals) -> Iterator[None]:
        """End it for the length of the block."""
        self.end(number)
        try:
            yield
        finally:
            self.start()

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def hold_backends(url: str, count: int = BACKENDS) -> Iterator[list[psycopg.Connection]]:
    """Keep so many backends for transactions of one's own, each on a connection through PgBouncer."""
    with ExitStack() as stack:
        connections = []
        for _ in range(count):
            # Nothing that psycopg prepares may be left behind.
            connection = stack.enter_context(psycopg.connect(url, prepare_threshold=None))
            connection.execute("SELECT 1")
            connections.append(connection)
        yield connections


@contextmanager
def run_pgbouncer(postgres: str, **settings: object) -> Iterator[PgBouncer]:
    """Run one in front of every database of the PostgreSQL at a connection string; `settings` are its own."""
    with make_state_folder() as folder:
        pgbouncer = PgBouncer(folder, find_port())
        with psycopg.connect(postgres) as connection:
            to = connection.info
            _write(folder / "users", f"{_quote(to.user)} {_quote(to.password)}\n")
            _write(folder / "pgbouncer.ini", _configure(pgbouncer.port, to, settings))
        pgbouncer.start()
        try:
            yield pgbouncer
        finally:
            pgbouncer.end()


def _configure(port: int, to: psycopg.ConnectionInfo, settings: dict[str, object]) -> str:
    usual = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_file": "users",
        "auth_type": "scram-sha-256" if to.password else "trust",
        "pool_mode": "transaction",
        "default_pool_size": BACKENDS,
        "server_tls_sslmode": "prefer",
    }
    lines = [f"{name} = {value}\n" for name, value in {**usual, **settings}.items()]
    return f"[databases]\n* = host={to.hostaddr or to.host} port={to.port}\n[pgbouncer]\n{''.join(lines)}"


def _quote(text: str) -> str:
    return '"{}"'.format(text.replace('"', '""'))


def _write(path: Path, text: str) -> None:
    """Write what only PgBouncer may read."""
    path.touch(mode=0o600)
    path.write_text(text)
    if IS_ROOT:
        shutil.chown(path, "nobody")


def run_on_all(url: str, command: LiteralString) -> None:
    """Run a command on every backend, as another program behind the same PgBouncer may, and leave."""
    with hold_backends(url) as connections:
        for connection in connections:
            connection.execute(command)
            connection.commit()
