"""Searches that are meant to hurt: other users notice nothing, and what nobody waits for is not done."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from threading import Event
from time import monotonic
from urllib.parse import quote

import httpx
import psycopg
import pytest

from tests.conftest import MakeDatabase
from tests.support.cast import ALICE, BOB, User
from tests.support.faults import TIMED_OUT, expect_503, open_client, run_impatient_server
from tests.support.server import Server
from tests.support.tasks import create_task
from tests.support.waiting import wait_for
from tests.support.wire import Wire, connect, write_head

ATTACKERS = 10
REQUESTS = 40
"""How many requests the other user sends meanwhile."""

PATIENCE_SECONDS = 20

NEARLY = {"first": "b" + "a" * 199, "last": "a" * 199 + "b", "middle": "a" * 100 + "b" + "a" * 99}
"""Searches that nearly fit everywhere in a text of `a` alone, by the place of the wrong letter."""

COSTLY = "e\u0301" * 333_000
"""A text that takes as long to search as any."""

ACTIVE = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()"
)


@pytest.fixture(scope="module")
def database_url(make_database: MakeDatabase) -> str:
    return make_database()


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[Server]:
    """A server as it comes, with long texts of Alice's."""
    with run_impatient_server(database_url, DATABASE_TIMEOUT="5") as running:
        with psycopg.connect(database_url, autocommit=True) as admin:
            insert = (
                "INSERT INTO tasks (user_id, title, description) SELECT 'alice', 'x', %s FROM generate_series(1, %s)"
            )
            admin.execute(insert, ["a" * 1_000_000, 10])
            admin.execute(insert, [COSTLY, 3])
        yield running
        assert "Traceback" not in running.read_log()


def search(server: Server, text: str, end: Event) -> None:
    """Search again and again, and wait for each answer."""
    with open_client(server) as client:
        while not end.is_set():
            read_or_lose(client, q=text)


def search_and_leave(server: Server, text: str, end: Event) -> None:
    """Search again and again, and wait for nothing but a moment."""
    while not end.wait(0.05):
        with connect(server) as wire:
            send_search(wire, ALICE, text)


def list_by_title(server: Server, _text: str, end: Event) -> None:
    """Read all long texts again and again."""
    with open_client(server) as client:
        while not end.is_set():
            read_or_lose(client, sort="title")


def read_or_lose(client: httpx.Client, **parameters: str) -> None:
    """Read a list, which may be refused, or broken off where a later page of it takes too long."""
    with suppress(httpx.RemoteProtocolError):
        assert client.get(ALICE.tasks, params=parameters).status_code in {200, 503}


def send_search(wire: Wire, user: User, text: str) -> None:
    wire.send(write_head("GET", f"{user.tasks}?q={quote(text)}".encode(), user=user))


ATTACKS = [
    *((attack, text) for attack in (search, search_and_leave) for text in [*NEARLY.values(), "\u00e9" * 200]),
    (list_by_title, ""),
]


@pytest.mark.parametrize(
    ("attack", "text"),
    ATTACKS,
    ids=[f"{attack.__name__}-{name}" for attack in (search, search_and_leave) for name in [*NEARLY, "composed"]]
    + ["list_by_title"],
)
def test_one_users_searches_are_nothing_to_another(
    attack: Callable[[Server, str, Event], None], text: str, server: Server
) -> None:
    """Bob is answered all the while, and soon; the server is ready."""
    end = Event()
    with open_client(server, BOB) as bob, ThreadPoolExecutor(ATTACKERS) as pool:
        path = f"{BOB.tasks}/{create_task(bob, BOB)['id']}"
        attackers = [pool.submit(attack, server, text, end) for _ in range(ATTACKERS)]
        try:
            seconds = sorted(measure(bob, path) for _ in range(REQUESTS))
            assert bob.get("/readyz").status_code == 200
        finally:
            end.set()
        for attacker in attackers:
            attacker.result()
    # Without shares it was 1.3 seconds and more, in the median. Alone it is a few milliseconds.
    assert seconds[int(0.95 * REQUESTS)] < 1


def measure(client: httpx.Client, path: str) -> float:
    """Give the seconds that a get takes."""
    started = monotonic()
    response = client.get(path)
    assert response.status_code == 200, response.text
    return monotonic() - started


def test_another_users_search_has_its_turn(server: Server) -> None:
    """However many of Alice's searches came before."""
    with open_client(server, BOB) as bob, ExitStack() as wires:
        task = create_task(bob, BOB, title="Milk")
        for _ in range(40):
            send_search(wires.enter_context(connect(server)), ALICE, "\u00e9" * 200)
        assert bob.get(BOB.tasks, params={"q": "milk"}).json() == [task]


def close(_: Wire) -> None:
    """Leave in good order: the connection is closed when its block ends."""


@pytest.mark.parametrize("leave", [close, Wire.reset], ids=["in good order", "by a reset"])
def test_what_waits_for_a_client_that_has_gone_is_not_begun(
    leave: Callable[[Wire], None], make_database: MakeDatabase
) -> None:
    """It leaves the queue before its deadline: reads, searches and writes alike."""
    url = make_database()
    with (
        run_impatient_server(
            url, DATABASE_TIMEOUT="60", DATABASE_SEARCH_TIMEOUT="60", DATABASE_POOL_SIZE="1"
        ) as server,
        open_client(server) as client,
        psycopg.connect(url) as locker,
        ThreadPoolExecutor(1) as pool,
    ):
        task = create_task(client, ALICE)
        locker.execute("SELECT * FROM tasks FOR UPDATE")
        patch = pool.submit(client.patch, f"{ALICE.tasks}/{task['id']}", json={"is_completed": True})
        body = b'{"title": "Too late"}'
        length = b"Content-Length: %d" % len(body)
        leavers = [
            write_head("GET", ALICE.tasks.encode(), user=ALICE),
            write_head("GET", f"{BOB.tasks}?q=milk&sort=title".encode(), user=BOB),
            write_head("POST", ALICE.tasks.encode(), length, user=ALICE) + body,
            write_head("POST", BOB.tasks.encode(), length, b"Idempotency-Key: 1", user=BOB) + body,
        ] * 5
        with psycopg.connect(url, autocommit=True) as admin:
            wait_for(lambda: admin.execute(ACTIVE).fetchone() == (1,), PATIENCE_SECONDS)
        for request in leavers:
            with connect(server) as wire:
                wire.send(request)
                leave(wire)
        wait_for(lambda: server.read_log().count(" 499 ") == len(leavers), PATIENCE_SECONDS)
        assert not patch.done()
        locker.rollback()
        assert patch.result().status_code == 200
        assert client.get(ALICE.tasks).json() == [patch.result().json()]
        assert client.get(BOB.tasks, headers=BOB.headers).json() == []


def test_a_client_that_has_said_its_last_and_waits_is_answered(make_database: MakeDatabase) -> None:
    """It is told now and then to wait, which tells it from one that has gone (RFC 9110, section 15.2.1)."""
    url = make_database()
    with (
        run_impatient_server(url, DATABASE_TIMEOUT="30") as server,
        psycopg.connect(url) as locker,
        connect(server) as wire,
    ):
        locker.execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        wire.send(write_head("GET", ALICE.tasks.encode(), user=ALICE))
        wire.end()
        assert [wire.read_answer().status_code for _ in range(3)] == [100, 100, 100]
        locker.rollback()
        answer = wire.read_answer()
        while answer.status_code == 100:
            answer = wire.read_answer()
        assert (answer.status_code, answer.json()) == (200, [])


def test_a_search_is_stopped_when_its_client_has_gone(make_database: MakeDatabase) -> None:
    """It would take half a minute; its connection is replaced."""
    url = make_database()
    with (
        run_impatient_server(url, DATABASE_TIMEOUT="60", DATABASE_SEARCH_TIMEOUT="60") as server,
        open_client(server) as client,
        psycopg.connect(url, autocommit=True) as admin,
    ):
        create_task(client, ALICE, description="e\u0301" * 170_000)
        admin.execute(
            "INSERT INTO tasks (user_id, title, description)"
            " SELECT 'alice', 'x', description FROM tasks, generate_series(1, 300)"
        )
        with connect(server) as wire:
            send_search(wire, ALICE, "\u00e9\u00e8")
            wait_for(lambda: admin.execute(ACTIVE).fetchone() == (1,), PATIENCE_SECONDS)
        wait_for(lambda: admin.execute(ACTIVE).fetchone() == (0,), 10)
        wait_for(lambda: " 499 " in server.read_log(), PATIENCE_SECONDS)
        assert "503" not in server.read_log()
        assert client.get(ALICE.tasks, params={"limit": 1}).status_code == 200


def test_a_search_has_a_deadline_of_its_own(make_database: MakeDatabase) -> None:
    """Shorter than that of other statements, which go on."""
    url = make_database()
    with (
        run_impatient_server(url, DATABASE_TIMEOUT="30", DATABASE_SEARCH_TIMEOUT="0.5") as server,
        open_client(server) as client,
        psycopg.connect(url) as locker,
        ThreadPoolExecutor(2) as pool,
    ):
        locker.execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        plain = pool.submit(client.get, ALICE.tasks)
        for query in ("?q=milk", "?sort=title", "?q=milk&limit=5&sort=-id"):
            expect_503(client.get(ALICE.tasks + query), TIMED_OUT)
        assert not plain.done()
        locker.rollback()
        assert plain.result().json() == []
