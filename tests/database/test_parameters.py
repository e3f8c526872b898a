"""What a connection asks of its session, and the database refuses, is a mistake and no outage: exit code 2."""

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.conftest import MakeDatabase, make_url
from tests.support.cast import SECRET
from tests.support.processes import run_command
from tests.support.server import make_environment, run_server

OPTIONS = "taskflow: DATABASE_URL is wrong in options, which the database refuses: `taskflow check` says why.\n"


def name(variable: str) -> str:
    return (
        f"taskflow: DATABASE_URL is wrong in {variable} of the environment, which the database refuses: unset it, or"
        " look at what `taskflow check` says.\n"
    )


COMMANDS = [["migrate"], ["serve", "--port", "0"]]


@pytest.fixture(scope="module")
def url(make_database: MakeDatabase) -> str:
    return make_database()


@pytest.mark.parametrize("command", COMMANDS, ids=["migrate", "serve"])
@pytest.mark.parametrize(
    "options", ["-c nonsense=1", "-c work_mem=much", "--search-path", "-c statement_timeout=1 -c a=b", "garbage"]
)
def test_options_that_the_database_refuses_end_the_start(options: str, command: list[str], url: str) -> None:
    """Whether it does not know the name, or does not take the value."""
    wrong = make_url({**conninfo_to_dict(url), "options": options})
    result = run_command(make_environment(DATABASE_URL=wrong, BETTER_AUTH_SECRET=SECRET), *command)
    assert (result.returncode, result.stderr) == (2, OPTIONS)


@pytest.mark.parametrize("command", COMMANDS, ids=["migrate", "serve"])
@pytest.mark.parametrize("variable", ["PGDATESTYLE", "PGGEQO", "PGOPTIONS", "PGTZ"])
def test_variables_that_the_database_refuses_end_the_start(variable: str, command: list[str], url: str) -> None:
    """Each is named; what it was set to is not."""
    environment = make_environment(DATABASE_URL=url, BETTER_AUTH_SECRET=SECRET, PGTZ="UTC") | {variable: "nonsense"}
    result = run_command(environment, *command)
    assert (result.returncode, result.stderr) == (2, name(variable))


def test_each_of_several_is_named(url: str) -> None:
    """One sentence each."""
    wrong = make_url({**conninfo_to_dict(url), "options": "-c nonsense=1"})
    environment = make_environment(DATABASE_URL=wrong, BETTER_AUTH_SECRET=SECRET, PGTZ="x", PGGEQO="x", PGOPTIONS="x")
    result = run_command(environment, "migrate")
    assert (result.returncode, result.stderr) == (2, OPTIONS + name("PGGEQO") + name("PGTZ"))


def test_check_says_what_the_database_said(url: str) -> None:
    """In PostgreSQL's own words."""
    wrong = make_url({**conninfo_to_dict(url), "options": "-c nonsense=1"})
    result = run_command(make_environment(DATABASE_URL=wrong, BETTER_AUTH_SECRET=SECRET), "check")
    assert result.returncode == 1
    assert 'unrecognized configuration parameter "nonsense"' in result.stdout


def test_what_the_database_takes_is_no_mistake(url: str) -> None:
    """Then something else is wrong, and may be right later."""
    good = {**conninfo_to_dict(url), "options": "-c work_mem=8MB"}
    variables = {"BETTER_AUTH_SECRET": SECRET, "PGTZ": "UTC", "PGDATESTYLE": "ISO", "DATABASE_TIMEOUT": "1"}
    away = make_environment(DATABASE_URL=make_url({**good, "dbname": "not_there"}), **variables)
    result = run_command(away, "migrate")
    assert (result.returncode, result.stderr) == (
        1,
        "taskflow: The database cannot be reached; `taskflow check` says more.\n",
    )
    with run_server(away) as server:
        assert "the database is not available, starting without it" in server.read_log()
    assert run_command(make_environment(DATABASE_URL=make_url(good), **variables), "migrate").returncode == 0
