"""listTasks: a user sees all tasks of their own, in order, and nobody else's."""

import re
from datetime import UTC, datetime

import httpx
import psycopg

from tests.support.cast import ALICE, BOB
from tests.support.refusals import check_refusal
from tests.support.tasks import create_task, expect_task

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")


def test_a_new_user_has_an_empty_list(alice: httpx.Client) -> None:
    """Spec, user story 2, scenario 1."""
    response = alice.get(ALICE.tasks)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.content == b"[]"


def test_three_tasks_are_listed_with_all_their_members_in_order_of_id(alice: httpx.Client) -> None:
    """Spec, user story 2, scenarios 2 and 4."""
    for title in ("Wash up", "Buy groceries", "Sleep"):
        create_task(alice, ALICE, title=title, description=f"{title}!")
    response = alice.get(ALICE.tasks)
    assert response.status_code == 200
    assert response.json() == [
        expect_task(ALICE, id=1, title="Wash up", description="Wash up!"),
        expect_task(ALICE, id=2, title="Buy groceries", description="Buy groceries!"),
        expect_task(ALICE, id=3, title="Sleep", description="Sleep!"),
    ]


def test_a_change_does_not_move_a_task_in_the_list(alice: httpx.Client) -> None:
    """PostgreSQL writes a changed row to another place; the order is that of the ids all the same."""
    tasks = [create_task(alice, ALICE, title=str(number)) for number in range(5)]
    changed = alice.patch(f"{ALICE.tasks}/1", json={"is_completed": True}).json()
    assert alice.get(ALICE.tasks).json() == [changed, *tasks[1:]]


def test_nobody_elses_tasks_are_listed(alice: httpx.Client, bob: httpx.Client) -> None:
    """Each of two users has a list of their own."""
    first, theirs, second = create_task(alice, ALICE), create_task(bob, BOB), create_task(alice, ALICE)
    assert alice.get(ALICE.tasks).json() == [first, second]
    assert bob.get(BOB.tasks).json() == [theirs]


def test_somebody_elses_list_is_forbidden(alice: httpx.Client, bob: httpx.Client) -> None:
    """Spec, user story 2, scenario 3."""
    create_task(bob, BOB)
    check_refusal(alice.get(BOB.tasks), 403, "The user_id in the path is not the user of the token.")


def test_a_long_list_is_given_whole(alice: httpx.Client, database: psycopg.Connection) -> None:
    """No page size cuts the list without the client's knowledge."""
    database.execute("INSERT INTO tasks (user_id, title) SELECT 'alice', n FROM generate_series(1, 2000) AS n")
    assert alice.get(ALICE.tasks).json() == [
        expect_task(ALICE, id=number, title=str(number)) for number in range(1, 2001)
    ]


def test_times_are_in_utc_and_end_in_z(alice: httpx.Client, database: psycopg.Connection) -> None:
    """With and without fractions of a second, whatever zone the time was written in."""
    database.execute(
        "INSERT INTO tasks (user_id, title, created_at, updated_at)"
        " VALUES ('alice', 'Buy groceries', '2026-01-05 12:30:00+02', '2026-01-05 05:45:00.25-05:45')"
    )
    (task,) = alice.get(ALICE.tasks).json()
    assert TIME.fullmatch(task["created_at"])
    assert TIME.fullmatch(task["updated_at"])
    assert datetime.fromisoformat(task["created_at"]) == datetime(2026, 1, 5, 10, 30, tzinfo=UTC)
    assert datetime.fromisoformat(task["updated_at"]) == datetime(2026, 1, 5, 11, 30, 0, 250_000, tzinfo=UTC)


def test_head_gives_the_headers_of_the_list_alone(alice: httpx.Client) -> None:
    """RFC 9110, section 9.3.2: as GET, without the content."""
    create_task(alice, ALICE)
    listed, head = alice.get(ALICE.tasks), alice.head(ALICE.tasks)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == "application/json"
    assert head.headers["Content-Length"] == listed.headers["Content-Length"]
