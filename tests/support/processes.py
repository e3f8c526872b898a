"""Commands as an operator runs them, and the processes that they leave."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from tests.support.launcher import can_be_copied, start_copy

COMMAND_SECONDS = 60


def run_command(
    environment: Mapping[str, str], *arguments: str, dotenv: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command of `taskflow` to its end, in a working folder that holds nothing but a `.env`, if one is given."""
    with tempfile.TemporaryDirectory() as folder:
        if dotenv is not None:
            Path(folder, ".env").write_text(dotenv)
        # No .env of the developer's is read in that folder.
        if can_be_copied(environment):
            return _run_copy(list(arguments), environment, Path(folder))
        return subprocess.run(  # noqa: S603  our own command
            [sys.executable, "-m", "taskflow", *arguments],
            env=environment,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )


def _run_copy(arguments: list[str], environment: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = start_copy(arguments, environment, folder, output, errors)
        try:
            code = process.wait(COMMAND_SECONDS)
        finally:
            process.kill()
        texts = [(file.seek(0), file.read().decode())[1] for file in (output, errors)]
    return subprocess.CompletedProcess(process.args, code, *texts)


def find_processes(*folders: Path) -> list[int]:
    """Give the ids of the processes that work in these folders, by /proc.

    Workers share the folder of their server, and PostgreSQL works in its data: the family tree would not show a server
    that has become a daemon, nor a worker whose parent is gone.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                folder = (entry / "cwd").readlink()
            except OSError:  # it has ended, or is another user's
                continue
            # Of a folder that has been removed, the kernel says so after its name.
            if any(Path(f"{folder}".removesuffix(" (deleted)")).is_relative_to(other.resolve()) for other in folders):
                found.append(int(entry.name))
    return found


def count_files(process: int) -> int:
    """Give how many files and connections a process has open."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def find_workers(folder: Path) -> set[int]:
    """Give the ids of the processes that serve for a server in this folder, its parent not among them."""
    commands = {process: _read_command(process) for process in find_processes(folder)}
    return {
        process
        for process, command in commands.items()
        if "spawn_main" in command and "resource_tracker" not in command
    }


def _read_command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has ended since
        return ""


def read_blocked_signals(process: int) -> str:
    """Give the signals that a process does not hear, as /proc writes them."""
    status = Path(f"/proc/{process}/status").read_text()
    return status.partition("SigBlk:")[2].split()[0]


def count_connections(process: int, port: int) -> int:
    """Return how many connections to a port of this machine a process holds, by /proc.

    A set, since Linux lists a socket twice when others come and go while the table is read.
    """
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {
        f"socket:[{row[9]}]" for row in rows if int(row[1].partition(":")[2], 16) == port and row[3] != _LISTENING
    }
    return len(sockets & {str(link) for link in _read_links(process)})


_LISTENING = "0A"


def _read_links(process: int) -> Iterator[Path]:
    for entry in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since
            yield entry.readlink()
