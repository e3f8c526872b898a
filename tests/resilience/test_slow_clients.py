"""Clients that send slowly, take nothing, or say nothing: they are ended in time, and nobody else notices them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from taskflow.server.transport import LITTLE_BYTES
from tests.conftest import MakeDatabase
from tests.support.cast import ALICE, BOB
from tests.support.faults import open_client, run_impatient_server
from tests.support.problems import expect_problem
from tests.support.processes import count_connections, count_files
from tests.support.server import Server
from tests.support.tasks import create_task, expect_task
from tests.support.waiting import let_time_pass, wait_for
from tests.support.wire import Wire, connect, write_head

CLIENT_TIMEOUT = 2.0
CROWD = 300

TOO_SLOW = expect_problem(408, "The request was not complete after 2 seconds.")
BODY = b'{"title": "Buy groceries"}'
HALF_A_HEAD = write_head("GET", ALICE.tasks.encode())[:-4]
HALF_A_BODY = write_head("POST", ALICE.tasks.encode(), b"Content-Length: %d" % len(BODY), user=ALICE) + BODY[:9]
HALF_A_BODY_OF_NOBODY = write_head("POST", ALICE.tasks.encode(), b"Content-Length: %d" % len(BODY)) + BODY[:9]
HALF_A_CHUNK = (
    write_head("POST", ALICE.tasks.encode(), b"Transfer-Encoding: chunked", user=ALICE) + b"1a\r\n" + BODY[:9]
)


@pytest.fixture(scope="module")
def database_url(make_database: MakeDatabase) -> str:
    return make_database()


@pytest.fixture(scope="module")
def server(database_url: str) -> Iterator[Server]:
    """A server that gives its clients two seconds."""
    with run_impatient_server(database_url, CLIENT_TIMEOUT=str(CLIENT_TIMEOUT), DATABASE_TIMEOUT="5") as running:
        yield running


@pytest.fixture
def client(server: Server, database_url: str) -> Iterator[httpx.Client]:
    with psycopg.connect(database_url, autocommit=True) as admin, open_client(server) as alice:
        admin.execute("TRUNCATE tasks RESTART IDENTITY")
        yield alice


@pytest.mark.parametrize(
    "sent",
    [b"G", HALF_A_HEAD, HALF_A_BODY, HALF_A_CHUNK, HALF_A_CHUNK[:-9]],
    ids=["one byte", "half a head", "half a body", "half a chunk", "the size of a chunk"],
)
def test_half_a_request_is_answered_when_its_time_is_over(sent: bytes, server: Server, client: httpx.Client) -> None:
    """And nothing of it is done."""
    started = monotonic()
    with connect(server) as wire:
        wire.send(sent)
        answer = wire.read_answer()
        assert CLIENT_TIMEOUT - 0.1 < monotonic() - started < CLIENT_TIMEOUT + 5
        assert (answer.status_code, answer.json()) == (408, TOO_SLOW)
        assert answer.headers["Connection"] == "close"
        assert wire.read_to_end() == b""
    assert client.get(ALICE.tasks).json() == []


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n\r\n"], ids=["nothing", "an empty line", "two empty lines"])
def test_a_connection_without_a_request_is_closed(sent: bytes, server: Server) -> None:
    """Without a word: nobody has asked."""
    with connect(server) as wire:
        wire.send(sent)
        assert wire.read_to_end() == b""


@pytest.mark.parametrize("sent", [b"", b"\r\n", HALF_A_HEAD])
def test_a_connection_that_was_used_is_closed_too(sent: bytes, server: Server, client: httpx.Client) -> None:
    """What is sent after an answer does not keep it open either."""
    assert client.get(ALICE.tasks).json() == []
    with connect(server) as wire:
        wire.send(write_head("GET", ALICE.tasks.encode(), user=ALICE))
        assert wire.read_answer().json() == []
        wire.send(sent)
        rest = wire.read_to_end()
        assert rest.startswith(b"HTTP/1.1 408 ") if sent == HALF_A_HEAD else rest == b""


def test_a_byte_now_and_then_buys_no_time(server: Server) -> None:
    """The clock runs for the whole request."""
    started = monotonic()
    with connect(server) as wire, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(wire.read_answer)
        for byte in HALF_A_HEAD:
            if answer.done():
                break
            wire.send(bytes([byte]))
            let_time_pass(0.1)
        assert answer.result().json() == TOO_SLOW
        assert monotonic() - started < CLIENT_TIMEOUT + 5


def test_a_refused_body_that_never_comes_is_not_waited_for_longer(server: Server) -> None:
    """The 401 is sent at once; the rest of the body has the same time as any other."""
    with connect(server) as wire:
        wire.send(HALF_A_BODY_OF_NOBODY)
        assert wire.read_answer().status_code == 401
        assert wire.read_to_end() == b""


def test_a_request_in_two_halves_in_time_is_a_request(server: Server, client: httpx.Client) -> None:
    """And so is the next one on the same connection: the clock of the first has stopped."""
    with connect(server) as wire:
        for number in (1, 2):
            wire.send(HALF_A_BODY)
            let_time_pass(0.7 * CLIENT_TIMEOUT)
            wire.send(BODY[9:])
            assert wire.read_answer().json() == expect_task(ALICE, id=number)
    assert len(client.get(ALICE.tasks).json()) == 2


def test_a_slow_database_is_not_the_clients_fault(client: httpx.Client, database_url: str) -> None:
    """A whole request waits for its answer as long as that takes."""
    task = create_task(client, ALICE)
    with psycopg.connect(database_url) as locker, ThreadPoolExecutor(1) as pool:
        locker.execute("SELECT * FROM tasks FOR UPDATE")
        answer = pool.submit(client.patch, f"{ALICE.tasks}/{task['id']}", json={"is_completed": True})
        let_time_pass(CLIENT_TIMEOUT + 0.5)
        assert not answer.done()
        locker.rollback()
        assert answer.result().json()["is_completed"] is True


def test_a_crowd_that_stalls_is_not_noticed_and_is_gone_in_time(server: Server, client: httpx.Client) -> None:
    """300 clients with half a head or half a body: others are served, and afterwards nothing is left of them."""
    files = count_files(server.process.pid)
    with ExitStack() as stack:
        crowd: list[Wire] = []
        for number in range(CROWD):
            wire = stack.enter_context(connect(server))
            wire.send((HALF_A_HEAD, HALF_A_BODY, HALF_A_CHUNK, HALF_A_BODY_OF_NOBODY)[number % 4])
            crowd.append(wire)
        tasks = [create_task(client, ALICE) for _ in range(20)]
        assert client.get(ALICE.tasks).json() == tasks
        started = monotonic()
        for wire in crowd:
            wire.read_to_end()
        assert monotonic() - started < CLIENT_TIMEOUT + 10
    wait_for(lambda: count_files(server.process.pid) <= files + 1, 10)
    assert client.get(ALICE.tasks).json() == tasks


def test_a_client_that_takes_nothing_is_ended(server: Server, client: httpx.Client, database_url: str) -> None:
    """A long list that nobody reads is broken off; meanwhile it holds no connection to the database."""
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(
            "INSERT INTO tasks (user_id, title, description)"
            " SELECT %s, 'Buy groceries', repeat('x', 1000000) FROM generate_series(1, 40)",
            [BOB.id],
        )
    files = count_files(server.process.pid)
    with ExitStack() as stack:
        for _ in range(20):  # more than there are connections to the database
            stack.enter_context(connect(server)).send(write_head("GET", BOB.tasks.encode(), user=BOB))
        task = create_task(client, ALICE)
        wait_for(lambda: count_files(server.process.pid) <= files + 1, CLIENT_TIMEOUT + 20)
        assert client.get(ALICE.tasks).json() == [task]
    assert "Traceback" not in server.read_log()


def test_answers_that_are_complete_and_not_taken_are_thrown_away(server: Server, client: httpx.Client) -> None:
    """Some of the answers to twenty requests sent ahead fit between the two; the connection ends all the same."""
    assert client.get(ALICE.tasks).json() == []
    files = count_files(server.process.pid)
    bundle = write_head("GET", b"/docs/swagger-ui-bundle.js")
    with connect(server) as wire, connect(server) as other:
        wire.send(bundle * 20)
        other.send(bundle * 20, b"rubbish\r\n\r\n")
        wait_for(lambda: count_files(server.process.pid) == files + 2, 10)
        wait_for(lambda: count_files(server.process.pid) <= files, CLIENT_TIMEOUT + 20)


BUNDLE = b"/docs/swagger-ui-bundle.js"


@pytest.mark.parametrize(
    "request_bytes",
    [
        write_head("GET", BUNDLE),
        write_head("GET", BUNDLE, b"Connection: close"),
        write_head("GET", BUNDLE, b"Accept-Encoding: gzip"),
        write_head("GET", BUNDLE) * 3,
        write_head("GET", BUNDLE) + b"rubbish\r\n\r\n",
        b"GET %b HTTP/1.0\r\n\r\n" % BUNDLE,
    ],
    ids=["kept open", "closed", "compressed", "sent ahead", "refused", "HTTP/1.0"],
)
@pytest.mark.parametrize("is_half_closed", [False, True])
def test_an_answer_that_is_not_taken_leaves_nothing_in_the_kernel(
    request_bytes: bytes,
    is_half_closed: bool,
    server: Server,
) -> None:
    """It is bounded for each connection, the connection counts until it is gone, and that is soon."""
    crowd = 10
    port = urlsplit(server.url).port
    assert port is not None
    wait_for(lambda: count_connections(server.process.pid, port) == 0, 20)
    with ExitStack() as stack:
        for _ in range(crowd):
            wire = stack.enter_context(connect(server))
            wire.send(request_bytes)
            if is_half_closed:
                wire.end()
        unsent = wait_for(lambda: sums if len(sums := read_unsent(port)) == crowd else None, 10)
        assert max(unsent) < 300_000
        assert count_connections(server.process.pid, port) == crowd
        wait_for(lambda: count_connections(server.process.pid, port) == 0, 2 * CLIENT_TIMEOUT + 20)
        assert read_unsent(port) == []


def test_a_client_that_takes_its_answer_late_gets_all_of_it(server: Server) -> None:
    """Though the server has said all and would close: by then part of the answer is not sent yet."""
    with connect(server) as wire:
        wire.send(write_head("GET", BUNDLE, b"Connection: close"))
        let_time_pass(CLIENT_TIMEOUT / 2)
        answer = wire.read_answer()
        assert len(answer.content) == int(answer.headers["Content-Length"])
        assert wire.read_to_end() == b""


def read_unsent(port: int) -> list[int]:
    """Return the bytes that the kernel holds for clients of a port, for each connection that has some, open or not."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sizes = [int(row[4].partition(":")[0], 16) for row in rows if int(row[1].partition(":")[2], 16) == port]
    return [size for size in sizes if size > LITTLE_BYTES]


def test_clients_that_ask_ahead_and_leave_are_no_defects(server: Server, client: httpx.Client) -> None:
    """Nobody can fill the log with traces."""
    get = write_head("GET", ALICE.tasks.encode(), user=ALICE)
    chunked = [b"Transfer-Encoding: chunked", b"Expect: 100-continue"]
    for number in range(100):
        with connect(server) as wire:
            wire.send(get * (2 + number % 3), HALF_A_BODY[: number % 50])
            wire.reset()
        with connect(server) as wire:
            wire.send(write_head("POST", ALICE.tasks.encode(), *chunked, user=ALICE), b"z\r\n")
            assert wire.read_answer().status_code == 400
    assert client.get(ALICE.tasks).json() == []
    assert [word for word in ("Traceback", "unexpected error") if word in server.read_log()] == []


def test_a_request_behind_one_that_takes_long_is_not_late(
    server: Server, client: httpx.Client, database_url: str
) -> None:
    """It was not read meanwhile, so its client could not send the rest."""
    path = f"{ALICE.tasks}/{create_task(client, ALICE)['id']}".encode()
    with psycopg.connect(database_url) as locker, connect(server) as wire:
        locker.execute("SELECT * FROM tasks FOR UPDATE")
        wire.send(write_head("DELETE", path, user=ALICE), HALF_A_BODY)
        let_time_pass(CLIENT_TIMEOUT + 0.5)
        locker.rollback()
        assert wire.read_answer().status_code == 204
        wire.send(BODY[9:])
        assert wire.read_answer().json() == expect_task(ALICE, id=2)


def test_every_request_has_its_own_time(server: Server, client: httpx.Client) -> None:
    """A client that has always begun the next request before it reads an answer is not slow."""
    get = write_head("GET", ALICE.tasks.encode(), user=ALICE)
    assert client.get(ALICE.tasks).json() == []
    with connect(server) as wire:
        wire.send(get[:20])
        started = monotonic()
        while monotonic() - started < 2 * CLIENT_TIMEOUT:
            wire.send(get[20:], get[:20])
            assert wire.read_answer().json() == []
            let_time_pass(0.05)


@pytest.mark.parametrize("headers", [[b"Connection: close"], [b"Connection: Upgrade", b"Upgrade: h2c"]])
def test_a_slow_reader_is_not_one_that_takes_nothing(
    headers: list[bytes], server: Server, client: httpx.Client, database_url: str
) -> None:
    """It gets the whole of a long list, though that takes several times CLIENT_TIMEOUT."""
    assert client.get(ALICE.tasks).json() == []
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(
            "INSERT INTO tasks (user_id, title, description)"
            " SELECT %s, 'Buy groceries', repeat('x', 1000000) FROM generate_series(1, 25)",
            [BOB.id],
        )
    started = monotonic()
    with connect(server) as wire:
        head = write_head("GET", BOB.tasks.encode(), *headers, user=BOB)
        wire.send(head[:20])
        let_time_pass(0.1)
        wire.send(head[20:])
        parts = []
        # So slowly that the kernel, which holds megabytes, has nothing to take for several times CLIENT_TIMEOUT.
        while monotonic() - started < 3 * CLIENT_TIMEOUT:
            parts.append(wire.read_part(20_000))
            let_time_pass(0.1)
        while part := wire.read_part(500_000):
            parts.append(part)
            let_time_pass(0.1)
    assert monotonic() - started > 2 * CLIENT_TIMEOUT
    answer = b"".join(parts)
    assert answer.endswith(b"]\r\n0\r\n\r\n")
    assert answer.count(b'"title"') == 25
