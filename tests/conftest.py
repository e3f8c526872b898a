"""The one PostgreSQL and the one server that most tests share."""

import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import quote, urlencode
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from taskflow.cli.embedded import run_postgres
from tests.support.cast import ALICE, BOB, SECRET, User
from tests.support.contract import check_response
from tests.support.development import make_state_folder
from tests.support.server import Server, make_environment, run_server
from tests.support.traces import Collector, run_collector

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


class MakeDatabase(Protocol):
    """Makes an empty database and returns its connection string; UTF8 unless another encoding is named."""

    def __call__(self, encoding: str | None = None) -> str: ...


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The connection string of a PostgreSQL: the one that DATABASE_URL names, or an embedded one with fresh data."""
    given = os.environ.get("DATABASE_URL")
    if given:
        yield given
        return
    with make_state_folder() as folder, run_postgres(folder) as url:
        yield url


@pytest.fixture(scope="session")
def make_database(postgres: str) -> Iterator[MakeDatabase]:
    """Make empty databases on the server; they are gone when the tests are over. No other database is touched."""
    with psycopg.connect(postgres, autocommit=True) as connection, ExitStack() as stack:

        def make(encoding: str | None = None) -> str:
            name = f"taskflow_test_{uuid4().hex}"
            # The locale C suits every encoding.
            options = (
                SQL(" ENCODING {} LOCALE 'C' TEMPLATE template0").format(Literal(encoding)) if encoding else SQL("")
            )
            connection.execute(SQL("CREATE DATABASE {}{}").format(Identifier(name), options))
            stack.callback(connection.execute, SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
            return make_url({**psycopg.conninfo.conninfo_to_dict(postgres), "dbname": name})

        yield make


def make_url(parameters: Mapping[str, object]) -> str:
    """Write connection parameters as a URL, the only form that DATABASE_URL takes."""
    return "postgresql://?" + urlencode(parameters, quote_via=quote)


@pytest.fixture(scope="session")
def database_url(make_database: MakeDatabase) -> str:
    """The database of the server that most tests share."""
    return make_database()


@pytest.fixture(scope="session")
def server(database_url: str) -> Iterator[Server]:
    """The server that most tests share: one worker, in production."""
    environment = make_environment(
        ENVIRONMENT="production",
        DATABASE_URL=database_url,
        BETTER_AUTH_SECRET=SECRET,
        CORS_ORIGINS="https://app.example.com,http://localhost:3000",
    )
    with run_server(environment) as running:
        yield running


@pytest.fixture
def new_state_folder() -> Iterator[Path]:
    """A state folder that nothing has used yet."""
    with make_state_folder() as folder:
        yield folder


@pytest.fixture
def database(server: Server, database_url: str) -> Iterator[psycopg.Connection]:
    """A connection of the test's own to the server's database, whose table is empty when the test begins."""
    assert server.url
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE tasks, taskflow_idempotency_keys RESTART IDENTITY")
        yield connection


@pytest.fixture
def anybody(server: Server, database: psycopg.Connection) -> Iterator[httpx.Client]:
    """A client without a token. Every answer that it gets is held against the contract."""
    assert not database.closed
    with _make_client(server) as client:
        yield client


@pytest.fixture
def alice(server: Server, database: psycopg.Connection) -> Iterator[httpx.Client]:
    """Alice's client."""
    assert not database.closed
    with _make_client(server, ALICE) as client:
        yield client


@pytest.fixture
def bob(server: Server, database: psycopg.Connection) -> Iterator[httpx.Client]:
    """Bob's client."""
    assert not database.closed
    with _make_client(server, BOB) as client:
        yield client


def _make_client(server: Server, user: User | None = None) -> httpx.Client:
    headers = {"Authorization": f"Bearer {user.token}"} if user else {}
    return httpx.Client(base_url=server.url, headers=headers, event_hooks={"response": [_read_and_check]})


def _read_and_check(response: httpx.Response) -> None:
    response.read()
    check_response(response)


class Schedule(LoadFileScheduling):
    """Which tests run one after another in one process, where several share the suite.

    Those of a file do, since they share its servers; those of the frontend do, since they build in one folder.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "tests/frontend" if nodeid.startswith("tests/frontend/") else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Schedule:
    return Schedule(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return refuse_skip((yield))


def refuse_skip(report: Report) -> Report:
    """Turn a skip into a failure in CI, where everything is installed: it would be a test that nobody runs."""
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which counts as failed in CI: {report.longrepr}"
    return report


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """What takes the traces of a module's server."""
    with run_collector() as running:
        yield running
