"""A PgBouncer, and two servers behind it that know it under different names."""

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import psycopg
import pytest

from tests.conftest import MakeDatabase
from tests.support.cast import ALICE
from tests.support.faults import open_client, run_impatient_server
from tests.support.pgbouncer import HOSTS, PgBouncer, run_pgbouncer
from tests.support.server import Server
from tests.support.waiting import wait_for

RECOVERY_SECONDS = 2
"""How long after the end of a fault the server may take to serve again, without a restart."""


@pytest.fixture(scope="module")
def pgbouncer(postgres: str) -> Iterator[PgBouncer]:
    """The PgBouncer of most tests here."""
    with run_pgbouncer(postgres) as running:
        yield running


@pytest.fixture(scope="module")
def database_url(make_database: MakeDatabase) -> str:
    """The way to the database past PgBouncer."""
    return make_database()


@pytest.fixture(scope="module")
def servers(pgbouncer: PgBouncer, database_url: str) -> Iterator[dict[str, Server]]:
    """Two servers that share PgBouncer and the database, and know it under different names."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(run_impatient_server(pgbouncer.make_url(database_url, host)))
            for name, host in HOSTS.items()
        }


@pytest.fixture
def database(servers: dict[str, Server], database_url: str) -> Iterator[psycopg.Connection]:
    """A connection past PgBouncer; the table is empty when the test begins."""
    assert servers
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE tasks RESTART IDENTITY")
        yield connection


@pytest.fixture(params=HOSTS)
def server(request: pytest.FixtureRequest, servers: dict[str, Server], database: psycopg.Connection) -> Server:
    """Each of the two servers in turn."""
    assert not database.closed
    return servers[request.param]


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    """Alice's client, once the server has recovered from what a test before has done to PgBouncer."""
    with open_client(server) as opened:
        wait_for(lambda: opened.get(ALICE.tasks).status_code == 200, 10 * RECOVERY_SECONDS)
        yield opened
