"""What cannot be, or must not be, is named with its remedy; what only looks so is overcome."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from taskflow.cli import embedded
from taskflow.cli.embedded import cluster, installation, locks, run_postgres
from tests.support.postgres import (
    expect_refusal,
    fetch,
    open_owner,
    pretend_cluster,
)
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


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
