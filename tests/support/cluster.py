"""A PostgreSQL of a test's own, whose life the test decides: stopped, killed, frozen, and started on the same port."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TextIO

from taskflow.cli.embedded.cluster import SERVER_OPTIONS, build_url, claim_data, create_cluster, stop_server
from taskflow.cli.embedded.installation import Installation, copy_binaries, prepare_installation, run_program
from tests.support.addresses import find_port
from tests.support.development import make_state_folder
from tests.support.processes import find_processes
from tests.support.server import STOP_SECONDS
from tests.support.waiting import wait_for

STANDBY = ("-c", "hot_standby=off")
"""With these options, and after `make_standby`, it runs, and says that it does not accept connections yet."""


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL on a port of its own, at first not running."""

    installation: Installation
    port: int

    @property
    def url(self) -> str:
        return build_url(self.installation, self.port)

    def start(self, *options: str) -> None:
        """Start it on the data that there are; return once it is ready."""
        server_options = " ".join([SERVER_OPTIONS, f"-c port={self.port}", *options])
        with claim_data(self.installation) as claim:
            self._control("start", "-l", "server.log", "-o", server_options, claim=claim)

    def stop(self) -> None:
        """Stop it as an operator would: sessions are told that they end."""
        self.thaw()
        stop_server(self.installation)

    def kill(self) -> None:
        """End all its processes at once, in the midst of whatever they do."""
        self.freeze()  # or some would see others end, and have time to act on it
        self._signal(signal.SIGKILL)
        wait_for(lambda: not find_processes(self.installation.cluster), STOP_SECONDS)

    def freeze(self) -> None:
        """Stop the clock for all its processes. The kernel still takes connections and data in their name."""
        frozen: set[int] = set()
        while not (found := self._signal(signal.SIGSTOP)) <= frozen:
            frozen |= found  # and once more, for what was started meanwhile

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def make_standby(self) -> None:
        """See to it that the next start waits for another server's log, which never comes."""
        signal_file = self.installation.cluster / "data" / "standby.signal"
        signal_file.touch()
        if self.installation.account is not None:
            os.chown(signal_file, *self.installation.account)

    def promote(self) -> None:
        """Let a standby be the one that is written to; return once it is."""
        self._control("promote")

    def _control(self, *arguments: str, claim: TextIO | None = None) -> None:
        folder = self.installation.cluster
        command = ["pg_ctl", *arguments, "-D", "data", "-w", "-t", "60"]
        result = run_program(self.installation, folder, command, claim=claim)
        assert result.returncode == 0, result.stdout + result.stderr + (folder / "server.log").read_text()

    def _signal(self, number: signal.Signals) -> set[int]:
        processes = find_processes(self.installation.cluster)
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, number)
        return set(processes)


@contextmanager
def make_cluster() -> Iterator[Cluster]:
    """Give a new cluster; at the end of the block it is gone, in whatever state the test has left it."""
    with make_state_folder() as folder:
        installation = prepare_installation(folder)
        with claim_data(installation) as claim:
            if not installation.program_root.exists():
                copy_binaries(installation)
            create_cluster(installation, claim)
        cluster = Cluster(installation, find_port())
        try:
            yield cluster
        finally:
            cluster.kill()
