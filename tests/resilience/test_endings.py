"""How processes end: by whatever signal, soon, with the right code, and leaving nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
import pytest

from tests.support.cast import BOB, SECRET
from tests.support.processes import find_processes
from tests.support.server import START_SECONDS, STOP_SECONDS, make_environment, run_server, stop_process
from tests.support.silence import run_silent_database
from tests.support.waiting import wait_for

PRODUCTION = {"ENVIRONMENT": "production", "BETTER_AUTH_SECRET": SECRET, "CORS_ORIGINS": "https://app.example.com"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_signal_ends_the_server_and_its_workers(workers: str, number: signal.Signals, database_url: str) -> None:
    """Exit code 0, and no process is left."""
    environment = make_environment(**PRODUCTION, DATABASE_URL=database_url)
    with run_server(environment, "--workers", workers, is_copy=False) as server:
        assert httpx.get(server.url + BOB.tasks, headers=BOB.headers, timeout=START_SECONDS).json() == []
        folder = server.log.parent
        if workers == "2":
            wait_for(lambda: server.read_log().count("Application startup complete") == 2, START_SECONDS)
            assert len(find_processes(folder)) >= 3
        server.process.send_signal(number)
        assert server.process.wait(STOP_SECONDS) == 0
        # Python's own process for what workers share ends when it sees that its parent has.
        wait_for(lambda: find_processes(folder) == [], STOP_SECONDS)
        assert "Traceback" not in server.read_log()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_signal_ends_a_server_that_waits_for_its_database(workers: str) -> None:
    """A database that takes the connection and then says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent, tempfile.TemporaryDirectory() as folder:
        url = f"postgresql://owner@127.0.0.1:{silent.getsockname()[1]}/tasks"
        process = subprocess.Popen(  # noqa: S603  our own command
            [sys.executable, "-m", "taskflow", "serve", "--port", "0", "--workers", workers],
            env=make_environment(**PRODUCTION, DATABASE_URL=url),
            cwd=folder,
        )
        try:
            silent.settimeout(START_SECONDS)
            connection, _ = silent.accept()
            with connection:
                process.send_signal(signal.SIGTERM)
                assert process.wait(STOP_SECONDS) == 0
            assert find_processes(Path(folder)) == []
        finally:
            stop_process(process)


def test_a_signal_ends_a_server_that_makes_its_first_database(new_state_folder: Path) -> None:
    """SIGTERM in the middle of the first start: no process is left, and the next start makes up for it."""
    environment = make_environment(TASKFLOW_STATE_DIR=str(new_state_folder))
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "taskflow", "serve", "--port", "0"], env=environment, cwd=folder
        )
        try:
            wait_for((new_state_folder / "postgresql" / "lock").exists, START_SECONDS)
            process.send_signal(signal.SIGTERM)
            assert process.wait(STOP_SECONDS) == 0
            assert find_processes(Path(folder), new_state_folder) == []
        finally:
            stop_process(process)
    with run_server(environment, is_copy=False) as server:
        assert httpx.get(server.url + "/docs").status_code == 200


def test_workers_end_when_their_parent_is_killed(database_url: str) -> None:
    """They would go on listening, and the next start would find the port in use."""
    environment = make_environment(**PRODUCTION, DATABASE_URL=database_url)
    with run_server(environment, "--workers", "2", is_copy=False) as server:
        folder = server.log.parent
        wait_for(lambda: server.read_log().count("Application startup complete") == 2, START_SECONDS)
        server.process.kill()
        server.process.wait()
        wait_for(lambda: find_processes(folder) == [], STOP_SECONDS)


@pytest.mark.parametrize("command", ["migrate", "check"])
def test_a_command_that_is_interrupted_says_so_and_leaves_nothing(command: str, new_state_folder: Path) -> None:
    """The embedded PostgreSQL that it has started is stopped; code 0 would tell a script to go on."""
    environment = make_environment(TASKFLOW_STATE_DIR=str(new_state_folder))
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(  # noqa: S603  our own command
            [sys.executable, "-m", "taskflow", command], env=environment, cwd=folder
        )
        try:
            wait_for((new_state_folder / "postgresql" / "lock").exists, START_SECONDS)
            process.send_signal(signal.SIGTERM)
            assert process.wait(STOP_SECONDS) == 130
            assert find_processes(Path(folder), new_state_folder) == []
        finally:
            stop_process(process)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_database_that_lets_us_in_and_then_says_nothing_holds_nothing_up(workers: str) -> None:
    """The server starts, answers what needs no database, and ends when it is told to."""
    with run_silent_database() as url:
        environment = make_environment(**PRODUCTION, DATABASE_URL=url, DATABASE_TIMEOUT="1")
        with run_server(environment, "--workers", workers, is_copy=False) as server:
            assert httpx.get(server.url + "/docs", timeout=START_SECONDS).status_code == 200
            assert httpx.get(server.url + BOB.tasks, headers=BOB.headers, timeout=START_SECONDS).status_code == 503
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(STOP_SECONDS) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_terminal_that_signals_every_process_is_obeyed_once(number: signal.Signals, database_url: str) -> None:
    """Ctrl-C reaches the workers too; they leave it to their parent, even while they are starting."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "taskflow", "serve", "--port", "0", "--workers", "2"],
                env=make_environment(**PRODUCTION, DATABASE_URL=database_url),
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_for(lambda: len(find_processes(Path(folder))) >= 3, START_SECONDS)
            os.killpg(process.pid, number)
            assert process.wait(STOP_SECONDS) == 0
            wait_for(lambda: find_processes(Path(folder)) == [], STOP_SECONDS)
            assert "Traceback" not in log.read_text()
        finally:
            stop_process(process)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_under_nohup_outlives_its_terminal(workers: str, database_url: str) -> None:
    """Nohup says so by ignoring the signal for its child."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        environment = make_environment(**PRODUCTION, DATABASE_URL=database_url)
        with run_server(environment, "--workers", workers, is_copy=False) as server:
            server.process.send_signal(signal.SIGHUP)
            for _ in range(3):
                answer = httpx.get(server.url + BOB.tasks, headers=BOB.headers, timeout=START_SECONDS)
                assert answer.json() == []
            assert server.process.poll() is None
    finally:
        signal.signal(signal.SIGHUP, previous)
