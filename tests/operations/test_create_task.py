"""createTask: the task that was sent is stored for its owner, or a clear answer says why not."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from unittest.mock import ANY

import httpx
import psycopg
import pytest

from tests.support.cast import ALICE, User
from tests.support.operations import CREATE_TASK
from tests.support.problems import expect_problem
from tests.support.refusals import check_body_refusal, check_refusal
from tests.support.tasks import create_task, expect_task

LONG_TITLES = ["x" * 201, "\N{GRINNING FACE}" * 201, " " * 201]


def count_tasks(database: psycopg.Connection) -> int:
    row = database.execute("SELECT count(*) FROM tasks").fetchone()
    assert row is not None
    count: int = row[0]
    return count


def test_a_title_is_enough(alice: httpx.Client) -> None:
    """The server adds id, completion and times, and says where the task is."""
    before = datetime.now(UTC)
    response = alice.post(ALICE.tasks, json={"title": "Buy groceries"})
    task = response.json()
    assert response.status_code == 201
    assert task == expect_task(ALICE, id=1)
    assert response.headers["Location"] == "/api/alice/tasks/1"
    assert task["created_at"] == task["updated_at"]
    assert before <= datetime.fromisoformat(task["created_at"]) <= datetime.now(UTC)
    assert alice.get(response.headers["Location"]).json() == task


@pytest.mark.parametrize("description", ["Milk, eggs, bread", "", None])
def test_a_description_is_kept(alice: httpx.Client, description: str | None) -> None:
    """Spec, user story 3, scenario 2. An empty one is a description; null is none."""
    response = alice.post(ALICE.tasks, json={"title": "Buy groceries", "description": description})
    assert response.status_code == 201
    assert response.json() == expect_task(ALICE, id=1, description=description)
    assert alice.get(response.headers["Location"]).json() == response.json()


def test_an_empty_title_is_refused_and_nothing_is_stored(alice: httpx.Client, database: psycopg.Connection) -> None:
    """Spec, user story 3, scenario 3."""
    response = alice.post(ALICE.tasks, json={"title": ""})
    assert response.status_code == 422
    assert response.json() == expect_problem(422, "title must not be empty.", title="must not be empty")
    assert database.execute("SELECT count(*) FROM tasks").fetchone() == (0,)


def test_a_missing_title_is_refused_and_nothing_is_stored(alice: httpx.Client, database: psycopg.Connection) -> None:
    """Spec, user story 3, scenario 4."""
    check_refusal(alice.post(ALICE.tasks, json={}), 422, "title is required.", title="is required")
    assert count_tasks(database) == 0


@pytest.mark.parametrize("title", LONG_TITLES, ids=["letters", "beyond the BMP", "spaces"])
def test_more_than_200_characters_are_refused(alice: httpx.Client, database: psycopg.Connection, title: str) -> None:
    """Spec, user story 3, scenario 5."""
    wrong = "must have at most 200 characters"
    check_refusal(alice.post(ALICE.tasks, json={"title": title}), 422, f"title {wrong}.", title=wrong)
    assert count_tasks(database) == 0


@pytest.mark.parametrize("title", [title[1:] for title in LONG_TITLES], ids=["letters", "beyond the BMP", "spaces"])
def test_200_characters_are_a_title(alice: httpx.Client, title: str) -> None:
    """A character is a code point, neither a byte nor half of a surrogate pair."""
    assert create_task(alice, ALICE, title=title) == expect_task(ALICE, title=title)


@pytest.mark.parametrize("title", [None, 1, 1.5, True, ["Buy groceries"], {"text": "Buy groceries"}])
def test_a_title_that_is_not_a_string_is_refused(
    alice: httpx.Client, database: psycopg.Connection, title: object
) -> None:
    """Nothing is converted."""
    response = alice.post(ALICE.tasks, json={"title": title})
    check_refusal(response, 422, "title must be a string.", title="must be a string")
    assert count_tasks(database) == 0


@pytest.mark.parametrize("description", [1, False, [], {}])
def test_a_description_that_is_not_a_string_is_refused(
    alice: httpx.Client, database: psycopg.Connection, description: object
) -> None:
    """It is a string or null."""
    response = alice.post(ALICE.tasks, json={"title": "Buy groceries", "description": description})
    wrong = "must be a string or null"
    check_refusal(response, 422, f"description {wrong}.", description=wrong)
    assert count_tasks(database) == 0


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("id", 1),
        ("user_id", "alice"),
        ("is_completed", True),
        ("created_at", "2026-01-05T10:30:00Z"),
        ("updated_at", None),
        ("Title", "Buy groceries"),
        ("descripton", "Milk, eggs, bread"),
        ("__proto__", {}),
    ],
)
def test_a_member_that_is_the_servers_or_nobodys_is_refused(
    alice: httpx.Client, database: psycopg.Connection, member: str, value: object
) -> None:
    """What would be ignored is better refused: the client meant something by it."""
    response = alice.post(ALICE.tasks, json={"title": "Buy groceries", member: value})
    check_refusal(response, 422, f"{member} is not accepted here.", **{member: "is not accepted here"})
    assert count_tasks(database) == 0


def test_a_member_without_a_name_is_refused_too(alice: httpx.Client, database: psycopg.Connection) -> None:
    """Its pointer is a slash (RFC 6901); it is not the body as a whole that is wrong."""
    response = alice.post(ALICE.tasks, json={"title": "Buy groceries", "": ""})
    assert response.status_code == 422
    assert response.json() == {
        **expect_problem(422, ANY),
        "errors": [{"detail": "is not accepted here", "pointer": "/"}],
    }
    assert not response.json()["detail"].startswith("The body")
    assert count_tasks(database) == 0


def test_all_mistakes_are_listed_at_once(alice: httpx.Client, database: psycopg.Connection) -> None:
    """A form can show each message beside its field."""
    response = alice.post(ALICE.tasks, json={"title": "x" * 201, "description": 5, "id": 7})
    check_refusal(
        response,
        422,
        "title must have at most 200 characters; description must be a string or null; id is not accepted here.",
        title="must have at most 200 characters",
        description="must be a string or null",
        id="is not accepted here",
    )
    assert count_tasks(database) == 0


def test_no_more_than_20_mistakes_are_listed(alice: httpx.Client) -> None:
    """The rest is counted."""
    response = alice.post(ALICE.tasks, json={f"m{number}": number for number in range(30)})
    listed = {f"m{number}": "is not accepted here" for number in range(19)}
    sentences = ["title is required", *(f"{name} {wrong}" for name, wrong in listed.items()), "and 11 more."]
    check_refusal(response, 422, "; ".join(sentences), title="is required", **listed)


@pytest.mark.parametrize("body", ["[]", '[{"title": "Buy groceries"}]', '"title"', "1", "true", "null"])
def test_a_body_that_is_not_an_object_is_refused(alice: httpx.Client, database: psycopg.Connection, body: str) -> None:
    """JSON it is, but not a task."""
    check_body_refusal(CREATE_TASK.call(alice, ALICE, content=body), "must be an object")
    assert count_tasks(database) == 0


@pytest.mark.parametrize(
    ("user", "location"),
    [
        (User("a/b c%\N{LATIN SMALL LETTER E WITH ACUTE}"), "/api/a%2Fb%20c%25%C3%A9/tasks/1"),
        (User("a%2Fb"), "/api/a%252Fb/tasks/1"),
        (User("a?b#c;d&e+f"), "/api/a%3Fb%23c%3Bd%26e%2Bf/tasks/1"),
        (User("me@example.com"), "/api/me%40example.com/tasks/1"),
        (User("/"), "/api/%2F/tasks/1"),
    ],
    ids=lambda value: value.id if isinstance(value, User) else "",
)
def test_location_leads_to_the_task_whatever_the_user_is_called(
    anybody: httpx.Client, user: User, location: str
) -> None:
    """An id is text, which the path carries percent-encoded; the task carries it as it is."""
    response = CREATE_TASK.call(anybody, user, headers=user.headers)
    assert response.status_code == 201
    assert response.json() == expect_task(user, id=1)
    assert response.headers["Location"] == location
    followed = anybody.get(location, headers=user.headers)
    assert followed.status_code == 200
    assert followed.json() == response.json()


def test_tasks_that_are_created_together_are_all_kept(alice: httpx.Client) -> None:
    """Each with an id of its own, and none lost."""
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda number: create_task(alice, ALICE, title=str(number)), range(40)))
    assert alice.get(ALICE.tasks).json() == sorted(created, key=lambda task: task["id"])
    assert {task["title"] for task in created} == {str(number) for number in range(40)}
