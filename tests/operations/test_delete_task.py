"""deleteTask: the task is gone for good, and only its owner can do it."""

import httpx
import psycopg
import pytest

from tests.support.cast import ALICE, BOB
from tests.support.refusals import check_refusal
from tests.support.tasks import create_task


def test_a_task_is_deleted_without_a_word(alice: httpx.Client, database: psycopg.Connection) -> None:
    """Spec, user story 5, scenario 1: 204 has neither content nor a type of content."""
    kept = create_task(alice, ALICE, title="Kept")
    task = create_task(alice, ALICE)
    response = alice.delete(f"{ALICE.tasks}/{task['id']}")
    assert (response.status_code, response.content) == (204, b"")
    assert "Content-Type" not in response.headers
    assert "Content-Length" not in response.headers
    assert alice.get(ALICE.tasks).json() == [kept]
    assert database.execute("SELECT id FROM tasks").fetchall() == [(kept["id"],)]


def test_a_task_that_does_not_exist_is_not_found(alice: httpx.Client) -> None:
    """Spec, user story 5, scenario 2."""
    create_task(alice, ALICE)
    check_refusal(alice.delete(f"{ALICE.tasks}/2"), 404, "There is no task with this task_id.")


def test_somebody_elses_task_is_forbidden_and_stays(alice: httpx.Client, bob: httpx.Client) -> None:
    """Spec, user story 5, scenario 3, on one's own path."""
    task = create_task(bob, BOB)
    check_refusal(alice.delete(f"{ALICE.tasks}/{task['id']}"), 403, "The task belongs to another user.")
    assert bob.get(f"{BOB.tasks}/{task['id']}").json() == task


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_deleted_task_is_gone_for_every_method(alice: httpx.Client, method: str) -> None:
    """Spec, user story 5, scenario 4."""
    create_task(alice, ALICE)
    assert alice.delete(f"{ALICE.tasks}/1").status_code == 204
    response = alice.request(method, f"{ALICE.tasks}/1", json={"title": "Risen"})
    check_refusal(response, 404, "There is no task with this task_id.")


def test_the_id_of_a_deleted_task_is_never_given_again(alice: httpx.Client) -> None:
    """An old link must not lead to a new task, not even where the newest task was deleted."""
    for number in range(1, 4):
        assert create_task(alice, ALICE)["id"] == number
        assert alice.delete(f"{ALICE.tasks}/{number}").status_code == 204
