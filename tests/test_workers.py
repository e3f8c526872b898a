"""Several workers: one port, one schema, as many connections as were allotted, and an end that leaves nothing."""

from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from taskflow.migrations import NEWEST_VERSION
from tests.conftest import MakeDatabase
from tests.support.cast import ALICE, SECRET
from tests.support.server import STOP_SECONDS, make_environment, run_server, stop_process
from tests.support.tasks import create_task
from tests.support.waiting import wait_for

WORKERS = 3


def count_connections(admin: psycopg.Connection) -> int:
    """Give how many others are connected to the database."""
    row = admin.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(("pool_size", "connections"), [("2", 2 * WORKERS), ("", 10 * WORKERS)])
def test_workers_share_a_port_and_a_database_and_leave_nothing(
    pool_size: str, connections: int, make_database: MakeDatabase
) -> None:
    """The first start makes the schema, once; the second, on the same port, finds it and the tasks."""
    url = make_database()
    environment = make_environment(DATABASE_URL=url, BETTER_AUTH_SECRET=SECRET, DATABASE_POOL_SIZE=pool_size)
    port, tasks = "0", []
    with psycopg.connect(url, autocommit=True) as admin:
        for _ in range(2):
            with run_server(environment, "--workers", str(WORKERS), "--port", port) as server:
                port = str(urlsplit(server.url).port)
                wait_for(lambda: count_connections(admin) == connections, 20)
                # A connection of its own for each request, so that any of the workers may get it.
                for _ in range(20):
                    with httpx.Client(base_url=server.url, headers=ALICE.headers) as client:
                        tasks.append(create_task(client, ALICE))
                        assert client.get(ALICE.tasks).json() == tasks
                assert stop_process(server.process) == 0
                wait_for(lambda: count_connections(admin) == 0, STOP_SECONDS)
                assert "Traceback" not in server.read_log()
        assert admin.execute("SELECT version_num FROM taskflow_schema_version").fetchall() == [(NEWEST_VERSION,)]
