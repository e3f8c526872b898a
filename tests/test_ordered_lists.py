"""Long lists in another order than that of ids: their order is read once, and their tasks page by page."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from taskflow.database.statements import ORDER_ROWS, PAGE_BYTES, PAGE_ROWS, PLACES
from tests.conftest import MakeDatabase
from tests.support.cast import ALICE
from tests.support.lists import begin_to_read, fill
from tests.support.logs import Scene, open_scene
from tests.support.traces import Collector, trace_scene, wait_for_names, wait_for_spans


@pytest.fixture(scope="module")
def shared_scene(make_database: MakeDatabase, collector: Collector) -> Iterator[Scene]:
    with trace_scene(make_database(), collector, DATABASE_TIMEOUT="20", DATABASE_SEARCH_TIMEOUT="20") as opened:
        wait_for_spans(collector, 1)  # of the removal of old keys, which the server begins with
        yield opened


@pytest.fixture
def patient_scene(shared_scene: Scene, collector: Collector) -> Scene:
    """A server with time enough to sort many tasks, whose statements are traced; the table is empty."""
    shared_scene.database.execute("TRUNCATE tasks RESTART IDENTITY")
    collector.bodies.clear()
    return shared_scene


ORDERED = [
    (sort, query)
    for sort in ("title", "-title", "created_at", "-created_at", "updated_at", "-updated_at")
    for query in ({}, {"q": "Milk"}, {"is_completed": "true"}, {"is_completed": "false", "q": "milk"})
]


@pytest.fixture(scope="module")
def unordered(make_database: MakeDatabase) -> Iterator[tuple[httpx.Client, list[dict[str, Any]]]]:
    """Alice's client, and eleven thousand tasks of hers, of which many are equal in each order."""
    with open_scene(make_database(), DATABASE_TIMEOUT="20", DATABASE_SEARCH_TIMEOUT="20") as scene:
        fill_unordered(scene.database)
        scene.client.headers.update(ALICE.headers)
        yield scene.client, scene.client.get(ALICE.tasks).json()


def fill_unordered(database: psycopg.Connection) -> None:
    """Give Alice tasks of which many are equal in each order."""
    database.execute(
        "INSERT INTO tasks (user_id, title, is_completed, created_at, updated_at)"
        " SELECT 'alice', n * 7919 % 700 || CASE WHEN n % 12 < 11 THEN ' milk' ELSE ' eggs' END, n % 2 = 0,"
        " '2026-01-05Z'::timestamptz + n * 31 % 900 * interval '1 second',"
        " '2026-01-06Z'::timestamptz + n * 17 % 800 * interval '1 second' FROM generate_series(1, 11000) AS n"
    )


@pytest.mark.parametrize(("sort", "query"), ORDERED, ids=str)
def test_a_long_list_comes_in_the_order_that_is_asked_for(
    unordered: tuple[httpx.Client, list[dict[str, Any]]], sort: str, query: dict[str, str]
) -> None:
    """Over several pages, with equal tasks on both sides of each page's end."""
    client, tasks = unordered
    wanted = [
        task
        for task in tasks
        if ("q" not in query or "milk" in task["title"])
        and ("is_completed" not in query or task["is_completed"] is (query["is_completed"] == "true"))
    ]
    wanted.sort(key=lambda task: (task[sort.removeprefix("-")], task["id"]), reverse=sort.startswith("-"))
    assert len(wanted) > 2 * PAGE_ROWS
    assert client.get(ALICE.tasks, params={"sort": sort, **query}).json() == wanted


def test_a_list_longer_than_one_order_is_whole(alice: httpx.Client, database: psycopg.Connection) -> None:
    """A further part of the order is read after the last task of the one before."""
    database.execute(
        "INSERT INTO tasks (user_id, title) SELECT 'alice', n * 7919 %% 1009 FROM generate_series(1, %s) AS n",
        [ORDER_ROWS + PAGE_ROWS + PLACES + 5],
    )
    tasks = alice.get(ALICE.tasks, params={"sort": "-title"}, timeout=60).json()
    assert tasks == sorted(tasks, key=lambda task: (task["title"], task["id"]), reverse=True)
    assert len(tasks) == ORDER_ROWS + PAGE_ROWS + PLACES + 5


@pytest.mark.parametrize("filters", [{}, {"q": "k"}, {"is_completed": "false", "q": "k"}], ids=str)
def test_the_order_of_a_long_list_is_read_once(
    patient_scene: Scene, collector: Collector, filters: dict[str, str]
) -> None:
    """Each page is then found by its ids: were the rest sorted anew, a list would cost the square of its length."""
    patient_scene.database.execute(
        "INSERT INTO tasks (user_id, title) SELECT 'alice', n || ' milk' FROM generate_series(1, %s) AS n",
        [PAGE_ROWS + 2 * PLACES + 1],
    )
    assert len(read_list(patient_scene, {"sort": "title", **filters})) == PAGE_ROWS + 2 * PLACES + 1
    opening, places = (" ".join([name, *sorted(filters)]) for name in ("order_tasks title", "list_places"))
    expected = ["listTasks", opening, *[places] * 2]
    assert wait_for_names(collector, "listTasks") == expected


def read_list(scene: Scene, query: dict[str, str]) -> list[dict[str, object]]:
    """Return Alice's list."""
    tasks: list[dict[str, object]] = scene.client.get(ALICE.tasks, params=query, headers=ALICE.headers).json()
    return tasks


@pytest.mark.parametrize("query", [{"sort": "title"}, {"sort": "-updated_at", "q": "milk"}], ids=str)
def test_what_is_there_throughout_is_in_an_ordered_list_once(patient_scene: Scene, query: dict[str, str]) -> None:
    """Tasks are deleted, changed and created while the list is read; what is left out of a filter is not listed."""
    patient_scene.database.execute(
        "INSERT INTO tasks (user_id, title) SELECT 'alice', n || ' milk' FROM generate_series(1, %s) AS n",
        [ORDER_ROWS - 1],
    )
    with begin_to_read(patient_scene, query) as (beginning, parts):
        patient_scene.database.execute("DELETE FROM tasks WHERE id % 2 = 0")
        patient_scene.database.execute("UPDATE tasks SET title = 'changed', updated_at = now() WHERE id % 3 = 0")
        fill(patient_scene.database, 10)
        tasks = json.loads(beginning + b"".join(parts))
    ids = [task["id"] for task in tasks]
    assert len(ids) == len(set(ids)) < ORDER_ROWS
    assert {number for number in range(1, ORDER_ROWS, 2) if number % 3} <= set(ids)
    assert not any(task["title"] == "changed" for task in tasks) or "q" not in query


def test_long_descriptions_end_a_page_of_an_ordered_list(patient_scene: Scene, collector: Collector) -> None:
    """Or a page could be of a gigabyte. Four of these descriptions are the first to pass a megabyte."""
    fill(patient_scene.database, 2 * PAGE_ROWS)
    patient_scene.database.execute(
        "UPDATE tasks SET title = lpad(id::text, 5, '0'), description = CASE WHEN id > 3990 THEN repeat('x', %s) END",
        [PAGE_BYTES // 4 + 50_000],
    )
    tasks = read_list(patient_scene, {})
    assert "list_places" not in wait_for_names(collector, "listTasks")
    collector.bodies.clear()
    assert read_list(patient_scene, {"sort": "title"}) == tasks
    expected = ["listTasks", "order_tasks title", *["list_places"] * 2]
    assert wait_for_names(collector, "listTasks") == expected


def test_a_part_of_which_nothing_is_found_any_more_does_not_end_an_ordered_list(patient_scene: Scene) -> None:
    """Its tasks have changed since the order was read; those after it are listed all the same."""
    count = 3 * PAGE_ROWS
    patient_scene.database.execute(
        "INSERT INTO tasks (user_id, title, description)"
        " SELECT 'alice', lpad(n::text, 5, '0') || ' milk', repeat('x', 10000) FROM generate_series(1, %s) AS n",
        [count],
    )
    with begin_to_read(patient_scene, {"sort": "title", "q": "milk"}) as (beginning, parts):
        changed = patient_scene.database.execute(
            "UPDATE tasks SET title = 'changed' WHERE id BETWEEN %s AND %s RETURNING id",
            [count - 1000, count - 500],
        ).fetchall()
        tasks = json.loads(beginning + b"".join(parts))
    left = {number for (number,) in changed}
    # Five megabytes of descriptions, each of which is a part of its own.
    assert len(left) * 10_000 > 4 * PAGE_BYTES
    assert [task["id"] for task in tasks] == [number for number in range(1, count + 1) if number not in left]
