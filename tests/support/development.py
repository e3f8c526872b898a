"""A development server, as `make serve` starts it: nothing is configured but where its state goes."""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.privacy import find_secrets
from tests.support.processes import find_processes
from tests.support.server import STOP_SECONDS, Server, make_environment, run_server
from tests.support.waiting import wait_for


@contextmanager
def make_state_folder() -> Iterator[Path]:
    """Give a new state folder; as root, PostgreSQL runs as another user, who must be able to enter it."""
    folder = Path(tempfile.mkdtemp(prefix="taskflow-state-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        for process in find_processes(folder):  # of a test that failed
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        wait_for(lambda: not find_processes(folder), STOP_SECONDS)
        log = folder / "postgresql" / "cluster" / "server.log"
        text = log.read_text() if log.exists() else ""
        shutil.rmtree(folder)
    assert find_secrets(text, {}) == set()  # in PostgreSQL's own log either


@contextmanager
def run_development_server() -> Iterator[tuple[Server, dict[str, str]]]:
    """Run a development server with a fresh state folder; give it, and the environment it runs in."""
    with make_state_folder() as folder:
        commands = Path(sys.executable).parent
        environment = make_environment(TASKFLOW_STATE_DIR=str(folder))
        environment["PATH"] = f"{commands}{os.pathsep}{environment['PATH']}"
        with run_server(environment) as server:
            yield server, environment
