"""Conditional requests (RFC 9110): what has not changed is not sent again, and no change overwrites another unseen."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from taskflow.database.statements import PAGE_ROWS
from tests.conftest import MakeDatabase
from tests.support.cast import ALICE, BOB
from tests.support.logs import open_scene
from tests.support.operations import DELETE_TASK, LIST_TASKS, UPDATE_TASK, Operation
from tests.support.refusals import check_parameter_refusal, check_refusal
from tests.support.tasks import create_task

CHANGED = "The task is no longer as the If-Match header says; read it again."

MALFORMED = [
    "abc",
    '"abc',
    'abc"',
    '"a" "b"',
    'w/"a"',
    'W/ "a"',
    '*, "a"',
    "**",
    "'a'",
    '"a"b',
    "",
]

every_condition = pytest.mark.parametrize("operation", [UPDATE_TASK, DELETE_TASK], ids=lambda operation: operation.id)

ROUNDS = 100
WRITERS = 8


def find_tag(task: dict[str, Any]) -> str:
    """Give a task's ETag as the contract describes it."""
    return f'"{task["updated_at"]}"'


def read_list_tag(client: httpx.Client) -> str:
    """Give the ETag of Alice's list."""
    tag: str = client.get(ALICE.tasks).headers["ETag"]
    return tag


def test_every_answer_with_a_task_has_its_etag(alice: httpx.Client) -> None:
    """It is the task's updated_at, so that a task of a list has one too."""
    created = alice.post(ALICE.tasks, json={"title": "Buy groceries"})
    assert created.headers["ETag"] == find_tag(created.json())
    assert alice.get(f"{ALICE.tasks}/1").headers["ETag"] == created.headers["ETag"]
    changed = alice.patch(f"{ALICE.tasks}/1", json={"is_completed": True})
    assert changed.headers["ETag"] == find_tag(changed.json()) != created.headers["ETag"]
    assert alice.patch(f"{ALICE.tasks}/1", json={}).headers["ETag"] == changed.headers["ETag"]
    assert alice.get(f"{ALICE.tasks}/1").headers["ETag"] == changed.headers["ETag"]


def test_the_etag_of_a_list_changes_with_every_create_change_and_delete(alice: httpx.Client) -> None:
    """And is never one that the list has had before."""
    tags = [read_list_tag(alice)]
    for number in range(1, 11):
        create_task(alice, ALICE)
        tags.append(read_list_tag(alice))
        alice.patch(f"{ALICE.tasks}/{number}", json={"is_completed": True})
        tags.append(read_list_tag(alice))
        alice.patch(f"{ALICE.tasks}/{number}", json={"is_completed": False})
        tags.append(read_list_tag(alice))
        if number % 2:
            alice.delete(f"{ALICE.tasks}/{number}")
            tags.append(read_list_tag(alice))
    assert len(set(tags)) == len(tags)
    assert [tag for tag in tags if tag.startswith("W/")] == []


def test_the_etag_of_a_list_stays_as_long_as_the_list_does(alice: httpx.Client, bob: httpx.Client) -> None:
    """Whatever is read, fails or changes nothing, and whatever others do."""
    create_task(alice, ALICE)
    tag = read_list_tag(alice)
    create_task(bob, BOB)
    alice.get(f"{ALICE.tasks}/1")
    alice.patch(f"{ALICE.tasks}/1", json={})
    alice.patch(f"{ALICE.tasks}/1", json={"title": ""})
    alice.patch(f"{ALICE.tasks}/1", json={"title": "x"}, headers={"If-Match": '"x"'})
    alice.delete(f"{ALICE.tasks}/1", headers={"If-Match": '"x"'})
    alice.patch(f"{ALICE.tasks}/2", json={"title": "x"})
    alice.delete(f"{ALICE.tasks}/2")
    alice.post(ALICE.tasks, json={})
    assert read_list_tag(alice) == tag


def test_a_list_that_goes_back_in_time_gets_a_new_etag(alice: httpx.Client, database: psycopg.Connection) -> None:
    """The database was restored from a copy, and so many changes were made since as before."""
    create_task(alice, ALICE)
    copy = database.execute("SELECT * FROM taskflow_list_versions WHERE user_id = 'alice'").fetchall()
    alice.patch(f"{ALICE.tasks}/1", json={"title": "Before"})
    tag = read_list_tag(alice)
    for user_id, slot, version in copy:
        database.execute(
            "UPDATE taskflow_list_versions SET version = %s WHERE user_id = %s AND slot = %s", [version, user_id, slot]
        )
    alice.patch(f"{ALICE.tasks}/1", json={"title": "After"})
    assert alice.get(ALICE.tasks, headers={"If-None-Match": tag}).status_code == 200


def test_a_clock_that_was_set_back_does_not_hide_a_change(alice: httpx.Client, database: psycopg.Connection) -> None:
    """From a time in the future, the version goes on by the smallest step there is."""
    create_task(alice, ALICE)
    database.execute("UPDATE taskflow_list_versions SET version = version + 10 ^ 12")
    tag = read_list_tag(alice)
    alice.patch(f"{ALICE.tasks}/1", json={"title": "After"})
    assert int(read_list_tag(alice).strip('"')) == int(tag.strip('"')) + 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", [ALICE.tasks, f"{ALICE.tasks}/1", f"{ALICE.tasks}?limit=1", f"{ALICE.tasks}?q=Buy"])
@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', '{},"y"', 'W/"x" , W/{} ,"z"', "*"])
def test_what_the_client_has_is_not_sent_again(alice: httpx.Client, method: str, path: str, form: str) -> None:
    """The comparison is weak, and one of a list is enough."""
    for _ in range(2):
        create_task(alice, ALICE)
    tag = alice.get(path).headers["ETag"]
    response = alice.request(method, path, headers={"If-None-Match": form.format(tag)})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["ETag"].removeprefix("W/") == tag
    assert response.headers["Cache-Control"] == "no-store"
    assert "Content-Type" not in response.headers


@pytest.mark.parametrize("form", ['"x"', 'W/"x"', '"x", "y"', '""', '"*"'])
@pytest.mark.parametrize("path", [ALICE.tasks, f"{ALICE.tasks}/1"])
def test_what_the_client_has_not_is_sent(alice: httpx.Client, path: str, form: str) -> None:
    """As without the header."""
    create_task(alice, ALICE)
    response = alice.get(path, headers={"If-None-Match": form})
    assert (response.status_code, response.content) == (200, alice.get(path).content)


def test_conditions_may_come_in_several_lines(alice: httpx.Client) -> None:
    """Lines of one name are one list (RFC 9110, section 5.3)."""
    task = create_task(alice, ALICE)
    lines = [("If-None-Match", '"x"'), ("If-None-Match", find_tag(task))]
    assert alice.get(f"{ALICE.tasks}/1", headers=lines).status_code == 304
    assert alice.delete(
        f"{ALICE.tasks}/1", headers=[(name.replace("None-", ""), tag) for name, tag in lines]
    ).is_success


def test_a_list_of_several_parts_has_a_weak_etag(alice: httpx.Client, database: psycopg.Connection) -> None:
    """Its parts may be of different moments; that nothing has changed is known all the same."""
    database.execute(
        "INSERT INTO tasks (user_id, title) SELECT 'alice', n FROM generate_series(1, %s) AS n", [PAGE_ROWS + 1]
    )
    tag = read_list_tag(alice)
    assert tag.startswith('W/"')
    assert alice.get(ALICE.tasks, headers={"If-None-Match": tag}).headers["ETag"] == tag
    assert alice.get(ALICE.tasks, headers={"If-None-Match": tag.removeprefix("W/")}).status_code == 304
    create_task(alice, ALICE)
    assert alice.get(ALICE.tasks, headers={"If-None-Match": tag}).status_code == 200


def test_no_list_is_read_to_find_that_nothing_has_changed(make_database: MakeDatabase) -> None:
    """The table itself may be locked."""
    with open_scene(make_database(), DATABASE_TIMEOUT="0.5") as scene:
        scene.client.headers.update(ALICE.headers)
        create_task(scene.client, ALICE)
        tag = read_list_tag(scene.client)
        with scene.database.transaction():
            scene.database.execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
            assert scene.client.get(ALICE.tasks, headers={"If-None-Match": tag}).status_code == 304
            assert scene.client.get(ALICE.tasks, headers={"If-None-Match": '"x"'}).status_code == 503


@every_condition
@pytest.mark.parametrize("form", ["{}", '"x", {}', '{},"y"', "*"])
def test_a_change_is_made_to_the_version_that_was_seen(alice: httpx.Client, operation: Operation, form: str) -> None:
    """One of several, or any."""
    task = create_task(alice, ALICE)
    response = operation.call(alice, ALICE, headers={"If-Match": form.format(find_tag(task))})
    assert response.status_code == operation.success


@every_condition
@pytest.mark.parametrize("form", ['"x"', "W/{}", '"x", W/{}', '""', '"*"', '"{{}}"', '"a,b"', '"\\\\"', '"NULL"'])
def test_a_change_is_not_made_to_another_version(alice: httpx.Client, operation: Operation, form: str) -> None:
    """A weak tag promises too little (RFC 9110, section 13.1.1)."""
    task = create_task(alice, ALICE)
    response = operation.call(alice, ALICE, headers={"If-Match": form.format(find_tag(task))})
    check_refusal(response, 412, CHANGED)
    assert alice.get(ALICE.tasks).json() == [task]


@every_condition
def test_a_version_that_has_passed_is_another_one(alice: httpx.Client, operation: Operation) -> None:
    """Also where the second change restored what was there before the first."""
    task = create_task(alice, ALICE)
    alice.patch(f"{ALICE.tasks}/1", json={"is_completed": True})
    now = alice.patch(f"{ALICE.tasks}/1", json={"is_completed": False}).json()
    check_refusal(operation.call(alice, ALICE, headers={"If-Match": find_tag(task)}), 412, CHANGED)
    assert alice.get(ALICE.tasks).json() == [now]


def test_an_empty_patch_has_its_condition_too(alice: httpx.Client) -> None:
    """It changes nothing either way."""
    task = create_task(alice, ALICE)
    path = f"{ALICE.tasks}/1"
    check_refusal(alice.patch(path, json={}, headers={"If-Match": '"x"'}), 412, CHANGED)
    assert alice.patch(path, json={}, headers={"If-Match": find_tag(task)}).json() == task
    assert alice.patch(path, json={}, headers={"If-Match": "*"}).json() == task


@every_condition
@pytest.mark.parametrize("form", ['"x"', "*"])
def test_a_condition_does_not_hide_whose_task_it_is(
    alice: httpx.Client, bob: httpx.Client, operation: Operation, form: str
) -> None:
    """404 and 403 come first, as without it."""
    task = create_task(bob, BOB)
    response = operation.call(alice, ALICE, headers={"If-Match": form})
    check_refusal(response, 403, "The task belongs to another user.")
    response = operation.call(alice, ALICE, 99, headers={"If-Match": form})
    check_refusal(response, 404, "There is no task with this task_id.")
    assert bob.get(BOB.tasks).json() == [task]


@pytest.mark.parametrize("field", MALFORMED)
def test_a_condition_that_is_none_is_refused(alice: httpx.Client, field: str) -> None:
    """Taken for "no condition", it would let through what its author wanted to prevent."""
    task = create_task(alice, ALICE)
    wrong = "does not have the form it must have"
    for operation in (UPDATE_TASK, DELETE_TASK):
        response = operation.call(alice, ALICE, headers=[(b"If-Match", field.encode("latin-1"))])
        check_parameter_refusal(response, "If-Match", wrong)
    response = LIST_TASKS.call(alice, ALICE, headers=[(b"If-None-Match", field.encode("latin-1"))])
    check_parameter_refusal(response, "If-None-Match", wrong)
    assert alice.get(ALICE.tasks).json() == [task]


@every_condition
@pytest.mark.parametrize("condition", ["*", None])
def test_a_change_passes_over_the_condition_of_reads(
    alice: httpx.Client, operation: Operation, condition: str | None
) -> None:
    """As the contract says: an operation has the conditions that it names."""
    task = create_task(alice, ALICE)
    headers = {"If-None-Match": condition or find_tag(task)}
    assert operation.call(alice, ALICE, headers=headers).status_code == operation.success


@pytest.mark.parametrize("condition", ['"another"', '""'])
def test_a_read_passes_over_the_condition_of_changes(alice: httpx.Client, condition: str) -> None:
    """The same of the list."""
    task = create_task(alice, ALICE)
    assert alice.get(f"{ALICE.tasks}/{task['id']}", headers={"If-Match": condition}).json() == task
    assert alice.get(ALICE.tasks, headers={"If-Match": condition}).json() == [task]


def test_without_a_condition_the_last_write_wins(alice: httpx.Client) -> None:
    """As the specification has it."""
    create_task(alice, ALICE)
    for title in ("first", "second"):
        assert alice.patch(f"{ALICE.tasks}/1", json={"title": title}).json()["title"] == title


def test_of_many_writers_with_one_etag_exactly_one_wins(alice: httpx.Client) -> None:
    """In every round of a hundred; the others have changed nothing."""
    task = create_task(alice, ALICE)
    with ThreadPoolExecutor(WRITERS) as pool:
        for number in range(ROUNDS):
            tag = find_tag(task)

            def write(writer: int, number: int = number, tag: str = tag) -> httpx.Response:
                body = {"title": f"round {number}, writer {writer}"}
                return alice.patch(f"{ALICE.tasks}/1", json=body, headers={"If-Match": tag})

            responses = list(pool.map(write, range(WRITERS)))
            (winner,) = (response for response in responses if response.status_code == 200)
            assert sorted(response.status_code for response in responses) == [200] + [412] * (WRITERS - 1)
            task = alice.get(f"{ALICE.tasks}/1").json()
            assert task == winner.json()


def test_of_many_who_delete_or_change_one_version_exactly_one_wins(alice: httpx.Client) -> None:
    """In every round of a hundred: a task that was changed is not deleted, and one that was deleted not changed."""
    with ThreadPoolExecutor(WRITERS) as pool:
        for _ in range(ROUNDS):
            task = create_task(alice, ALICE)

            def write(writer: int, task: dict[str, Any] = task) -> int:
                operation = UPDATE_TASK if writer % 2 else DELETE_TASK
                response = operation.call(alice, ALICE, task["id"], headers={"If-Match": find_tag(task)})
                return response.status_code

            statuses = sorted(pool.map(write, range(WRITERS)))
            is_there = alice.get(f"{ALICE.tasks}/{task['id']}").status_code == 200
            if is_there:
                assert statuses == [200] + [412] * (WRITERS - 1)
            else:
                assert statuses[0] == 204
                # Whoever comes after the deletion finds nothing to compare with.
                assert set(statuses[1:]) <= {404, 412}


def test_an_etag_of_a_list_stands_for_one_state_whoever_else_writes(alice: httpx.Client) -> None:
    """Read while many write: two lists with the same tag are the same list, in a hundred rounds."""
    seen: dict[str, bytes] = {}
    reads = 0

    def write(number: int) -> None:
        task = create_task(alice, ALICE, title=str(number))
        path = f"{ALICE.tasks}/{task['id']}"
        alice.patch(path, json={"is_completed": True})
        alice.delete(path)

    with ThreadPoolExecutor(WRITERS) as pool:
        for number in range(ROUNDS):
            writing = pool.map(write, range(number * WRITERS, (number + 1) * WRITERS))
            for response in (alice.get(ALICE.tasks) for _ in range(4)):
                assert seen.setdefault(response.headers["ETag"], response.content) == response.content
                reads += 1
            list(writing)
    assert reads == 4 * ROUNDS
    # Had every read come after all writes of its round, this test would prove nothing.
    assert len(seen) > ROUNDS
