"""A database that cannot hold every text is refused by every command, and nothing in it is changed."""

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from taskflow.database.migrations import NEWEST_VERSION, MigrationError, migrate
from taskflow.database.migrations.upgrade import upgrade
from tests.conftest import MakeDatabase, make_url
from tests.support.cast import ALICE, SECRET
from tests.support.faults import open_client, run_impatient_server
from tests.support.pgbouncer import PROGRAM, run_pgbouncer
from tests.support.processes import run_command
from tests.support.server import START_SECONDS, make_environment
from tests.support.tasks import create_task
from tests.support.waiting import wait_for

ENCODINGS = ["SQL_ASCII", "LATIN1", "WIN1252", "EUC_JP", "KOI8R", "MULE_INTERNAL"]


def expect_sentence(encoding: str) -> str:
    return (
        f"The database's encoding is {encoding}, which cannot hold every text: create another one with"
        " CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0, and set DATABASE_URL to it."
    )


def list_tables(url: str) -> list[str]:
    """Return the names of all tables, however the database is encoded."""
    with psycopg.connect(url, client_encoding="SQL_ASCII") as connection:
        rows = connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace").fetchall()
    return sorted(name.decode() for (name,) in rows)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_another_encoding_is_refused(encoding: str, make_database: MakeDatabase) -> None:
    """Also where libpq is asked for an encoding of its own; no table is made."""
    url = make_database(encoding)
    for variant in (url, f"{url}&client_encoding=latin1", f"{url}&client_encoding=utf8"):
        with pytest.raises(MigrationError) as caught:
            migrate(variant)
        assert str(caught.value) == expect_sentence(encoding)
    assert list_tables(url) == []


def test_every_command_says_the_sentence(make_database: MakeDatabase) -> None:
    """Exit code 1, no traceback, and the database stays empty."""
    url = make_database("SQL_ASCII")
    environment = make_environment(DATABASE_URL=url, BETTER_AUTH_SECRET=SECRET)
    check = run_command(environment, "check")
    assert (check.returncode, check.stderr) == (1, "")
    assert check.stdout.splitlines()[-1] == f"failed  database       {expect_sentence('SQL_ASCII')}"
    for command in (["migrate"], ["serve", "--port", "0", "--workers", "2"]):
        result = run_command(environment, *command)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr == f"taskflow: {expect_sentence('SQL_ASCII')}\n"
    assert list_tables(url) == []


def test_a_database_that_was_migrated_before_is_refused_too(make_database: MakeDatabase) -> None:
    """An earlier release has accepted it; what is in it is left alone."""
    url = make_database("LATIN1")
    upgrade(url, connect_timeout=10)
    tables = list_tables(url)
    with pytest.raises(MigrationError) as caught:
        migrate(url)
    assert str(caught.value) == expect_sentence("LATIN1")
    assert list_tables(url) == tables


@pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed")
def test_pgbouncer_changes_nothing_about_it(postgres: str, make_database: MakeDatabase) -> None:
    """The wrong encoding is named, the right one accepted, and none is left behind on a backend that others use."""
    wrong, right = make_database("WIN1252"), make_database()
    with run_pgbouncer(postgres, default_pool_size=1) as pgbouncer:
        with pytest.raises(MigrationError) as caught:
            migrate(pgbouncer.make_url(wrong))
        assert str(caught.value) == expect_sentence("WIN1252")
        for _ in range(2):
            assert migrate(pgbouncer.make_url(right)) == NEWEST_VERSION
            with psycopg.connect(pgbouncer.make_url(right), prepare_threshold=None, client_encoding="utf8") as other:
                assert other.execute("SHOW client_encoding").fetchone() == ("UTF8",)
                assert other.execute("SELECT '😀'").fetchone() == ("😀",)


@pytest.mark.parametrize("client_encoding", ["SQL_ASCII", "LATIN1", "EUC_JP"])
def test_the_encoding_of_the_client_does_not_matter(
    client_encoding: str, make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in DATABASE_URL nor in PGCLIENTENCODING: the schema is made, and found up to date the next time."""
    by_url = f"{make_database()}&client_encoding={client_encoding}"
    assert migrate(by_url) == migrate(by_url) == NEWEST_VERSION
    by_variable = make_database()
    monkeypatch.setenv("PGCLIENTENCODING", client_encoding)
    assert migrate(by_variable) == migrate(by_variable) == NEWEST_VERSION


def test_a_server_writes_every_text_whatever_the_encoding_of_the_client(make_database: MakeDatabase) -> None:
    """`check` agrees."""
    url = f"{make_database()}&client_encoding=SQL_ASCII"
    with run_impatient_server(url, PGCLIENTENCODING="LATIN1") as server, open_client(server) as client:
        assert create_task(client, ALICE, title="Äpfel, 林檎, 😀")["title"] == "Äpfel, 林檎, 😀"
        environment = make_environment(DATABASE_URL=url, BETTER_AUTH_SECRET=SECRET, PGCLIENTENCODING="LATIN1")
        assert run_command(environment, "check").returncode == 0


def test_a_server_that_finds_it_later_goes_on_refusing(postgres: str) -> None:
    """The database is not there at the start: the server waits, then logs the sentence once, and recovers by itself."""
    name = "taskflow_test_encoding_later"
    url = make_url({**conninfo_to_dict(postgres), "dbname": name})
    drop = SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name))
    create = SQL("CREATE DATABASE {} ENCODING {} LOCALE 'C' TEMPLATE template0")
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(drop)
        try:
            with run_impatient_server(url) as server, open_client(server) as client:
                admin.execute(create.format(Identifier(name), "LATIN1"))
                wait_for(lambda: expect_sentence("LATIN1") in server.read_log(), START_SECONDS)
                assert client.get("/readyz").status_code == 503
                assert client.get(ALICE.tasks).status_code == 503
                assert list_tables(url) == []
                assert server.process.poll() is None
                assert server.read_log().count("LATIN1") == 1
                admin.execute(drop)
                admin.execute(create.format(Identifier(name), "UTF8"))
                wait_for(lambda: httpx.get(f"{server.url}/readyz").status_code == 200, START_SECONDS)
                assert create_task(client, ALICE, title="😀")["title"] == "😀"
        finally:
            admin.execute(drop)
