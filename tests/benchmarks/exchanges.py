"""What is asked of each server, and which answer is right."""

import time
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg

from tests.support.cast import User, sign

_PATCHED = 1_000
_DELETED = 200_000
"""More than any server deletes while it is measured: a second delete of a task would be a wrong answer."""


@dataclass(frozen=True)
class Exchange:
    """A kind of request and the status of its answer.

    With `id_count`, the path goes on with the ids from `first_id` in turn.
    """

    name: str
    method: str
    user: str
    status: int
    rows: int = 0
    """The tasks that the user has when it begins."""
    first_id: int = 0
    id_count: int = 0
    body: str | None = None
    token: str | None = None
    condition: str | None = None
    """What If-None-Match says."""
    has_constant_length: bool = False
    """Whether each right answer of one server is as long as the next."""

    @property
    def path(self) -> str:
        return User(self.user).tasks

    def prepare(self, database: psycopg.Connection) -> None:
        """Fill the table: a crowd of others' tasks, and the user's with ids from 1,000,000; new ones come below."""
        database.execute("TRUNCATE tasks")
        database.execute(_FILL, {"user": "others_", "first": 2_000_000, "count": 10_000})
        database.execute(_FILL, {"user": self.user, "first": 1_000_000, "count": self.rows})
        database.execute("VACUUM ANALYZE tasks")
        database.execute("CHECKPOINT")

    def probe(self, url: str) -> int:
        """Send it once, look at the whole answer, and give the length of its body.

        Raises AssertionError if the answer is not right.
        """
        path = f"{self.path}/{self.first_id + self.id_count - 1}" if self.id_count else self.path
        headers = {"Authorization": f"Bearer {self.token or User(self.user).token}"}
        if self.condition is not None:
            headers["If-None-Match"] = self.condition
        if self.body is not None:
            headers["Content-Type"] = "application/json"
        answer = httpx.request(self.method, url + path, headers=headers, content=self.body, timeout=60)
        assert answer.status_code == self.status, f"{self.name}: {answer.status_code} {answer.text[:500]}"
        if self.status in {204, 304}:
            assert answer.content == b""
        elif self.status >= 400:
            assert answer.json()["detail"]
        elif self.id_count == 0 and self.method == "GET":
            self._check_list(answer.json())
        else:
            _check_task(answer.json(), self.user)
        return len(answer.content)

    def _check_list(self, tasks: list[dict[str, Any]]) -> None:
        assert [task["id"] for task in tasks] == list(range(1_000_000, 1_000_000 + self.rows))
        for task in tasks:
            _check_task(task, self.user)


def _check_task(task: dict[str, Any], user: str) -> None:
    assert task.keys() == {"id", "user_id", "title", "description", "is_completed", "created_at", "updated_at"}
    assert task["user_id"] == user
    assert task["title"]


_FILL = """
    INSERT INTO tasks (id, user_id, title, description) OVERRIDING SYSTEM VALUE
    SELECT n, CASE WHEN %(user)s = 'others_' THEN %(user)s || n / 10 ELSE %(user)s END,
           'Buy groceries, number ' || n, 'Milk, eggs, bread' || repeat(' and more', (n %% 5)::int)
    FROM generate_series(%(first)s::bigint, %(first)s::bigint + %(count)s - 1) AS n
"""

_BAD_TOKEN = sign({"sub": "ten", "exp": int(time.time()) + 3600}, secret="another secret, of thirty-two bytes")

EXCHANGES = (
    Exchange("list of 10", "GET", "ten", 200, rows=10, has_constant_length=True),
    Exchange("list of 1000", "GET", "thousand", 200, rows=1_000, has_constant_length=True),
    Exchange("get", "GET", "ten", 200, rows=10, first_id=1_000_000, id_count=10),
    Exchange("create", "POST", "writer", 201, body='{"title": "Buy groceries", "description": "Milk, eggs, bread"}'),
    Exchange(
        "patch",
        "PATCH",
        "patcher",
        200,
        rows=_PATCHED,
        first_id=1_000_000,
        id_count=_PATCHED,
        body='{"title": "Buy more groceries", "is_completed": true}',
    ),
    Exchange("delete", "DELETE", "deleter", 204, rows=_DELETED, first_id=1_000_000, id_count=_DELETED),
    Exchange("401", "GET", "ten", 401, rows=10, token=_BAD_TOKEN, has_constant_length=True),
    Exchange("422", "POST", "writer", 422, body='{"title": ""}', has_constant_length=True),
)
