"""What a failure of a statement means for the client, provoked in PostgreSQL: 503 with advice, or a constant 500."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg
import pytest

from tests.conftest import MakeDatabase
from tests.support.cast import ALICE
from tests.support.contract import check_response
from tests.support.faults import TIMED_OUT, UNAVAILABLE, expect_503, open_client, run_impatient_server
from tests.support.outages import configure, wait_for_waiting
from tests.support.problems import expect_problem
from tests.support.server import Server
from tests.support.tasks import create_task, expect_task

PRIVATE = "Pr1v8te"
"""Stands in what the user writes and in what PostgreSQL says of it, and must not be found in the log."""

DEFECT = expect_problem(500, "The server met an unexpected error.")

FAIL_AS_TOLD = f"""
    CREATE FUNCTION fail_as_told() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION USING ERRCODE = right(NEW.title, 5), MESSAGE = '{PRIVATE}: ' || NEW.title, DETAIL = '{PRIVATE}';
    END $$;
    CREATE TRIGGER fail AFTER INSERT OR UPDATE ON tasks FOR EACH ROW WHEN (NEW.title LIKE '{PRIVATE}%')
    EXECUTE FUNCTION fail_as_told();
"""

# Whoever changes a task takes two locks after it: one that shows that the task is changed, and one more.
TAKE_MORE_LOCKS = """
    CREATE FUNCTION take_more_locks() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_advisory_xact_lock(1);
      PERFORM pg_advisory_xact_lock(2);
      RETURN NULL;
    END $$;
    CREATE TRIGGER lock AFTER UPDATE ON tasks FOR EACH ROW WHEN (NEW.title = 'Entangled')
    EXECUTE FUNCTION take_more_locks();
"""

PATIENT = {"DATABASE_TIMEOUT": "10"}
"""For what must end by the database's doing, and not by our own deadline."""

PASSING = {
    "connection exception": "08000",
    "connection failure": "08006",
    "protocol violation": "08P01",
    "read-only transaction": "25006",
    "idle in transaction": "25P03",
    "serialisation failure": "40001",
    "deadlock": "40P01",
    "insufficient resources": "53000",
    "disk full": "53100",
    "out of memory": "53200",
    "too many connections": "53300",
    "lock not available": "55P03",
    "operator intervention": "57000",
    "admin shutdown": "57P01",
    "crash shutdown": "57P02",
    "cannot connect now": "57P03",
    "database dropped": "57P04",
    "idle session": "57P05",
    "system error": "58000",
    "input or output": "58030",
}
LASTING = {
    "data exception": "22000",
    "text too long": "22001",
    "not a character": "22021",
    "not null": "23502",
    "unique": "23505",
    "check": "23514",
    "transaction aborted": "25P02",
    "triggered change": "27000",
    "trigger protocol": "39P01",
    "privileges": "42501",
    "syntax": "42601",
    "no such column": "42703",
    "no such table": "42P01",
    "too complex": "54001",
    "not in the right state": "55000",
    "foreign data": "HV000",
    "raised by a function": "P0001",
    "internal error": "XX000",
    "data corrupted": "XX001",
    "a state of nobody's": "ZZ999",
}


@pytest.fixture(scope="module")
def database_url(make_database: MakeDatabase) -> str:
    return make_database()


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[Server]:
    """A server whose database fails a task whose title tells it to."""
    with run_impatient_server(database_url, **PATIENT) as running, psycopg.connect(database_url) as admin:
        admin.execute(FAIL_AS_TOLD)
        admin.commit()
        yield running
        assert PRIVATE not in running.read_log()


@pytest.fixture
def client(server: Server, database_url: str) -> Iterator[httpx.Client]:
    """Alice's client; there is no task when the test begins."""
    with psycopg.connect(database_url, autocommit=True) as admin, open_client(server) as alice:
        admin.execute("TRUNCATE tasks")
        yield alice


def fail_to_write(client: httpx.Client, state: str) -> Iterator[httpx.Response]:
    """Have a new task and a change to one fail; whatever comes of it, nothing is left and the server serves on."""
    task = create_task(client, ALICE)
    path = f"{ALICE.tasks}/{task['id']}"
    yield client.post(ALICE.tasks, json={"title": f"{PRIVATE} {state}"})
    yield client.patch(path, json={"title": f"{PRIVATE} {state}", "is_completed": True})
    assert client.get(ALICE.tasks).json() == [task]


@pytest.mark.parametrize("state", PASSING.values(), ids=PASSING.keys())
def test_what_will_pass_is_503(state: str, server: Server, client: httpx.Client) -> None:
    """The client may ask again. The log names the SQLSTATE in one line each, without a trace."""
    before = server.read_log()
    for response in fail_to_write(client, state):
        expect_503(response, UNAVAILABLE)
    log = server.read_log().removeprefix(before)
    assert len(re.findall(rf" warning answering 503: \w+ {state} ", log)) == 2
    assert "Traceback" not in log


def test_a_statement_that_is_cancelled_has_run_out_of_time(client: httpx.Client) -> None:
    """By an operator, or by a limit of the database's own."""
    for response in fail_to_write(client, "57014"):
        expect_503(response, TIMED_OUT)


@pytest.mark.parametrize("state", LASTING.values(), ids=LASTING.keys())
def test_what_will_not_pass_is_500(state: str, server: Server, client: httpx.Client) -> None:
    """To ask again would not help. The trace names the SQLSTATE, and nothing that somebody wrote."""
    for response in fail_to_write(client, state):
        check_response(response)
        assert response.json() == DEFECT
        assert "Retry-After" not in response.headers
    traces = server.read_log().split("Traceback (most recent call last):\n")
    assert [trace for trace in traces if f" {state}\n" in trace] == traces[-2:]
    assert ("RowExists: " if state == LASTING["unique"] else "DatabaseDefect: ") in traces[-1]


def test_a_deadlock_is_503(make_database: MakeDatabase) -> None:
    """PostgreSQL ends our side of it: nothing of it is done, the other side goes on, and so do we."""
    url = make_database()
    with (
        psycopg.connect(url, autocommit=True) as admin,
        psycopg.connect(url) as other,
        ThreadPoolExecutor() as pool,
    ):
        configure(admin, "deadlock_timeout", "50ms")
        other.execute("SET deadlock_timeout = '1min'")  # who looks first is the one that is ended
        with run_impatient_server(url, **PATIENT) as server, open_client(server) as client:
            task = create_task(client, ALICE)
            path = f"{ALICE.tasks}/{task['id']}"
            admin.execute(TAKE_MORE_LOCKS)
            admin.execute("SELECT pg_advisory_lock(1)")
            other.execute("SELECT pg_advisory_xact_lock(2)")
            request = pool.submit(client.patch, path, json={"title": "Entangled", "is_completed": True})
            wait_for_waiting(admin, 1)
            others = pool.submit(other.execute, "UPDATE tasks SET title = 'The other one'")
            wait_for_waiting(admin, 2)
            admin.execute("SELECT pg_advisory_unlock(1)")
            expect_503(request.result(), UNAVAILABLE)
            others.result()
            other.commit()
            assert "DeadlockDetected 40P01" in server.read_log()
            assert client.get(path).json() == {**task, "title": "The other one"}
            assert client.patch(path, json={"title": "Entangled"}).json()["title"] == "Entangled"


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_serialisation_failure_is_503(level: str, make_database: MakeDatabase) -> None:
    """Where the database is stricter than by default, and somebody else has changed the task first."""
    url = make_database()
    with psycopg.connect(url, autocommit=True) as admin, psycopg.connect(url) as other, ThreadPoolExecutor() as pool:
        configure(admin, "default_transaction_isolation", level)
        with run_impatient_server(url, **PATIENT) as server, open_client(server) as client:
            task = create_task(client, ALICE)
            path = f"{ALICE.tasks}/{task['id']}"
            other.execute("UPDATE tasks SET title = 'The other one'")
            request = pool.submit(client.patch, path, json={"title": "Ours"})
            wait_for_waiting(admin, 1)
            other.commit()
            expect_503(request.result(), UNAVAILABLE)
            assert "SerializationFailure 40001" in server.read_log()
            assert client.get(path).json() == {**task, "title": "The other one"}
            changed = client.patch(path, json={"title": "Ours"}).json()
            assert changed == expect_task(ALICE, id=task["id"], title="Ours")
