"""TaskFlow behind a pooler of transactions, whether its name says what it is or not.

Two requests over one connection may meet two sessions of PostgreSQL, and a session serves whoever comes.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import chain, combinations
from unittest.mock import ANY

import httpx
import psycopg
import pytest

from taskflow.database.statements import PAGE_ROWS, UPDATE_TASK
from tests.conftest import MakeDatabase
from tests.support.cast import ALICE, BOB, User
from tests.support.contract import check_response
from tests.support.faults import open_client, run_impatient_server
from tests.support.pgbouncer import BACKENDS, HOSTS, PROGRAM, PgBouncer
from tests.support.problems import expect_problem
from tests.support.server import Server
from tests.support.tasks import create_task, expect_task

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed")

USERS = 20
ROUNDS = 10

PATCH = {"title": "Buy vegetables", "description": "Leek é漢🎉", "is_completed": True}
NOT_FOUND = expect_problem(404, "There is no task with this task_id.")
NOT_YOURS = expect_problem(403, "The task belongs to another user.")


def do_all_operations(client: httpx.Client, owner: User, others: int) -> None:
    """Create, list, get, change and delete, and meet somebody else's task on the way; end with an empty list."""
    first = create_task(client, owner)
    second = create_task(client, owner, title="Buy seeds", description="Leek é漢🎉")
    assert first == expect_task(owner)
    assert second == expect_task(owner, title="Buy seeds", description="Leek é漢🎉")
    assert client.get(owner.tasks).json() == [first, second]
    path = f"{owner.tasks}/{first['id']}"
    assert client.get(path).json() == first
    changed = client.patch(path, json=PATCH)
    check_response(changed)
    assert changed.json() == {**first, **PATCH, "updated_at": ANY}
    assert changed.json()["updated_at"] > first["updated_at"]
    assert client.get(owner.tasks).json() == [changed.json(), second]
    refused = client.patch(f"{owner.tasks}/{others}", json=PATCH)
    assert (refused.status_code, refused.json()) == (403, NOT_YOURS)
    deleted = client.delete(path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    gone = client.get(path)
    assert (gone.status_code, gone.json()) == (404, NOT_FOUND)
    assert client.get(owner.tasks).json() == [second]
    assert client.delete(f"{owner.tasks}/{second['id']}").status_code == 204
    assert client.get(owner.tasks).json() == []


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
def test_an_empty_database_is_all_that_a_server_needs(
    host: str, pgbouncer: PgBouncer, make_database: MakeDatabase
) -> None:
    """The schema is made through PgBouncer, who refuses any parameter of a session that it does not know."""
    url = pgbouncer.make_url(make_database(), host)
    with run_impatient_server(url) as server, open_client(server) as client, open_client(server, BOB) as bob:
        do_all_operations(client, ALICE, create_task(bob, BOB)["id"])
        log = server.read_log()
    assert "the schema is up to date" in log
    assert "answering 503" not in log
    assert "cannot connect" not in log
    assert "unsupported startup parameter" not in pgbouncer.log.read_text()


def test_every_set_of_members_can_be_patched(client: httpx.Client) -> None:
    """Each has a statement of its own, and another one with a condition."""
    sets = list(chain.from_iterable(combinations(PATCH, size) for size in range(len(PATCH) + 1)))
    assert {(frozenset(members), condition) for members in sets for condition in (False, True)} == UPDATE_TASK.keys()
    for members in sets * 2:  # whoever has prepared them
        task = create_task(client, ALICE)
        changes = {member: PATCH[member] for member in members}
        response = client.patch(f"{ALICE.tasks}/{task['id']}", json=changes)
        check_response(response)
        assert response.json() == {**task, **changes, "updated_at": ANY}
        again = client.patch(
            f"{ALICE.tasks}/{task['id']}", json=changes, headers={"If-Match": response.headers["ETag"]}
        )
        check_response(again)
        assert again.json() == {**response.json(), "updated_at": ANY}
        assert (response.json() == task) is not bool(members)
        assert client.get(f"{ALICE.tasks}/{task['id']}").json() == again.json()


def test_a_list_of_many_pages_is_whole(client: httpx.Client, database: psycopg.Connection) -> None:
    """Each page may be read by another backend."""
    count = 5 * PAGE_ROWS // 2
    database.execute("INSERT INTO tasks (user_id, title) SELECT 'alice', n FROM generate_series(1, %s) AS n", [count])
    assert client.get(ALICE.tasks).json() == [
        expect_task(ALICE, id=number, title=str(number)) for number in range(1, count + 1)
    ]


def test_many_users_at_once_each_have_their_own(servers: dict[str, Server], database: psycopg.Connection) -> None:
    """None gets an error or another's answer, though two servers send different things over three backends."""
    ways = list(servers.values())
    with open_client(ways[0], BOB) as bob:
        others = create_task(bob, BOB)

    def use(number: int) -> None:
        user = User(f"user {number}")
        with open_client(ways[number % len(ways)], user) as client:
            for _ in range(ROUNDS):
                do_all_operations(client, user, others["id"])

    logs = [server.read_log() for server in ways]
    with ThreadPoolExecutor(USERS) as pool:
        for _ in pool.map(use, range(USERS)):
            pass
    for server, before in zip(ways, logs, strict=True):
        assert "answering 503" not in server.read_log()[len(before) :]
    row = database.execute(
        "SELECT count(*), (SELECT count(*) FROM tasks) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ).fetchone()
    assert row == (BACKENDS, 1)
