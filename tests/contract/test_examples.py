"""The examples in the contract are no inventions: the running server takes and sends exactly them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import ANY

import httpx
import orjson
import psycopg
import pytest

from taskflow.errors import (
    DatabaseTimeout,
    DatabaseUnavailable,
    FieldError,
    KeysUnavailable,
    NotReady,
    Problem,
    ServerBusy,
    ServerStopping,
    render_problem,
)
from tests.support.cast import ALICE, BOB, User, authorize, sign
from tests.support.contract import load_contract

EXAMPLES: dict[str, Any] = {
    name: example["value"] for name, example in load_contract()["components"]["examples"].items()
}
PATHS = load_contract()["paths"]

USER = User("user_abc123")
"""The user of the contract's examples."""

JSON = {"Content-Type": "application/json"}
ONCE = {"Idempotency-Key": "first"}
LONG_NAME = User("x" * 256)


@dataclass(frozen=True)
class Provocation:
    """A request that earns an error; `token` is ALICE's unless another is named."""

    method: str
    path: str = ALICE.tasks
    token: str = field(default_factory=lambda: ALICE.token)
    headers: dict[str, str] = field(default_factory=lambda: JSON)
    content: bytes = b""


PROVOCATIONS = {
    "NotJson": Provocation("POST", content=b'{"title": }'),
    "BodyMissing": Provocation("POST"),
    "TokenMissing": Provocation("GET", token=""),
    "TokenExpired": Provocation("GET", token=sign({"sub": ALICE.id, "exp": 1})),
    "TokenInvalid": Provocation("GET", token="not.a.token"),
    "TokenSignatureInvalid": Provocation("GET", token=sign({"sub": ALICE.id, "exp": 2**40}, secret="x" * 32)),
    "NotYourPath": Provocation("GET", BOB.tasks),
    "NotYourTask": Provocation("GET", f"{BOB.tasks}/1", BOB.token),
    "PathNotFound": Provocation("GET", "/api/alice/nothing"),
    "TaskNotFound": Provocation("GET", f"{ALICE.tasks}/2"),
    "TaskChanged": Provocation("DELETE", f"{ALICE.tasks}/1", headers={"If-Match": '"another"'}),
    "BodyTooLarge": Provocation("POST", content=b" " * 1_048_577),
    "MediaTypeUnsupported": Provocation("POST", headers={"Content-Type": "text/plain"}, content=b"{}"),
    "PatchMediaTypeUnsupported": Provocation("PATCH", f"{ALICE.tasks}/1", headers={"Content-Type": "text/plain"}),
    "EncodingUnsupported": Provocation("POST", headers={"Content-Encoding": "gzip"}, content=b"{}"),
    "UserIdTooLong": Provocation("GET", LONG_NAME.tasks, LONG_NAME.token),
    "TaskIdNotInteger": Provocation("GET", f"{ALICE.tasks}/first"),
    "LimitTooGreat": Provocation("GET", f"{ALICE.tasks}?limit=1001"),
    "CursorOfAnother": Provocation("GET", f"{ALICE.tasks}?cursor=bm90IGEgcmVhbCBvbmU"),
    "ParameterUnknown": Provocation("GET", f"{ALICE.tasks}?page=2"),
    "TitleEmpty": Provocation("POST", content=b'{"title": ""}'),
    "TitleMissing": Provocation("POST", content=b"{}"),
    "SeveralErrors": Provocation("POST", content=orjson.dumps({"title": "x" * 201, "id": 1})),
    "KeyReused": Provocation("POST", headers={**JSON, **ONCE}, content=b'{"title": "Another"}'),
    "IsCompletedNull": Provocation("PATCH", f"{ALICE.tasks}/1", content=b'{"is_completed": null}'),
}

# What it takes to provoke these on a running server is the subject of other tests.
FAILURES = {
    "Unexpected": Problem(),
    "DatabaseUnavailable": DatabaseUnavailable(),
    "DatabaseTimeout": DatabaseTimeout(),
    "KeysUnavailable": KeysUnavailable(""),
    "DatabaseNotReady": NotReady([FieldError("cannot be reached", "database")]),
    "DatabaseSlow": NotReady([FieldError("does not answer in time", "database")]),
    "KeysNotReady": NotReady([FieldError("cannot be fetched", "keys")]),
    "ServerBusy": ServerBusy(),
    "ServerStopping": ServerStopping(),
}


@pytest.fixture
def user(anybody: httpx.Client) -> httpx.Client:
    """The client of the user of the contract's examples."""
    anybody.headers["Authorization"] = f"Bearer {USER.token}"
    return anybody


def test_every_error_example_is_provoked() -> None:
    """No error in the contract is missing from the tables above."""
    errors = {name for name, value in EXAMPLES.items() if "status" in value}
    assert PROVOCATIONS.keys() | FAILURES.keys() == errors


@pytest.mark.parametrize("name", PROVOCATIONS)
def test_the_server_sends_the_example_of_an_error(alice: httpx.Client, anybody: httpx.Client, name: str) -> None:
    """Word for word."""
    assert alice.post(ALICE.tasks, json={"title": "Alice's own"}, headers=ONCE).json()["id"] == 1
    provocation = PROVOCATIONS[name]
    headers = {**provocation.headers, **(authorize(provocation.token) if provocation.token else {})}
    response = anybody.request(provocation.method, provocation.path, headers=headers, content=provocation.content)
    assert response.json() == EXAMPLES[name]
    assert response.status_code == EXAMPLES[name]["status"]


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_rendered_as_its_example(name: str) -> None:
    """The same, for what only a fault brings about."""
    assert orjson.loads(bytes(render_problem(FAILURES[name]).body)) == EXAMPLES[name]


def _collect_requests() -> Iterator[tuple[str, str, Any]]:
    for method, path in (("post", "/api/{user_id}/tasks"), ("patch", "/api/{user_id}/tasks/{task_id}")):
        for media_type, media in PATHS[path][method]["requestBody"]["content"].items():
            for example in media["examples"].values():
                yield method, media_type, example["value"]


@pytest.mark.parametrize(("method", "media_type", "body"), list(_collect_requests()))
def test_the_server_takes_the_examples_of_bodies(user: httpx.Client, method: str, media_type: str, body: Any) -> None:  # noqa: ANN401  JSON can be anything
    """In every media type that they are written for; what was sent comes back."""
    user.post(USER.tasks, json={"title": "Before", "description": "Before"})
    path = USER.tasks if method == "post" else f"{USER.tasks}/1"
    response = user.request(method, path, content=orjson.dumps(body), headers={"Content-Type": media_type})
    assert response.is_success
    assert response.json() == {**response.json(), **body}


def test_the_server_sends_the_examples_of_tasks(user: httpx.Client) -> None:
    """None, one, the created and the completed task: as in the contract, but for the time of day."""
    listed = PATHS["/api/{user_id}/tasks"]["get"]["responses"]["200"]["content"]["application/json"]["examples"]
    collection = PATHS["/api/{user_id}/tasks"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    now = {"created_at": ANY, "updated_at": ANY}
    assert user.get(USER.tasks).json() == listed["none"]["value"]
    assert user.post(USER.tasks, json=collection["withDescription"]["value"]).json() == {**EXAMPLES["Task"], **now}
    assert user.get(USER.tasks).json() == [{**listed["one"]["value"][0], **now}]
    completed = user.patch(f"{USER.tasks}/1", json=EXAMPLES["CompleteTask"])
    assert completed.json() == {**EXAMPLES["CompletedTask"], **now}


def test_the_examples_of_headers_are_what_the_server_sends(user: httpx.Client, database: psycopg.Connection) -> None:
    """Location, WWW-Authenticate and the form of X-Request-Id."""
    headers = {name: header["example"] for name, header in load_contract()["components"]["headers"].items()}
    assert not database.closed
    created = user.post(USER.tasks, json={"title": "Buy groceries"})
    refused = user.get(USER.tasks, headers=authorize("x"))
    assert created.headers["Location"] == headers["Location"]
    assert refused.headers["WWW-Authenticate"] == headers["WWW-Authenticate"]
    assert len(created.headers["X-Request-Id"]) == len(headers["X-Request-Id"])
    assert DatabaseUnavailable.headers == (("Retry-After", str(headers["Retry-After"])),)
