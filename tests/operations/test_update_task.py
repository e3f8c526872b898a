"""updateTask: a patch changes what it names and nothing else, and every change moves updated_at forward."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import chain, combinations
from typing import Any
from unittest.mock import ANY

import httpx
import psycopg
import pytest

from tests.support.cast import ALICE, BOB
from tests.support.operations import UPDATE_TASK
from tests.support.refusals import check_body_refusal, check_refusal
from tests.support.tasks import create_task

CHANGES = {"title": "Buy vegetables", "description": "Leek", "is_completed": True}
PATCHES = [
    dict(members) for members in chain.from_iterable(combinations(CHANGES.items(), size) for size in range(1, 4))
]
MEDIA_TYPES = ["application/json", "application/merge-patch+json"]


def patch(client: httpx.Client, members: Mapping[str, object]) -> dict[str, Any]:
    response = client.patch(f"{ALICE.tasks}/1", json=members)
    assert response.status_code == 200, response.text
    task: dict[str, Any] = response.json()
    return task


def read_update(task: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(task["updated_at"])


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize("members", PATCHES, ids="+".join)
def test_what_a_patch_names_changes_and_the_rest_stays(
    alice: httpx.Client, members: dict[str, object], media_type: str
) -> None:
    """Spec, user story 4, scenarios 1, 2 and 3, for every set of members."""
    task = create_task(alice, ALICE, description="Milk")
    response = alice.patch(f"{ALICE.tasks}/1", json=members, headers={"Content-Type": media_type})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    changed = response.json()
    assert changed == {**task, **members, "updated_at": ANY}
    assert read_update(changed) > read_update(task)
    assert alice.get(f"{ALICE.tasks}/1").json() == changed


def test_null_clears_the_description(alice: httpx.Client) -> None:
    """RFC 7396; absent would have left it."""
    task = create_task(alice, ALICE, description="Milk")
    assert patch(alice, {"description": None}) == {**task, "description": None, "updated_at": ANY}


def test_a_task_can_be_taken_up_again(alice: httpx.Client) -> None:
    """Completion goes both ways."""
    task = create_task(alice, ALICE)
    assert patch(alice, {"is_completed": True}) == {**task, "is_completed": True, "updated_at": ANY}
    assert patch(alice, {"is_completed": False}) == {**task, "updated_at": ANY}


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_an_empty_patch_changes_nothing(alice: httpx.Client, media_type: str) -> None:
    """Not even updated_at."""
    create_task(alice, ALICE)
    task = patch(alice, {"is_completed": True})
    response = alice.patch(f"{ALICE.tasks}/1", content=b"{}", headers={"Content-Type": media_type})
    assert (response.status_code, response.json()) == (200, task)
    assert alice.get(f"{ALICE.tasks}/1").json() == task


def test_every_change_moves_updated_at_forward(alice: httpx.Client) -> None:
    """Also one that sets what is there already; created_at stays."""
    task = create_task(alice, ALICE)
    for _ in range(30):
        changed = patch(alice, {"title": "Buy groceries"})
        assert changed == {**task, "updated_at": ANY}
        assert read_update(changed) > read_update(task)
        task = changed


def test_a_clock_that_was_set_back_does_not_hide_a_change(alice: httpx.Client, database: psycopg.Connection) -> None:
    """From a time in the future, updated_at goes on by the smallest step there is."""
    create_task(alice, ALICE)
    database.execute("UPDATE tasks SET updated_at = now() + interval '1 year'")
    future = alice.get(f"{ALICE.tasks}/1").json()
    for step in range(1, 4):
        changed = patch(alice, {"is_completed": True})
        assert read_update(changed) == read_update(future) + timedelta(microseconds=step)
        assert changed["created_at"] == future["created_at"]


def test_a_task_that_does_not_exist_is_not_found(alice: httpx.Client) -> None:
    """Spec, user story 4, scenario 4."""
    create_task(alice, ALICE)
    response = alice.patch(f"{ALICE.tasks}/2", json=CHANGES)
    check_refusal(response, 404, "There is no task with this task_id.")


@pytest.mark.parametrize("members", [CHANGES, {}], ids=["a change", "an empty patch"])
def test_somebody_elses_task_is_forbidden_and_stays(
    alice: httpx.Client, bob: httpx.Client, members: dict[str, object]
) -> None:
    """Spec, user story 4, scenario 5, on one's own path."""
    task = create_task(bob, BOB)
    response = alice.patch(f"{ALICE.tasks}/{task['id']}", json=members)
    check_refusal(response, 403, "The task belongs to another user.")
    assert bob.get(f"{BOB.tasks}/{task['id']}").json() == task


@pytest.mark.parametrize(
    ("member", "value", "wrong"),
    [
        ("title", "", "must not be empty"),
        ("title", "x" * 201, "must have at most 200 characters"),
        ("title", None, "must be a string"),
        ("title", 1, "must be a string"),
        ("title", ["Buy vegetables"], "must be a string"),
        ("description", 1, "must be a string or null"),
        ("description", {}, "must be a string or null"),
        ("is_completed", None, "must be a boolean"),
        ("is_completed", "true", "must be a boolean"),
        ("is_completed", 1, "must be a boolean"),
        ("is_completed", 0, "must be a boolean"),
        ("id", 2, "is not accepted here"),
        ("user_id", "bob", "is not accepted here"),
        ("created_at", "2026-01-05T10:30:00Z", "is not accepted here"),
        ("updated_at", "2026-01-05T10:30:00Z", "is not accepted here"),
        ("completed", True, "is not accepted here"),
    ],
)
def test_one_wrong_member_refuses_the_whole_patch(alice: httpx.Client, member: str, value: object, wrong: str) -> None:
    """Spec, user story 4, scenario 6: nothing is done by halves."""
    task = create_task(alice, ALICE, description="Milk")
    response = UPDATE_TASK.call(alice, ALICE, json={**CHANGES, member: value})
    check_refusal(response, 422, f"{member} {wrong}.", **{member: wrong})
    assert alice.get(f"{ALICE.tasks}/1").json() == task


@pytest.mark.parametrize("body", ["[]", '[{"op": "remove", "path": "/description"}]', '"title"', "1", "true", "null"])
def test_a_body_that_is_not_an_object_is_refused(alice: httpx.Client, body: str) -> None:
    """A JSON Patch (RFC 6902), for one, is an array."""
    task = create_task(alice, ALICE, description="Milk")
    check_body_refusal(UPDATE_TASK.call(alice, ALICE, content=body), "must be an object")
    assert alice.get(f"{ALICE.tasks}/1").json() == task


def test_of_concurrent_patches_the_last_wins_and_none_is_lost(alice: httpx.Client) -> None:
    """Spec, edge cases. Each has an updated_at of its own, and the latest is what stays."""
    create_task(alice, ALICE)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: patch(alice, {"title": str(number)}), range(40)))
    assert len({answer["updated_at"] for answer in answers}) == 40
    assert alice.get(f"{ALICE.tasks}/1").json() == max(answers, key=read_update)


def test_concurrent_patches_of_different_members_all_count(alice: httpx.Client) -> None:
    """A patch never writes back what it did not name."""
    task = create_task(alice, ALICE)
    with ThreadPoolExecutor(3) as pool:
        for number in range(10):
            members = {"title": str(number), "description": str(number), "is_completed": bool(number % 2)}
            list(pool.map(lambda item: patch(alice, dict([item])), members.items()))
            assert alice.get(f"{ALICE.tasks}/1").json() == {**task, **members, "updated_at": ANY}
