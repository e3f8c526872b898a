"""PgBouncer, or the PostgreSQL behind it, is away, full or too slow: 503 in time, and back without a restart."""

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from time import monotonic

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from tests.conftest import MakeDatabase
from tests.support.cast import ALICE
from tests.support.contract import check_response
from tests.support.faults import DEADLINE, TIMED_OUT, UNAVAILABLE, expect_503, open_client, run_impatient_server
from tests.support.pgbouncer import BACKENDS, PROGRAM, PgBouncer, hold_backends, run_on_all, run_pgbouncer
from tests.support.tasks import create_task, expect_task
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed")

RECOVERY_SECONDS = 2
"""How long after the end of a fault the server may take to serve again, without a restart."""

USERS = 20
OUTAGE_SECONDS = 1.5

ENDINGS = [signal.SIGTERM, signal.SIGINT, signal.SIGKILL]
"""At once, when every transaction has ended, and in the midst of everything."""

END_BACKENDS = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
)


def expect_outage(client: httpx.Client) -> None:
    """Every request has its 503 in time, for so long that the server tries to connect as rarely as it ever does."""
    until = monotonic() + OUTAGE_SECONDS
    while monotonic() < until:
        started = monotonic()
        response = client.post(ALICE.tasks, json={"title": "In vain"})
        assert monotonic() - started < 2 * DEADLINE
        assert response.json() in (UNAVAILABLE, TIMED_OUT)
        expect_503(response, response.json())


def expect_recovery(client: httpx.Client, expected: object) -> None:
    """A little after the end of a fault, which is now, the list is there again, and the server stays well."""
    ended = monotonic()
    wait_for(lambda: client.get(ALICE.tasks).status_code == 200, 10 * RECOVERY_SECONDS)
    assert monotonic() - ended < RECOVERY_SECONDS
    for _ in range(20):
        assert client.get(ALICE.tasks).json() == expected


def test_the_deadline_is_kept_and_nothing_is_written_later(
    client: httpx.Client, database: psycopg.Connection, database_url: str
) -> None:
    """PgBouncer passes the request to stop on."""
    task = create_task(client, ALICE)
    path = f"{ALICE.tasks}/{task['id']}"
    with psycopg.connect(database_url) as locker:
        locker.execute("SELECT * FROM tasks FOR UPDATE")
        started = monotonic()
        response = client.patch(path, json={"title": "Too late"})
        assert 0.8 * DEADLINE <= monotonic() - started < 2 * DEADLINE
        expect_503(response, TIMED_OUT)
        waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        # PostgreSQL may need a moment to hear of it.
        wait_for(lambda: database.execute(waiting).fetchall() == [], 10)
        assert client.get(path).json() == task
    assert client.get(path).json() == task
    assert client.patch(path, json={"title": "In time"}).json()["title"] == "In time"


def test_what_waited_for_a_backend_in_vain_is_not_done_later(
    client: httpx.Client, pgbouncer: PgBouncer, database_url: str
) -> None:
    """PgBouncer holds the statement, cannot pass on the request to stop it, and forgets it with its connection."""
    task = create_task(client, ALICE)
    url = pgbouncer.make_url(database_url)
    for _ in range(3):
        with hold_backends(url):
            started = monotonic()
            response = client.post(ALICE.tasks, json={"title": "Too late"})
            assert 0.8 * DEADLINE <= monotonic() - started < 2 * DEADLINE
            expect_503(response, TIMED_OUT)
        run_on_all(url, "SELECT 1")  # each of them has come to an end with what it had to do before
        assert client.get(ALICE.tasks).json() == [task]
    # Ids are given as soon as a statement runs.
    assert create_task(client, ALICE)["id"] == task["id"] + 1


@pytest.mark.parametrize("number", ENDINGS, ids=lambda number: number.name)
def test_a_pgbouncer_that_was_away_is_used_again(
    number: signal.Signals, client: httpx.Client, pgbouncer: PgBouncer
) -> None:
    """503 in time all the while, and no restart."""
    task = create_task(client, ALICE)
    with pgbouncer.leave(number):
        expect_outage(client)
    expect_recovery(client, [task])


@pytest.mark.parametrize("number", ENDINGS, ids=lambda number: number.name)
def test_what_was_created_when_pgbouncer_ended_is_there(
    number: signal.Signals, client: httpx.Client, pgbouncer: PgBouncer
) -> None:
    """In the midst of many requests: each has its 201 or its 503, and who has a 201 has a task."""
    is_over = False

    def create() -> list[httpx.Response]:
        responses = []
        while not is_over:
            responses.append(client.post(ALICE.tasks, json={"title": "Buy groceries"}))
        return responses

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(create) for _ in range(8)]
        try:
            wait_for(lambda: len(client.get(ALICE.tasks).json()) > 50, 10)
            with pgbouncer.leave(number):
                wait_for(lambda: client.get(ALICE.tasks).status_code == 503, 10)
            wait_for(lambda: client.get(ALICE.tasks).status_code == 200, RECOVERY_SECONDS)
        finally:
            is_over = True
    responses = [response for future in futures for response in future.result()]
    for response in responses:
        check_response(response)
        assert response.status_code in {201, 503}
    listed = {task["id"]: task for task in client.get(ALICE.tasks).json()}
    created = [response.json() for response in responses if response.status_code == 201]
    assert created == [listed.get(task["id"]) for task in created]


def test_backends_that_end_between_two_requests_are_replaced_unnoticed(
    client: httpx.Client, database: psycopg.Connection
) -> None:
    """PgBouncer sees them go, and has others for the next statement."""
    for number in range(1, 11):
        database.execute(END_BACKENDS, [database.info.dbname])
        assert create_task(client, ALICE) == expect_task(ALICE, id=number)


def test_a_backend_that_ends_in_the_midst_of_a_statement_fails_that_alone(
    client: httpx.Client, database: psycopg.Connection, database_url: str
) -> None:
    """503 at once; the next request is answered."""
    task = create_task(client, ALICE)
    path = f"{ALICE.tasks}/{task['id']}"
    with psycopg.connect(database_url) as locker, ThreadPoolExecutor(1) as pool:
        locker.execute("SELECT * FROM tasks FOR UPDATE")
        request = pool.submit(client.patch, path, json={"title": "In vain"})
        end = END_BACKENDS + " AND wait_event_type = 'Lock'"
        assert wait_for(lambda: database.execute(end, [database.info.dbname]).fetchall(), 10) == [(True,)]
        expect_503(request.result(), UNAVAILABLE)
        assert client.get(path).json() == task
    assert client.get(path).json() == task
    assert client.patch(path, json={"title": "Again"}).json()["title"] == "Again"


def test_a_pgbouncer_that_is_full_is_waited_for(postgres: str, make_database: MakeDatabase) -> None:
    """It lets nobody in when the server starts: 503 until it does. Then the pool makes do with fewer than it wants."""
    with run_pgbouncer(postgres, max_client_conn=BACKENDS) as pgbouncer, ExitStack() as guests:
        url = pgbouncer.make_url(make_database())
        guests.enter_context(hold_backends(url))
        with run_impatient_server(url) as server, open_client(server) as client:
            expect_503(client.get(ALICE.tasks), UNAVAILABLE)
            guests.close()
            expect_recovery(client, [])
            with ThreadPoolExecutor(USERS) as pool:
                tasks = list(pool.map(lambda _: create_task(client, ALICE), range(5 * USERS)))
            assert client.get(ALICE.tasks).json() == sorted(tasks, key=lambda task: int(task["id"]))
            with pytest.raises(psycopg.OperationalError, match="no more connections allowed"):
                psycopg.connect(url)


def test_a_pgbouncer_that_gives_up_waiting_for_a_backend_is_believed(
    postgres: str, make_database: MakeDatabase
) -> None:
    """503 as soon as it says so, long before the deadline of a minute; its connection is replaced."""
    with run_pgbouncer(postgres, query_wait_timeout=1) as pgbouncer:
        url = pgbouncer.make_url(make_database())
        with run_impatient_server(url, DATABASE_TIMEOUT="60") as server, open_client(server) as client:
            task = create_task(client, ALICE)
            with hold_backends(url):
                expect_503(client.post(ALICE.tasks, json={"title": "In vain"}), UNAVAILABLE)
            expect_recovery(client, [task])


def test_a_postgresql_that_lets_nobody_in_is_asked_again(postgres: str, make_database: MakeDatabase) -> None:
    """503 in time; it serves again when PgBouncer looks for it, as it does every 15 seconds unless told otherwise."""
    database_url = make_database()
    name = str(conninfo_to_dict(database_url)["dbname"])
    with (
        run_pgbouncer(postgres, server_login_retry=1) as pgbouncer,
        run_impatient_server(pgbouncer.make_url(database_url)) as server,
        open_client(server) as client,
        psycopg.connect(postgres, autocommit=True) as admin,
    ):
        task = create_task(client, ALICE)
        admin.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(Identifier(name)))
        try:
            admin.execute(END_BACKENDS, [name])
            expect_outage(client)
        finally:
            admin.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(Identifier(name)))
        expect_recovery(client, [task])
