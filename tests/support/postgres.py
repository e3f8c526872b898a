"""The embedded PostgreSQL from outside: its folders, its owners and its processes."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from taskflow.cli.embedded import EmbeddedPostgresError, cluster, installation, run_postgres
from tests.support.server import REPOSITORY

IS_ROOT = os.geteuid() == 0

# Runs a server and a statement, prints the URL, and goes on until its input ends.
OWNER = """
import sys
from pathlib import Path
import psycopg
from taskflow.cli.embedded import run_postgres
with run_postgres(Path(sys.argv[1])) as url:
    with psycopg.connect(url) as connection:
        connection.execute(sys.argv[2])
    print(url, flush=True)
    sys.stdin.read()
"""
MAKE_ROW = "DROP TABLE IF EXISTS note; CREATE TABLE note AS SELECT 'kept' AS text"


@contextmanager
def open_folder() -> Iterator[Path]:
    """Yield the path of a state folder to be, in a folder that `nobody` can enter; pytest's own it cannot."""
    parent = Path(tempfile.mkdtemp(prefix="taskflow-"))
    parent.chmod(0o711)
    folder = parent / "state"
    yield folder
    if (folder / "postgresql" / "server.lock").exists():
        cluster.stop_server(installation.prepare_installation(folder))  # that of a test which failed
    shutil.rmtree(parent)


@contextmanager
def open_owner(state_folder: Path, statement: str = "SELECT 1") -> Iterator[subprocess.Popen[str]]:
    """Run OWNER in a process of its own; at the end its input ends and it is waited for."""
    command = [sys.executable, "-c", OWNER, str(state_folder), statement]
    path = os.pathsep.join([str(REPOSITORY), *filter(None, sys.path)])
    with subprocess.Popen(  # noqa: S603 - our own program
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as owner:
        try:
            yield owner
        except BaseException:
            owner.kill()
            raise


def read_url(owner: subprocess.Popen[str]) -> str:
    """Return the URL that an owner prints when its server is ready."""
    assert owner.stdout is not None
    url = owner.stdout.readline().strip()
    assert url.startswith("postgresql://")
    return url


def fetch(url: str, query: str) -> object:
    """Return the first column of the first row."""
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def read_parent(process: int) -> int | None:
    """Return the process id of the parent, or None if the process does not run (any more)."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[1])


def find_postmaster(state_folder: Path) -> int:
    """Return the process id of the server."""
    return int((state_folder / "postgresql/cluster/data/postmaster.pid").read_text().split()[0])


def find_server_processes(state_folder: Path) -> set[int]:
    """Return the process ids of the server and of its children."""
    postmaster = find_postmaster(state_folder)
    processes = {int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()}
    return {process for process in processes if postmaster in (process, read_parent(process))}


def is_any_running(processes: set[int]) -> bool:
    """Tell whether at least one of the processes runs."""
    return any(read_parent(process) is not None for process in processes)


def expect_refusal(state_folder: Path, pattern: str) -> None:
    """Expect a start to fail with a message that has the pattern."""
    with pytest.raises(EmbeddedPostgresError, match=pattern), run_postgres(state_folder):
        pass


def make_cluster(state_folder: Path) -> None:
    """Start and stop a server."""
    with run_postgres(state_folder):
        pass


def pretend_cluster(state_folder: Path, account: tuple[int, int]) -> Path:
    """Make a cluster of PostgreSQL 9 that belongs to the account, by its looks; return the folder of its data."""
    data = installation.prepare_installation(state_folder).cluster / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")
    os.chown(data.parent, *account)
    return data
