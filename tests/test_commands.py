"""The commands do what they say, fail with one sentence and a meaningful exit code, and leave no process behind."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.conftest import MakeDatabase, make_url
from tests.support.cast import ALICE, SECRET, authorize
from tests.support.processes import find_processes, run_command
from tests.support.server import Server, make_environment, run_server, stop_process
from tests.support.silence import run_silent_database
from tests.support.tasks import create_task, expect_task

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")

PRODUCTION = {"ENVIRONMENT": "production", "BETTER_AUTH_SECRET": SECRET, "CORS_ORIGINS": "https://app.example.com"}

NOWHERE = "postgresql://owner:s3cr3t@127.0.0.1:9/tasks"
"""Port 9 belongs to a service that nobody has run for decades."""


def expect_failure(result: subprocess.CompletedProcess[str], code: int, sentence: str) -> None:
    """One sentence on standard error, the exit code, and nothing else."""
    assert (result.returncode, result.stdout, result.stderr) == (code, "", f"taskflow: {sentence}\n")


def test_the_version_is_the_packages() -> None:
    """`taskflow --version`."""
    result = run_command(make_environment(), "--version")
    assert (result.returncode, result.stdout) == (0, version("taskflow") + "\n")


def test_help_names_every_command() -> None:
    """`taskflow --help`."""
    result = run_command(make_environment(), "--help")
    assert result.returncode == 0
    assert re.findall(r"^ {4}(\w+) ", result.stdout, re.MULTILINE) == ["serve", "migrate", "token", "check"]


def test_the_installed_command_is_the_module(tmp_path: Path) -> None:
    """`taskflow` beside the interpreter and `python -m taskflow` are one program."""
    command = [str(Path(sys.executable).with_name("taskflow")), "--version"]
    result = subprocess.run(command, cwd=tmp_path, env=make_environment(), capture_output=True, text=True, check=True)  # noqa: S603  our own command
    assert result.stdout == run_command(make_environment(), "--version").stdout


@pytest.mark.parametrize("arguments", [[], ["bogus"], ["serve", "--bogus"], ["token"], ["migrate", "now"]])
def test_a_wrong_call_is_explained(arguments: list[str]) -> None:
    """Exit code 2 with the usage."""
    result = run_command(make_environment(), *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("usage: taskflow")


@pytest.mark.parametrize("command", [["serve"], ["migrate"], ["check"], ["token", "alice"]])
def test_a_wrong_variable_stops_every_command(command: list[str]) -> None:
    """Two mistakes, two sentences, exit code 2, no trace, and nothing of the values."""
    environment = make_environment(DATABASE_URL="mysql://owner:s3cr3t@host/db", LOG_LEVEL="s3cr3t")
    result = run_command(environment, *command)
    assert (result.returncode, result.stdout) == (2, "")
    assert sorted(result.stderr.splitlines()) == [
        "taskflow: DATABASE_URL must start with postgresql://.",
        "taskflow: LOG_LEVEL must be 'debug', 'info', 'warning' or 'error'.",
    ]


@pytest.mark.parametrize("command", [["serve"], ["migrate"], ["check"], ["token", "alice"]])
def test_a_line_of_the_dotenv_file_that_cannot_be_read_stops_every_command(command: list[str]) -> None:
    """The audience would not be looked at, or the embedded database would take the operator's place."""
    dotenv = 'PORT=0\n\nJWT_AUDIENCE="s3cr3t\nDATABASE_URL="postgresql://owner:s3cr3t@host/db\n'
    result = run_command(make_environment(), *command, dotenv=dotenv)
    mistake = "a quote opens that is not closed on the same line; close it."
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [f"taskflow: .env, line {line}: {mistake}" for line in (3, 4)]


def test_what_is_doubtful_is_said_and_stops_no_command(database_url: str) -> None:
    """By `check` on a line of its own, by `serve` in its log, by the others on standard error."""
    doubt = ".env, line 1: JWT_AUDIENC is not a variable of TaskFlow and has no effect; the nearest is JWT_AUDIENCE."
    environment = make_environment(DATABASE_URL=database_url, BETTER_AUTH_SECRET=SECRET)
    for command in (["migrate"], ["token", "alice"]):
        result = run_command(environment, *command, dotenv="JWT_AUDIENC=taskflow\n")
        assert (result.returncode, result.stderr) == (0, f"taskflow: warning: {doubt}\n")
    check = run_command(environment, "check", dotenv="JWT_AUDIENC=taskflow\n")
    assert (check.returncode, check.stderr) == (0, "")
    assert f"warn    configuration  {doubt}\n" in check.stdout
    with run_server({**environment, "BETTER_AUTH_SECRET": f'"{SECRET}"'}) as server:
        assert re.search("warning BETTER_AUTH_SECRET begins and ends with a quote", server.read_log())


@pytest.mark.parametrize("command", [["serve"], ["migrate"], ["check"]])
def test_a_parameter_of_the_database_url_that_is_wrong_is_no_outage(command: list[str]) -> None:
    """The server would start, and try again for ever."""
    result = run_command(make_environment(DATABASE_URL=f"{NOWHERE}?sslmode=no-verify"), *command)
    values = "disable, allow, prefer, require, verify-ca, verify-full"
    expect_failure(result, 2, f"DATABASE_URL is wrong in sslmode, which must be one of {values}.")


@pytest.mark.parametrize("command", ["serve", "check"])
def test_what_others_know_or_can_change_stops_production(command: str, tmp_path: Path) -> None:
    """In development `check` says it too, and goes on."""
    tmp_path.chmod(0o777)
    variables = {
        "DATABASE_URL": NOWHERE,
        "BETTER_AUTH_SECRET": "better-auth-secret-12345678901234567890",
        "TASKFLOW_STATE_DIR": str(tmp_path),
    }
    result = run_command(make_environment(**{**PRODUCTION, **variables}), command)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("taskflow: BETTER_AUTH_SECRET is an example that everybody knows; ")
    result = run_command(make_environment(**{**variables, **PRODUCTION}), command)
    sentence = f"TASKFLOW_STATE_DIR {tmp_path} can be changed by others (mode 0777); run `chmod go-w` on it."
    expect_failure(result, 2, sentence)
    if command == "check":
        lines = run_command(make_environment(**variables), command).stdout.splitlines()
        assert f"warn    configuration  {sentence}" in lines
        assert [line.split()[:3] for line in lines if line.startswith("warn")][1:] == [
            ["warn", "configuration", "BETTER_AUTH_SECRET"]
        ]


def test_an_option_is_checked_like_its_variable() -> None:
    """`--port` is PORT."""
    result = run_command(make_environment(), "serve", "--port", "70000")
    expect_failure(result, 2, "PORT must be less than or equal to 65535.")


def test_a_port_in_use_is_named_with_the_remedy() -> None:
    """Nothing else has been started by then, so nothing is left halfway."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = run_command(make_environment(DATABASE_URL=NOWHERE), "serve", "--port", str(port))
    sentence = (
        f"PORT {port} on HOST 127.0.0.1 cannot be listened on (Address already in use); "
        "set them to an address of this machine that is free and that you may use, such as PORT=8001."
    )
    expect_failure(result, 2, sentence)


def test_a_state_folder_that_cannot_be_used_is_named() -> None:
    """Below a file there is no folder, not even for root."""
    result = run_command(make_environment(TASKFLOW_STATE_DIR="/dev/null/state"), "serve", "--port", "0")
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(r"taskflow: [^\n]*TASKFLOW_STATE_DIR[^\n]*\.\n", result.stderr)


def test_migrate_can_be_repeated(make_database: MakeDatabase) -> None:
    """It says the version; a database that is up to date stays as it is. `check` agrees before and after."""
    url = make_database()
    environment = make_environment(**PRODUCTION, DATABASE_URL=url)
    before = run_command(environment, "check")
    assert before.returncode == 1
    assert re.search(r"^failed  database  .*no schema yet: run `taskflow migrate`", before.stdout, re.MULTILINE)
    first, second = run_command(environment, "migrate"), run_command(environment, "migrate")
    assert (first.returncode, first.stdout) == (second.returncode, second.stdout)
    assert re.fullmatch(r"The schema is up to date \(version \w+\)\.\n", first.stdout)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM tasks").fetchone() == (0,)
    after = run_command(environment, "check")
    assert (after.returncode, after.stderr) == (0, "")
    assert [line.split()[:2] for line in after.stdout.splitlines()] == [
        ["ok", "configuration"],
        ["ok", "keys"],
        ["ok", "contract"],
        ["ok", "database"],
    ]


def test_migrate_says_that_the_database_is_down() -> None:
    """Exit code 1: the configuration may be right, the world is not."""
    result = run_command(make_environment(**PRODUCTION, DATABASE_URL=NOWHERE), "migrate")
    expect_failure(result, 1, "The database cannot be reached; `taskflow check` says more.")


def test_check_says_that_the_database_is_down() -> None:
    """The finding gives libpq's reason, on one line, and no password; exit code 1."""
    result = run_command(make_environment(**PRODUCTION, DATABASE_URL=NOWHERE), "check")
    assert (result.returncode, result.stderr) == (1, "")
    (failed,) = [line for line in result.stdout.splitlines() if not line.startswith("ok ")]
    assert re.match(r"failed  database +.*Connection refused", failed)
    assert "s3cr3t" not in result.stdout


def test_check_says_that_the_password_is_wrong(database_url: str) -> None:
    """And shows neither the wrong one nor the right one."""
    parameters = conninfo_to_dict(database_url)
    environment = make_environment(**PRODUCTION, DATABASE_URL=make_url({**parameters, "password": "s3cr3t"}))
    result = run_command(environment, "check")
    assert (result.returncode, result.stderr) == (1, "")
    assert "password authentication failed" in result.stdout
    assert "s3cr3t" not in result.stdout
    assert str(parameters["password"]) not in result.stdout


def test_token_is_refused_in_production() -> None:
    """There, only the frontend says who somebody is."""
    result = run_command(make_environment(**PRODUCTION, DATABASE_URL=NOWHERE), "token", "alice")
    expect_failure(result, 2, "ENVIRONMENT is production, where only the frontend makes tokens.")


def test_token_obeys_the_configuration_of_tokens(database_url: str) -> None:
    """A token for trying out is accepted by a server that demands an issuer and an audience."""
    tokens = {"JWT_ISSUER": "https://a.example,https://b.example", "JWT_AUDIENCE": "taskflow"}
    environment = make_environment(DATABASE_URL=database_url, BETTER_AUTH_SECRET=SECRET, **tokens)
    token = run_command(environment, "token", "carol").stdout.strip()
    with run_server(environment) as server:
        assert httpx.get(f"{server.url}/api/carol/tasks", headers=authorize(token)).json() == []
        assert httpx.get(f"{server.url}/api/alice/tasks", headers=ALICE.headers).status_code == 401


def read_example(server: Server) -> str:
    """Give the curl command that a development server prints, exactly as it stands there."""
    found = re.search(r"^ *curl .*?\n\n", server.read_log(), re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[0]


@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="bash or curl is not installed")
def test_a_development_server_is_tried_out_by_copy_and_paste(new_state_folder: Path, tmp_path: Path) -> None:
    """Nothing is set but the state folder: the printed command creates a task, and the printed page is there."""
    environment = make_environment(TASKFLOW_STATE_DIR=str(new_state_folder))
    (tmp_path / ".curlrc").write_text('silent\nwrite-out = "\\n%{http_code}"\n')  # the command stays as printed
    with run_server(environment) as server:
        assert f"  http://localhost:{httpx.URL(server.url).port}/docs\n" in server.read_log()
        assert httpx.get(server.url + "/docs").status_code == 200
        command = ["bash", "-c", read_example(server)]
        output = subprocess.check_output(command, env={**make_environment(), "CURL_HOME": str(tmp_path)}, text=True)  # noqa: S603  our own command
        body, status = output.splitlines()
        assert status == "201"
        assert '"title":"Buy groceries"' in body
        token = run_command(environment, "token", "user_abc123").stdout.strip()
        tasks = httpx.get(f"{server.url}/api/user_abc123/tasks", headers=authorize(token))
        assert f"[{body}]" == tasks.text
        assert (new_state_folder / "better-auth-secret").stat().st_mode & 0o777 == 0o600


def test_the_data_survive_a_crash_and_are_shared(new_state_folder: Path) -> None:
    """`kill -9` of the server and of its PostgreSQL; then two servers on one state folder share what was stored."""
    environment = make_environment(TASKFLOW_STATE_DIR=str(new_state_folder))
    headers = authorize(run_command(environment, "token", ALICE.id).stdout.strip())
    with run_server(environment) as server, httpx.Client(base_url=server.url, headers=headers) as client:
        create_task(client, ALICE, title="Survive")
        for process in (server.process.pid, *find_processes(new_state_folder)):
            os.kill(process, signal.SIGKILL)
        assert server.process.wait() == -signal.SIGKILL
    with (
        run_server(environment) as first,
        run_server(environment) as second,
        httpx.Client(base_url=first.url, headers=headers) as one,
        httpx.Client(base_url=second.url, headers=headers) as other,
    ):
        create_task(one, ALICE, title="Share")
        tasks = other.get(ALICE.tasks).json()
        assert tasks == [expect_task(ALICE, title="Survive"), expect_task(ALICE, title="Share")]
        folders = (new_state_folder, first.log.parent, second.log.parent)
        for server in (second, first):
            assert stop_process(server.process) == 0
        assert find_processes(*folders) == []


def test_migrate_waits_for_a_database_that_says_nothing_as_long_as_for_any_other() -> None:
    """It lets everybody in and never answers."""
    with run_silent_database() as url:
        result = run_command(make_environment(**PRODUCTION, DATABASE_URL=url, DATABASE_TIMEOUT="1"), "migrate")
    expect_failure(result, 1, "The database cannot be reached; `taskflow check` says more.")


def test_a_token_for_nobody_is_refused() -> None:
    """No server would accept it."""
    result = run_command(make_environment(BETTER_AUTH_SECRET=SECRET), "token", "")
    expect_failure(result, 2, "USER_ID must not be empty.")
