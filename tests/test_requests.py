"""Requests that are wrong in one way or several: which mistake is told first, and how briefly."""

import json
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import httpx
import pytest

from tests.support.cast import ALICE, BOB
from tests.support.operations import BODY_OPERATIONS, Operation
from tests.support.tasks import create_task, expect_task

MAX_BODY_BYTES = 1_048_576


@dataclass(frozen=True)
class Draft:
    """A request to complete Alice's task, before it is sent; as it stands, it succeeds."""

    method: str = "PATCH"
    owner: str = "alice"
    task_id: str = "1"
    end_of_path: str = ""
    token: str = field(default_factory=lambda: ALICE.token)
    media_type: str = "application/json"
    is_completed: object = True
    end_of_json: str = "}"
    padding: int = 0

    def send(self, client: httpx.Client) -> httpx.Response:
        return client.request(
            self.method,
            f"/api/{self.owner}/tasks/{self.task_id}{self.end_of_path}",
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": self.media_type},
            content=f'{{"is_completed": {json.dumps(self.is_completed)}{self.end_of_json}' + " " * self.padding,
        )


@dataclass(frozen=True)
class Mistake:
    """What is wrong with a request, and the answer to it."""

    name: str
    change: dict[str, Any]
    status: int
    detail: str

    def __str__(self) -> str:
        return self.name


# In the order in which they are told. Bob's task has the id 2.
MISTAKES = [
    Mistake("unknown path", {"end_of_path": "/x"}, 404, "There is nothing at this path."),
    Mistake("wrong method", {"method": "PUT"}, 405, "This path takes only DELETE, GET, HEAD, PATCH."),
    Mistake("bad token", {"token": "x"}, 401, "Invalid token"),
    Mistake("foreign path", {"owner": "bob"}, 403, "The user_id in the path is not the user of the token."),
    Mistake("bad task_id", {"task_id": "abc"}, 422, "task_id must be an integer."),
    Mistake("too large", {"padding": MAX_BODY_BYTES}, 413, "The request body is larger than 1048576 bytes."),
    Mistake(
        "wrong media type",
        {"media_type": "text/plain"},
        415,
        "The Content-Type must be application/json or application/merge-patch+json.",
    ),
    Mistake("not JSON", {"end_of_json": "!"}, 400, "The request body is not valid JSON (line 1, column {column})."),
    Mistake("bad member", {"is_completed": "yes"}, 422, "is_completed must be a boolean."),
    Mistake("unknown task", {"task_id": "99"}, 404, "There is no task with this task_id."),
    Mistake("foreign task", {"task_id": "2"}, 403, "The task belongs to another user."),
]


def test_without_a_mistake_the_request_succeeds(alice: httpx.Client) -> None:
    """So that what the other tests see is due to the mistakes."""
    create_task(alice, ALICE)
    response = Draft().send(alice)
    assert (response.status_code, response.json()) == (200, expect_task(ALICE, id=1, is_completed=True))


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_one_mistake_is_told(alice: httpx.Client, bob: httpx.Client, mistake: Mistake) -> None:
    """Each has an answer of its own."""
    task, _ = create_task(alice, ALICE), create_task(bob, BOB)
    check_told(replace(Draft(), **mistake.change).send(alice), mistake)
    assert alice.get(ALICE.tasks).json() == [task]


@pytest.mark.parametrize(
    ("first", "second"),
    [pair for pair in combinations(MISTAKES, 2) if pair[0].change.keys().isdisjoint(pair[1].change)],
    ids=str,
)
def test_of_two_mistakes_the_first_is_told(
    alice: httpx.Client, bob: httpx.Client, first: Mistake, second: Mistake
) -> None:
    """Who may not look learns nothing, and no work is done for a request that fails anyway."""
    task, theirs = create_task(alice, ALICE), create_task(bob, BOB)
    check_told(replace(Draft(), **first.change, **second.change).send(alice), first)
    assert alice.get(ALICE.tasks).json() == [task]
    assert bob.get(BOB.tasks).json() == [theirs]


def check_told(response: httpx.Response, mistake: Mistake) -> None:
    assert response.status_code == mistake.status, response.text
    sent = response.request.content
    # The comma or brace that should have followed the value stands behind it.
    column = sent.find(b"!") + 1
    assert response.json()["detail"] == mistake.detail.format(column=column)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Request-Id"]


MARK = "a-value-that-no-answer-repeats"


@pytest.mark.parametrize("operation", BODY_OPERATIONS, ids=lambda operation: operation.id)
@pytest.mark.parametrize(
    "content",
    [
        f'{{"title": "{MARK * 10}"}}',
        f'{{"title": {{"a": "{MARK}"}}}}',
        f'{{"title": "a", "description": ["{MARK}"]}}',
        f'{{"title": "{MARK}\\u0000"}}',
        f'{{"title": "a", "unknown": "{MARK}"}}',
        f'{{"title": "{MARK}", "title": "{MARK}"}}',
        f'{{"title": "{MARK}\\ud800"}}',
        f'{{"title": {MARK}}}',
        f'"{MARK}"',
        f'["{MARK}"]',
        MARK,
    ],
)
def test_a_refusal_does_not_repeat_values(alice: httpx.Client, operation: Operation, content: str) -> None:
    """Answers end up in logs and on screens where a user's text has no business. A schema has none either."""
    create_task(alice, ALICE)
    response = operation.call(alice, ALICE, content=content, headers={"Content-Type": "application/json"})
    assert response.status_code in {400, 422}
    assert isinstance(response.json()["detail"], str)
    assert MARK not in response.text
    assert "additionalProperties" not in response.text


@pytest.mark.parametrize("operation", BODY_OPERATIONS, ids=lambda operation: operation.id)
@pytest.mark.parametrize(
    "names",
    [
        [f"unknown_member_{number}" for number in range(20_000)],
        ["x" * 1_000_000],
        [f"{number}" + "x" * 5_000 for number in range(150)],
        [f"{number}" + "~/" * 2_500 for number in range(150)],
        [f"{number}" + "\N{GRINNING FACE}" * 1_000 for number in range(150)],
    ],
    ids=["many", "one huge", "many long", "many that need escapes", "many beyond the BMP"],
)
def test_a_refusal_is_brief_however_much_is_wrong(alice: httpx.Client, operation: Operation, names: list[str]) -> None:
    """A hostile body must not make the answer or the log as large as itself."""
    create_task(alice, ALICE)
    body = json.dumps(dict.fromkeys(names, 1), ensure_ascii=False).encode()
    assert len(body) <= MAX_BODY_BYTES
    response = operation.call(alice, ALICE, content=body)
    assert response.status_code == 422
    assert len(response.json()["errors"]) <= 20
    assert len(response.json()["detail"].encode()) < 1000
    assert len(response.content) < 10_000
