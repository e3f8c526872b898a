"""createTask with an Idempotency-Key: however often a request is sent, there is one task, and one answer."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.conftest import MakeDatabase
from tests.support.cast import ALICE, BOB, User
from tests.support.logs import open_scene
from tests.support.privacy import note_text
from tests.support.refusals import check_parameter_refusal
from tests.support.tasks import create_task, expect_task

REUSED = "has been used for another body"
BODY = {"title": "Buy groceries", "description": "Milk, eggs, bread"}

ROUNDS = 100
WRITERS = 8


def send(client: httpx.Client, key: str, user: User = ALICE, **members: str | None) -> httpx.Response:
    """Send a create with a key."""
    note_text(*members.values())
    return client.post(user.tasks, json={**BODY, **members}, headers={"Idempotency-Key": key})


def give_answer(response: httpx.Response) -> tuple[object, ...]:
    """Give all that two answers of one create have in common."""
    return response.status_code, response.content, response.headers["ETag"], response.headers["Location"]


def count_tasks(database: psycopg.Connection) -> int:
    row = database.execute("SELECT count(*) FROM tasks").fetchone()
    assert row is not None
    count: int = row[0]
    return count


def list_keys(database: psycopg.Connection) -> list[str]:
    return [key for (key,) in database.execute("SELECT key FROM taskflow_idempotency_keys ORDER BY key")]


def test_a_retry_has_the_first_answer_and_creates_nothing(alice: httpx.Client) -> None:
    """Byte for byte, as often as it is sent; the list has not changed."""
    first = send(alice, "key")
    assert first.json() == expect_task(ALICE, id=1, **BODY)
    listed = alice.get(ALICE.tasks)
    for _ in range(3):
        assert give_answer(send(alice, "key")) == give_answer(first)
    assert alice.get(ALICE.tasks).json() == [first.json()]
    assert alice.get(ALICE.tasks).headers["ETag"] == listed.headers["ETag"]


def test_a_retry_is_the_same_however_its_json_is_written(alice: httpx.Client, database: psycopg.Connection) -> None:
    """Members in another order, spaces, a description that is null or not there."""
    headers = {"Idempotency-Key": "key", "Content-Type": "application/json"}
    bodies = [
        b'{"title":"Buy","description":null}',
        b'{ "description" : null, "title" : "Buy" }',
        b'{"title":"Buy"}',
        b'{"title":"B\\u0075y"}',
    ]
    answers = [give_answer(alice.post(ALICE.tasks, content=body, headers=headers)) for body in bodies]
    assert answers == [answers[0]] * 4
    assert count_tasks(database) == 1


def test_a_retry_is_answered_whatever_has_become_of_the_task(alice: httpx.Client) -> None:
    """As it was created: also after a change, and after it was deleted."""
    first = send(alice, "key")
    alice.patch(first.headers["Location"], json={"title": "Changed"})
    assert give_answer(send(alice, "key")) == give_answer(first)
    alice.delete(first.headers["Location"])
    assert give_answer(send(alice, "key")) == give_answer(first)
    assert alice.get(ALICE.tasks).json() == []


@pytest.mark.parametrize(
    "members", [{"title": "Another"}, {"description": "Another"}, {"description": None}, {"description": ""}]
)
def test_a_key_is_refused_for_another_body(
    alice: httpx.Client, database: psycopg.Connection, members: dict[str, str | None]
) -> None:
    """Nothing is created, and the first body has its answer as before."""
    first = send(alice, "key")
    check_parameter_refusal(send(alice, "key", ALICE, **members), "Idempotency-Key", REUSED)
    assert count_tasks(database) == 1
    assert give_answer(send(alice, "key")) == give_answer(first)


def test_a_key_belongs_to_its_user(alice: httpx.Client, bob: httpx.Client) -> None:
    """Another user's request with the same key and body is another create."""
    assert send(alice, "key").json() == expect_task(ALICE, id=1, **BODY)
    assert send(bob, "key", BOB).json() == expect_task(BOB, id=2, **BODY)
    assert send(alice, "key").json()["id"] == 1
    assert send(bob, "key", BOB).json()["id"] == 2


@pytest.mark.parametrize("key", ["x", "x" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "!~'\\%,;"])
def test_a_key_is_any_visible_ascii(alice: httpx.Client, key: str) -> None:
    """One character, 255, the quoted string of the IETF's draft."""
    assert give_answer(send(alice, key)) == give_answer(send(alice, key))


@pytest.mark.parametrize(
    ("key", "detail"),
    [
        (b"", "must not be empty"),
        (b"x" * 256, "must have at most 255 characters"),
        (b"two words", "contains a character that is not allowed"),
        (b"a\tb", "contains a character that is not allowed"),
        ("é".encode(), "contains a character that is not allowed"),
    ],
)
def test_a_key_that_is_none_is_refused(
    alice: httpx.Client, database: psycopg.Connection, key: bytes, detail: str
) -> None:
    """And nothing is created."""
    response = alice.post(ALICE.tasks, json=BODY, headers={b"Idempotency-Key": key})
    check_parameter_refusal(response, "Idempotency-Key", detail)
    assert count_tasks(database) == 0


def test_two_keys_are_none(alice: httpx.Client, database: psycopg.Connection) -> None:
    """They are read as one list, which no key is."""
    headers = [("Idempotency-Key", "first"), ("Idempotency-Key", "second")]
    response = alice.post(ALICE.tasks, json=BODY, headers=headers)
    check_parameter_refusal(response, "Idempotency-Key", "contains a character that is not allowed")
    assert count_tasks(database) == 0


def test_a_refused_request_does_not_use_its_key_up(alice: httpx.Client, bob: httpx.Client) -> None:
    """Neither for its body nor for its token or its path."""
    assert send(alice, "key", title="").status_code == 422
    assert send(alice, "key", owner="me").status_code == 422
    assert alice.post(ALICE.tasks, content=b"{", headers={"Idempotency-Key": "key"}).status_code == 400
    assert send(bob, "key", ALICE).status_code == 403
    assert send(alice, "key").json() == expect_task(ALICE, id=1, **BODY)


def test_a_key_lives_on_at_another_server(alice: httpx.Client, database_url: str) -> None:
    """After a restart too: it is in the database."""
    first = send(alice, "key")
    with open_scene(database_url) as other:
        other.client.headers.update(ALICE.headers)
        assert give_answer(send(other.client, "key")) == give_answer(first)


def test_a_create_without_a_key_looks_at_none(alice: httpx.Client, database: psycopg.Connection) -> None:
    """Even while the table of keys is locked."""
    with database.transaction():
        database.execute("LOCK TABLE taskflow_idempotency_keys IN ACCESS EXCLUSIVE MODE")
        create_task(alice, ALICE)


def test_a_create_that_failed_does_not_use_its_key_up(make_database: MakeDatabase) -> None:
    """What was answered 503 was not done, neither the task nor its key."""
    with open_scene(make_database(), DATABASE_TIMEOUT="0.5") as scene:
        scene.client.headers.update(ALICE.headers)
        with scene.database.transaction():
            scene.database.execute("LOCK TABLE taskflow_list_versions IN ACCESS EXCLUSIVE MODE")
            assert send(scene.client, "key").status_code == 503
        assert (count_tasks(scene.database), list_keys(scene.database)) == (0, [])
        assert send(scene.client, "key").status_code == 201
        assert count_tasks(scene.database) == 1


def test_of_many_with_one_key_and_body_one_creates(alice: httpx.Client, database: psycopg.Connection) -> None:
    """All at once, and all have the same answer."""
    with ThreadPoolExecutor(WRITERS) as pool:
        for _ in range(ROUNDS):
            key = uuid4().hex
            answers = set(pool.map(lambda _, key=key: give_answer(send(alice, key)), range(WRITERS)))
            assert len(answers) == 1
            assert next(iter(answers))[0] == 201
    assert count_tasks(database) == ROUNDS


def test_of_many_with_one_key_and_other_bodies_one_wins(alice: httpx.Client, database: psycopg.Connection) -> None:
    """The others are told that the key is another's."""
    with ThreadPoolExecutor(WRITERS) as pool:
        for _ in range(ROUNDS):
            key = uuid4().hex
            answers = list(pool.map(lambda n, key=key: send(alice, key, title=f"Task {n}"), range(WRITERS)))
            won = [answer for answer in answers if answer.status_code == 201]
            assert [answer.status_code for answer in answers].count(422) == WRITERS - 1
            assert len(won) == 1
            alice.delete(won[0].headers["Location"])
    assert count_tasks(database) == 0
