"""libpq's environment variables: they never reach the embedded database, and count as documented for DATABASE_URL."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from taskflow.cli.embedded import run_postgres
from taskflow.database.migrations import NEWEST_VERSION, migrate
from tests.conftest import MakeDatabase
from tests.support.cast import ALICE, SECRET, authorize
from tests.support.development import make_state_folder
from tests.support.processes import run_command
from tests.support.server import make_environment, run_server
from tests.support.tasks import create_task

MISLEADING = {
    "PGAPPNAME": "\n",
    "PGCHANNELBINDING": "require",
    "PGCLIENTENCODING": "EUC_JP",
    "PGCONNECT_TIMEOUT": "soon",
    "PGDATABASE": "elsewhere",
    "PGDATESTYLE": "nonsense",
    "PGGEQO": "nonsense",
    "PGGSSDELEGATION": "1",
    "PGGSSENCMODE": "require",
    "PGHOST": "database.invalid",
    "PGHOSTADDR": "192.0.2.1",
    "PGKRBSRVNAME": "nobody",
    "PGLOADBALANCEHOSTS": "nonsense",
    "PGMAXPROTOCOLVERSION": "nonsense",
    "PGMINPROTOCOLVERSION": "latest",
    "PGOPTIONS": "garbage",
    "PGPASSFILE": "/dev/null/pgpass",
    "PGPASSWORD": "wrong",
    "PGPORT": "9",
    "PGREQUIREAUTH": "none",
    "PGREQUIREPEER": "nobody",
    "PGSERVICE": "nowhere",
    "PGSERVICEFILE": "/dev/null/services",
    "PGSSLCERT": "/dev/null/certificate",
    "PGSSLCERTMODE": "require",
    "PGSSLKEY": "/dev/null/key",
    "PGSSLMAXPROTOCOLVERSION": "nonsense",
    "PGSSLMINPROTOCOLVERSION": "TLSv1.3",
    "PGSSLMODE": "verify-full",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLROOTCERT": "/dev/null/authorities",
    "PGSYSCONFDIR": "/dev/null",
    "PGTARGETSESSIONATTRS": "standby",
    "PGTZ": "nonsense",
    "PGUSER": "nobody",
    "PGDATA": "/dev/null/data",
}
"""What people set for their other databases, and values with which no connection can be made."""


@pytest.fixture(scope="module")
def running_folder() -> Iterator[Path]:
    """A state folder whose PostgreSQL runs, so that the tests only join it."""
    with make_state_folder() as folder, run_postgres(folder) as url:
        migrate(url)
        yield folder


@pytest.mark.parametrize("variable", MISLEADING)
def test_no_variable_reaches_the_embedded_database(
    variable: str, running_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is hidden for as long as the database is used, and then there again."""
    monkeypatch.setenv(variable, MISLEADING[variable])
    with run_postgres(running_folder) as url:
        assert variable not in os.environ
        assert migrate(url) == NEWEST_VERSION
    assert os.environ[variable] == MISLEADING[variable]


def test_every_variable_of_the_driver_is_hidden(running_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that this libpq knows; a newer one may know more."""
    variables = [option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar]
    assert len(variables) > 30
    for variable in variables:
        monkeypatch.setenv(variable, "nonsense")
    with run_postgres(running_folder):
        assert [variable for variable in variables if variable in os.environ] == []


def test_all_of_them_at_once_change_nothing_while_developing(new_state_folder: Path, tmp_path: Path) -> None:
    """Nothing is configured but the state folder: two workers serve, a task is created, every command works.

    What libpq finds in a home folder changes nothing either.
    """
    (tmp_path / ".pgpass").write_text("*:*:*:*:wrong\n")
    (tmp_path / ".pgpass").chmod(0o600)
    (tmp_path / ".pg_service.conf").write_text("[nowhere]\nhost=database.invalid\n")
    (tmp_path / ".postgresql").mkdir()
    for name in ("root.crt", "root.crl", "postgresql.crt", "postgresql.key"):
        (tmp_path / ".postgresql" / name).write_text("no certificate\n")
    environment = make_environment(**MISLEADING | {"TASKFLOW_STATE_DIR": str(new_state_folder), "HOME": str(tmp_path)})
    headers = authorize(run_command(environment, "token", ALICE.id).stdout.strip())
    assert run_command(environment, "migrate").returncode == 0
    with run_server(environment, "--workers", "2") as server:
        with httpx.Client(base_url=server.url, headers=headers) as client:
            create_task(client, ALICE, title="😀")
        check = run_command(environment, "check")
        assert (check.returncode, check.stderr) == (0, "")
        assert "Traceback" not in server.read_log()


def test_they_count_where_a_database_is_configured(make_database: MakeDatabase) -> None:
    """A DATABASE_URL that says nothing leaves everything to them: to migrations, to `check` and to the pool."""
    url = make_database()
    parameters = conninfo_to_dict(url)
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    variables = {names[key]: str(value) for key, value in parameters.items() if key in names}
    environment = make_environment(
        **variables, DATABASE_URL="postgresql://", BETTER_AUTH_SECRET=SECRET, PGAPPNAME="tasks of ours"
    )
    refused = run_command({**environment, "PGTARGETSESSIONATTRS": "standby"}, "migrate")
    assert (refused.returncode, refused.stderr) == (
        1,
        "taskflow: The database cannot be reached; `taskflow check` says more.\n",
    )
    assert run_command(environment, "migrate").returncode == 0
    assert run_command(environment, "check").returncode == 0
    with run_server(environment) as server:
        with httpx.Client(base_url=server.url, headers=ALICE.headers) as client:
            create_task(client, ALICE)
        with psycopg.connect(url) as admin:
            names_found = admin.execute(
                "SELECT DISTINCT application_name FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ).fetchall()
        assert names_found == [("tasks of ours",)]
