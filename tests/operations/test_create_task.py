"""createTask: the task that was sent is stored for its owner, or a clear answer says why not."""

from datetime import UTC, datetime

import httpx
import psycopg

from tests.support.cast import ALICE
from tests.support.problems import expect_problem
from tests.support.tasks import expect_task


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


def test_an_empty_title_is_refused_and_nothing_is_stored(alice: httpx.Client, database: psycopg.Connection) -> None:
    """Spec, user story 3, scenario 3."""
    response = alice.post(ALICE.tasks, json={"title": ""})
    assert response.status_code == 422
    assert response.json() == expect_problem(422, "title must not be empty.", title="must not be empty")
    assert database.execute("SELECT count(*) FROM tasks").fetchone() == (0,)
