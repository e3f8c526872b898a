"""What clients, and readers of the log, see of a database's fault and of its end."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic

import httpx
import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from tests.conftest import make_url
from tests.support.cast import ALICE, BOB, SECRET
from tests.support.faults import DEADLINE, TIMED_OUT, UNAVAILABLE, expect_503, open_client, run_impatient_server
from tests.support.problems import expect_problem
from tests.support.server import Server
from tests.support.waiting import wait_for

RECOVERY_SECONDS = 2
"""How long after the end of a fault the server may take to serve again, without a restart."""

LONG_SECONDS = 2

HOST_NAME = "private-database.example"
"""What the servers here know their database by; no log may name it."""

ORIGIN = "http://localhost:3000"


@contextmanager
def run_observed_server(database_url: str, **variables: str) -> Iterator[tuple[Server, httpx.Client]]:
    """Run a server, and give it with Alice's client, a browser at an origin that may call.

    At the end, its log holds no trace, and nothing of the way to the database.
    """
    parameters = {"password": "private-word", **conninfo_to_dict(database_url)}
    if parameters["host"] != HOST_NAME:
        parameters |= {"host": HOST_NAME, "hostaddr": parameters["host"]}
    with run_impatient_server(make_url(parameters), **variables) as server, open_client(server) as client:
        client.headers["Origin"] = ORIGIN
        yield server, client
        log = server.read_log()
        assert "Traceback" not in log
        for private in (str(parameters["password"]), HOST_NAME, f"port {parameters['port']}", SECRET):
            assert private not in log


def expect_outage(client: httpx.Client) -> None:
    """A request that needs the database has its 503, whole and in time; one that needs none has its answer."""
    expect_one_503(client, UNAVAILABLE, TIMED_OUT)
    nobody = {"Authorization": ""}
    refused = expect_problem(401, 'Not authenticated; send the header "Authorization: Bearer <token>".')
    others = expect_problem(403, "The user_id in the path is not the user of the token.")
    mistake = expect_problem(422, "title is required.", title="is required")
    assert client.get(ALICE.tasks, headers=nobody).json() == refused
    assert client.get(BOB.tasks).json() == others
    assert client.post(ALICE.tasks, json={}).json() == mistake
    assert client.get("/docs").status_code == 200


def expect_long_outage(client: httpx.Client) -> None:
    """The same, for as long as it takes until the server tries to connect as rarely as it ever does."""
    until = monotonic() + LONG_SECONDS
    while monotonic() < until:
        expect_outage(client)


def expect_one_503(client: httpx.Client, *problems: dict[str, object]) -> None:
    """The answer to a request is one of these, before twice the deadline is over."""
    started = monotonic()
    response = client.get(ALICE.tasks)
    assert monotonic() - started < 2 * DEADLINE
    assert response.json() in problems
    expect_503(response, response.json())
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert len(response.headers["X-Request-Id"]) == 32


def expect_recovery(client: httpx.Client, expected: object) -> None:
    """A little after the end of a fault, which is now, the list is there again, and the server stays well."""
    wait_for_recovery(lambda: client.get(ALICE.tasks))
    for _ in range(20):
        assert client.get(ALICE.tasks).json() == expected


def wait_for_recovery(ask: Callable[[], httpx.Response]) -> None:
    """Ask until the answer is no longer 503."""
    ended = monotonic()
    wait_for(lambda: ask().status_code != 503, 10 * RECOVERY_SECONDS)
    assert monotonic() - ended < RECOVERY_SECONDS


def ask_at_once(client: httpx.Client, requests: int) -> list[tuple[httpx.Response, float]]:
    """Send requests that need the database all at once; give the answers, and how long each was waited for."""

    def ask() -> tuple[httpx.Response, float]:
        started = monotonic()
        return client.get(ALICE.tasks), monotonic() - started

    with ThreadPoolExecutor(requests) as pool:
        return [future.result() for future in [pool.submit(ask) for _ in range(requests)]]


def configure(admin: psycopg.Connection, name: str, value: str) -> None:
    """Change what new sessions of the database begin with."""
    statement = SQL("ALTER DATABASE {} SET {} = {}")
    admin.execute(statement.format(Identifier(admin.info.dbname), Identifier(name), value))


def terminate_backends(admin: psycopg.Connection, *, waiting: bool = False) -> None:
    """End the other sessions of the database, or those of them that wait for a lock; wait for their end."""
    admin.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND (NOT %s OR wait_event_type = 'Lock')",
        [waiting],
    )


def wait_for_waiting(admin: psycopg.Connection, sessions: int) -> None:
    """Wait until so many sessions of the database wait for a lock."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    wait_for(lambda: admin.execute(waiting).rowcount == sessions, 10)
