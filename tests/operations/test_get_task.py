"""getTask: one's own task as it is now, and a different refusal for no task and for somebody else's."""

import httpx

from tests.support.cast import ALICE, BOB
from tests.support.refusals import check_refusal
from tests.support.tasks import create_task, expect_task


def test_ones_own_task_is_given_whole(alice: httpx.Client) -> None:
    """Spec, user story 6, scenario 1."""
    task = create_task(alice, ALICE, description="Milk, eggs, bread")
    response = alice.get(f"{ALICE.tasks}/1")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == task == expect_task(ALICE, id=1, description="Milk, eggs, bread")


def test_the_task_is_given_as_it_is_now(alice: httpx.Client) -> None:
    """What updateTask answered is what the next reader sees."""
    create_task(alice, ALICE)
    changed = alice.patch(f"{ALICE.tasks}/1", json={"title": "Buy vegetables", "is_completed": True}).json()
    assert alice.get(f"{ALICE.tasks}/1").json() == changed


def test_a_task_that_does_not_exist_is_not_found(alice: httpx.Client) -> None:
    """Spec, user story 6, scenario 2."""
    create_task(alice, ALICE)
    check_refusal(alice.get(f"{ALICE.tasks}/2"), 404, "There is no task with this task_id.")


def test_somebody_elses_task_is_forbidden(alice: httpx.Client, bob: httpx.Client) -> None:
    """Spec, user story 6, scenario 3, on one's own path."""
    task = create_task(bob, BOB)
    check_refusal(alice.get(f"{ALICE.tasks}/{task['id']}"), 403, "The task belongs to another user.")


def test_head_gives_the_headers_of_the_task_alone(alice: httpx.Client) -> None:
    """RFC 9110, section 9.3.2: as GET, without the content."""
    create_task(alice, ALICE)
    given, head = alice.get(f"{ALICE.tasks}/1"), alice.head(f"{ALICE.tasks}/1")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == given.headers["Content-Length"]


def test_head_tells_a_task_that_does_not_exist(alice: httpx.Client) -> None:
    """The status of GET, without its problem document."""
    head = alice.head(f"{ALICE.tasks}/1")
    assert (head.status_code, head.content) == (404, b"")
    assert head.headers["Content-Type"] == "application/problem+json"
