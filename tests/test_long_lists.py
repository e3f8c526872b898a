"""Lists of more than one page: whole and in order, at the client's pace, and never cut short without a sign."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import psycopg
import pytest

from taskflow.database.statements import PAGE_BYTES, PAGE_ROWS
from tests.conftest import MakeDatabase
from tests.support.cast import ALICE, BOB
from tests.support.lists import MANY, begin_to_read, fill
from tests.support.logs import Scene, find_requests, open_scene
from tests.support.problems import expect_problem
from tests.support.server import Server, read_peak_memory
from tests.support.tasks import create_task, expect_task
from tests.support.waiting import wait_for
from tests.support.wire import connect, write_head

READERS = 20


@pytest.fixture
def scene(make_database: MakeDatabase) -> Iterator[Scene]:
    """A server with one connection to its database, and a short deadline."""
    with open_scene(make_database(), DATABASE_POOL_SIZE="1", DATABASE_TIMEOUT="0.5") as opened:
        yield opened


@pytest.mark.parametrize("count", [PAGE_ROWS - 1, PAGE_ROWS, PAGE_ROWS + 1, 2 * PAGE_ROWS, 5 * PAGE_ROWS // 2])
def test_every_task_is_there_once_and_in_order(count: int, alice: httpx.Client, database: psycopg.Connection) -> None:
    """Whether the last page is full or not."""
    fill(database, count)
    assert alice.get(ALICE.tasks).json() == [
        expect_task(ALICE, id=number, title=str(number)) for number in range(1, count + 1)
    ]


def test_large_descriptions_end_a_page_early(alice: httpx.Client) -> None:
    """Or a page could be of a gigabyte."""
    descriptions = ["é" * (PAGE_BYTES // 5), "b" * (PAGE_BYTES - 100), "c", "", None, "d" * (PAGE_BYTES - 100), "e"]
    tasks = [create_task(alice, ALICE, description=description) for description in descriptions]
    response = alice.get(ALICE.tasks)
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert response.json() == tasks


def test_a_list_of_one_page_says_how_long_it_is(alice: httpx.Client, database: psycopg.Connection) -> None:
    """Only what is not known is left out."""
    fill(database, PAGE_ROWS // 2)
    response = alice.get(ALICE.tasks)
    assert response.headers["Content-Length"] == str(len(response.content))
    assert "Transfer-Encoding" not in response.headers


def test_head_of_a_long_list_has_no_body(alice: httpx.Client, database: psycopg.Connection) -> None:
    """RFC 9110, section 9.3.2; the connection is good for more."""
    fill(database, 2 * PAGE_ROWS)
    head = alice.head(ALICE.tasks)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == "application/json"
    assert len(alice.get(ALICE.tasks).json()) == 2 * PAGE_ROWS


def test_a_slow_reader_holds_no_connection(scene: Scene) -> None:
    """There is but one, and the others are answered all the while."""
    fill(scene.database, MANY)
    with begin_to_read(scene) as (beginning, parts):
        for _ in range(20):
            assert scene.client.get(BOB.tasks, headers=BOB.headers).json() == []
        assert len(json.loads(beginning + b"".join(parts))) == MANY


def test_what_is_there_throughout_is_listed_once_whatever_else_comes_and_goes(scene: Scene) -> None:
    """Tasks are deleted, changed and created while the list is read."""
    fill(scene.database, MANY)
    with begin_to_read(scene) as (beginning, parts):
        scene.database.execute("DELETE FROM tasks WHERE id % 2 = 0")
        scene.database.execute("UPDATE tasks SET title = 'changed' WHERE id % 3 = 0")
        fill(scene.database, 10)
        tasks = json.loads(beginning + b"".join(parts))
    ids = [task["id"] for task in tasks]
    assert ids == sorted(set(ids))
    assert set(range(1, MANY, 2)) <= set(ids)
    # Had all of it been on its way before the changes, this test would prove nothing.
    assert len(ids) < MANY


def test_http_1_0_gets_a_long_list_whole(server: Server, alice: httpx.Client, database: psycopg.Connection) -> None:
    """It knows no chunks, and would take a list that breaks off for all of it."""
    fill(database, 3 * PAGE_ROWS)
    with connect(server) as wire:
        wire.send(write_head("GET", b"/api/alice/tasks", user=ALICE).replace(b"HTTP/1.1", b"HTTP/1.0"))
        answer = wire.read_answer()
    assert "Transfer-Encoding" not in answer.headers
    assert answer.json() == alice.get(ALICE.tasks).json()
    assert len(answer.json()) == 3 * PAGE_ROWS


def test_a_list_too_long_for_http_1_0_is_refused(scene: Scene) -> None:
    """All of it would have to be in memory at once. By HTTP/1.1 it is to be had."""
    fill_with_controls(scene.database, 20)
    with connect(scene.server) as wire:
        wire.send(write_head("GET", ALICE.tasks.encode(), user=ALICE).replace(b"HTTP/1.1", b"HTTP/1.0"))
        answer = wire.read_answer()
    sentence = "The list is too long for HTTP/1.0, which knows no parts; ask for it by HTTP/1.1."
    assert (answer.status_code, answer.json()) == (505, expect_problem(505, sentence))
    assert len(scene.client.get(ALICE.tasks, headers=ALICE.headers).json()) == 20


def test_a_slow_reader_costs_a_page_of_memory_and_little_more(scene: Scene) -> None:
    """A page is a megabyte as PostgreSQL stores it, and six at the most as JSON."""
    fill_with_controls(scene.database, 60)
    before = read_peak_memory(scene.server)
    with ExitStack() as readers:
        for _ in range(READERS):
            wire = readers.enter_context(connect(scene.server))
            wire.send(write_head("GET", ALICE.tasks.encode(), user=ALICE))
            assert len(wire.read_part(1000)) == 1000
        assert read_peak_memory(scene.server) - before < READERS * 12_000


def fill_with_controls(database: psycopg.Connection, number: int) -> None:
    """Give Alice so many tasks, each a megabyte as JSON."""
    database.execute("TRUNCATE tasks RESTART IDENTITY")
    database.execute(
        "INSERT INTO tasks (user_id, title, description)"
        " SELECT %s, 'Buy groceries', repeat(chr(1), 170000) FROM generate_series(1, %s)",
        [ALICE.id, number],
    )


def test_a_list_whose_reader_has_gone_is_not_read_on(scene: Scene) -> None:
    """Or many who ask and leave would keep the database busy."""
    fill(scene.database, MANY)
    with begin_to_read(scene):
        pass

    def find_line() -> dict[str, Any] | None:
        return next((line for line in find_requests(scene.server) if line["path"] == ALICE.tasks), None)

    assert wait_for(find_line, 10)["reason"] == "broken off"


def test_a_list_that_cannot_go_on_is_broken_off(scene: Scene) -> None:
    """The client sees a broken transfer, the log says so, and the next request is answered."""
    fill(scene.database, MANY)
    with (
        psycopg.connect(scene.database_url) as locker,
        begin_to_read(scene) as (_, parts),
    ):
        locker.execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(httpx.RemoteProtocolError):
            list(parts)
        locker.rollback()
        wait_for(lambda: scene.client.get(BOB.tasks, headers=BOB.headers).json() == [], 10)
    (line,) = (line for line in find_requests(scene.server) if line.get("reason") == "broken off")
    assert line["status"] == 200
    assert "Traceback" not in scene.server.read_log()
