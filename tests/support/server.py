"""A real server in a process of its own, as an operator would start it."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.launcher import Process, can_be_copied, start_copy
from tests.support.privacy import find_secrets
from tests.support.waiting import wait_for

START_SECONDS = 60
STOP_SECONDS = 30

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    process: Process
    log: Path

    def read_log(self) -> str:
        """Give all that the server has written so far, standard output and standard error."""
        return self.log.read_text()


def make_environment(**variables: str) -> dict[str, str]:
    """Give an environment that holds nothing of the caller's TaskFlow configuration, plus some variables."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("COVERAGE_")}
    return {**kept, **variables}


_KEPT = {"PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV"}


@contextmanager
def run_server(environment: Mapping[str, str], *arguments: str, is_copy: bool = True) -> Iterator[Server]:
    """Run `taskflow serve` on a free port until the block ends; give it once it answers.

    It begins as a copy of a process that has TaskFlow imported, unless that must not be, or cannot.
    Whatever has happened to it meanwhile, it must not have logged a secret, a token or what users wrote.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        # No .env of the developer's is read in that folder.
        command = ["serve", "--port", "0", *arguments]
        process: Process
        with log.open("wb") as output:
            if is_copy and can_be_copied(environment):
                process = start_copy(command, environment, Path(folder), output, output)
            else:
                process = subprocess.Popen(  # noqa: S603  our own command
                    [sys.executable, "-m", "taskflow", *command],
                    env=environment,
                    cwd=folder,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
        try:
            yield Server(_wait_for_url(process, log), process, log)
        finally:
            stop_process(process)
        assert find_secrets(log.read_text(), environment) == set()


def stop_process(process: Process) -> int:
    """Stop a process as an operator would, and give its exit code; one that does not obey is killed."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


def _wait_for_url(process: Process, log: Path) -> str:
    def find_url() -> str | None:
        text = log.read_text()
        if process.poll() is not None:
            raise AssertionError(f"the server ended with code {process.returncode}:\n{text}")
        found = re.search(r"(?<!metrics at )http://(?:localhost|127\.0\.0\.\d):\d+", text)
        return found[0].replace("localhost", "127.0.0.1") if found else None

    return wait_for(find_url, START_SECONDS)


def read_peak_memory(server: Server) -> int:
    """Give the most memory that the server has had so far, in KiB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])
