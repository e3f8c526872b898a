"""Sessions with a database that ends them, lets none in, only reads or is short of time: 503, and no restart after."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.conftest import MakeDatabase, make_url
from tests.support.cast import ALICE, BOB
from tests.support.cluster import make_cluster
from tests.support.faults import TIMED_OUT, UNAVAILABLE, expect_503
from tests.support.outages import (
    configure,
    expect_outage,
    expect_recovery,
    run_observed_server,
    terminate_backends,
    wait_for_recovery,
    wait_for_waiting,
)
from tests.support.tasks import create_task

PATIENT = {"DATABASE_TIMEOUT": "10"}
"""For what must end by the database's doing, and not by our own deadline."""


@contextmanager
def open_admin(url: str) -> Iterator[psycopg.Connection]:
    """Give a session of whoever looks after the database."""
    with psycopg.connect(url, autocommit=True) as admin:
        yield admin


def test_a_statement_whose_session_is_ended_is_not_half_done(make_database: MakeDatabase) -> None:
    """It waits for a lock when its backend is terminated: that request is 503, the next one finds all as it was."""
    url = make_database()
    with (
        run_observed_server(url, **PATIENT) as (_, client),
        open_admin(url) as admin,
        psycopg.connect(url) as locker,
        ThreadPoolExecutor() as pool,
    ):
        task = create_task(client, ALICE)
        path = f"{ALICE.tasks}/{task['id']}"
        locker.execute("LOCK TABLE tasks IN EXCLUSIVE MODE")
        requests = [
            pool.submit(client.post, ALICE.tasks, json={"title": "Never"}),
            pool.submit(client.patch, path, json={"title": "Never", "description": "Not even half of it"}),
            pool.submit(client.delete, path),
        ]
        wait_for_waiting(admin, len(requests))
        terminate_backends(admin, waiting=True)
        for request in requests:
            expect_503(request.result(), UNAVAILABLE)
        assert client.get(ALICE.tasks).json() == [task]
        locker.rollback()
        assert client.get(ALICE.tasks).json() == [task]
        assert client.delete(path).status_code == 204


def test_a_password_that_is_no_longer_right_is_tried_again() -> None:
    """Somebody changes it in the database while we serve, and changes it back: 503 in between, and no restart."""
    with make_cluster() as cluster:
        cluster.start()
        with open_admin(cluster.url) as admin:
            admin.execute("CREATE ROLE tenant LOGIN PASSWORD 'private-tenant'")
            admin.execute("GRANT ALL ON SCHEMA public TO tenant")
            url = make_url({**conninfo_to_dict(cluster.url), "user": "tenant", "password": "private-tenant"})
            with run_observed_server(url) as (server, client):
                task = create_task(client, ALICE)
                admin.execute("ALTER ROLE tenant PASSWORD 'private-other'")
                terminate_backends(admin)
                expect_outage(client)
                assert "password authentication failed" in server.read_log()
                admin.execute("ALTER ROLE tenant PASSWORD 'private-tenant'")
                expect_recovery(client, [task])
                assert "private" not in server.read_log()


def test_a_database_that_only_reads_is_read(make_database: MakeDatabase) -> None:
    """As after a failover: lists are answered, writes are 503 until one writes again; none is lost or done twice."""
    url = make_database()
    with run_observed_server(url) as (_, client), open_admin(url) as admin:
        task = create_task(client, ALICE)
        path = f"{ALICE.tasks}/{task['id']}"
        configure(admin, "default_transaction_read_only", "on")
        terminate_backends(admin)
        for _ in range(20):
            expect_503(client.post(ALICE.tasks, json={"title": "Not now"}), UNAVAILABLE)
            expect_503(client.patch(path, json={"title": "Not now"}), UNAVAILABLE)
            expect_503(client.delete(path), UNAVAILABLE)
            assert client.get(ALICE.tasks).json() == [task]
        configure(admin, "default_transaction_read_only", "off")
        answers: list[httpx.Response] = []

        def write() -> httpx.Response:
            answers.append(client.post(ALICE.tasks, json={"title": "Now"}))
            return answers[-1]

        wait_for_recovery(write)
        expect_recovery(client, [task, answers[-1].json()])


def test_a_limit_of_the_database_s_own_is_a_timeout_like_ours(make_database: MakeDatabase) -> None:
    """Its statement_timeout strikes before DATABASE_TIMEOUT: 503, and the same connection goes on serving."""
    url = make_database()
    with open_admin(url) as admin:
        configure(admin, "statement_timeout", "300ms")
        with run_observed_server(url, **PATIENT, DATABASE_POOL_SIZE="1") as (_, client):
            expect_503_at_a_lock(client, url, TIMED_OUT)
            before = find_backends(admin)
            assert len(before) == 1
            expect_503_at_a_lock(client, url, TIMED_OUT)
            assert find_backends(admin) == before


@pytest.mark.parametrize("limit", ["lock_timeout", "transaction_timeout"])
def test_another_limit_of_the_database_s_own_is_503(limit: str, make_database: MakeDatabase) -> None:
    """Also where PostgreSQL ends the whole session."""
    url = make_database()
    with open_admin(url) as admin:
        configure(admin, limit, "300ms")
        with run_observed_server(url, **PATIENT, DATABASE_POOL_SIZE="1") as (_, client):
            expect_503_at_a_lock(client, url, UNAVAILABLE)
            expect_503_at_a_lock(client, url, UNAVAILABLE)


def expect_503_at_a_lock(client: httpx.Client, url: str, problem: dict[str, object]) -> None:
    """Change a task that somebody else has locked: it fails, and nothing of it is done; after that, it does not."""
    task = create_task(client, ALICE)
    path = f"{ALICE.tasks}/{task['id']}"
    # The limits of the database would end this session too.
    with psycopg.connect(url, options="-c lock_timeout=0 -c statement_timeout=0 -c transaction_timeout=0") as locker:
        locker.execute("SELECT * FROM tasks FOR UPDATE")
        expect_503(client.patch(path, json={"title": "Never"}), problem)
    assert client.get(path).json() == task
    assert client.patch(path, json={"title": "In time"}).json()["title"] == "In time"


def test_a_table_that_changes_while_serving_is_served_as_it_is(make_database: MakeDatabase) -> None:
    """What is prepared for a column's old type is not what fails the requests after the change."""
    url = make_database()
    with run_observed_server(url) as (_, client), open_admin(url) as admin:
        task = create_task(client, ALICE)
        others = f"{BOB.tasks}/{task['id']}"
        for _ in range(20):
            assert client.get(others, headers=BOB.headers).status_code == 403
        admin.execute("ALTER TABLE tasks ALTER COLUMN user_id TYPE text, ALTER COLUMN title TYPE text")
        for _ in range(20):
            assert client.get(others, headers=BOB.headers).status_code == 403
            assert client.get(ALICE.tasks).json() == [task]


def find_backends(admin: psycopg.Connection) -> list[tuple[object, ...]]:
    """Give the sessions that have changed a task, which are those of the server."""
    return admin.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'WITH task AS%'"
    ).fetchall()
