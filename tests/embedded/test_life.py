"""Committed data outlive every way to end, and a server is stopped by whoever started it, or by his successor."""

import os
import signal
import sys
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from taskflow.cli.embedded import run_postgres
from tests.support.postgres import (
    MAKE_ROW,
    fetch,
    find_postmaster,
    find_server_processes,
    is_any_running,
    open_owner,
    read_url,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


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


def test_data_survive_a_second_start(used_folder: Path) -> None:
    """What one run commits the next run finds, by the same password."""
    with run_postgres(used_folder) as url, psycopg.connect(url) as connection:
        connection.execute(MAKE_ROW)
    with run_postgres(used_folder) as second_url:
        assert fetch(second_url, "SELECT text FROM note") == "kept"
    assert conninfo_to_dict(second_url) | {"port": ""} == conninfo_to_dict(url) | {"port": ""}


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
