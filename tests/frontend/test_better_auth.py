"""The real Better Auth signs, TaskFlow verifies, in each way in which a frontend may have it: the whole cycle of tasks.

Both keep their data in one database. What must not be taken for a token is the matter of test_better_auth_tokens.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import ANY

import httpx
import psycopg
import pytest

from tests.conftest import MakeDatabase
from tests.support.better_auth import Account, BetterAuth, open_tasks, read_claims, read_header, run_better_auth
from tests.support.problems import expect_problem
from tests.support.server import Server, make_environment, run_server
from tests.support.tokens import expect_refusal

ALGORITHMS = {
    "eddsa": "EdDSA",
    "es256": "ES256",
    "es512": "ES512",
    "rs256": "RS256",
    "ps256": "PS256",
    "hs256": "HS256",
    "bridge": "HS256",
}

USER_CLAIMS = {"createdAt", "email", "emailVerified", "id", "image", "name", "updatedAt"}


@dataclass(frozen=True)
class Stage:
    """Better Auth and TaskFlow on one database, and two people with accounts."""

    better_auth: BetterAuth
    taskflow: Server
    database_url: str
    alice: Account
    bob: Account


@pytest.fixture(scope="module", params=ALGORITHMS)
def stage(request: pytest.FixtureRequest, better_auth: Path, make_database: MakeDatabase) -> Iterator[Stage]:
    """A stage for each way of signing. TaskFlow knows what that way needs, and nothing else."""
    database_url = make_database()
    with run_better_auth(better_auth, database_url, request.param) as running:
        environment = make_environment(
            ENVIRONMENT="production",
            DATABASE_URL=database_url,
            CORS_ORIGINS="https://app.example.com",
            **running.variables,
        )
        with run_server(environment) as taskflow:
            yield Stage(running, taskflow, database_url, running.sign_up("alice"), running.sign_up("bob"))


def test_a_token_is_signed_as_the_mode_says(stage: Stage) -> None:
    """Or another mode would be proved here than is claimed: header and claims are those that Better Auth really has."""
    token = stage.alice.get_token()
    header, claims = read_header(token), read_claims(token)
    mode, url = stage.better_auth.mode, stage.better_auth.url
    assert claims["sub"] == stage.alice.id
    if mode == "bridge":
        assert header == {"alg": "HS256"}
        assert claims.keys() == {"email", "name", "sub", "iat", "exp"}
        return
    assert header == ({"alg": "HS256", "typ": "JWT"} if mode == "hs256" else {"alg": ALGORITHMS[mode], "kid": ANY})
    assert claims.keys() == USER_CLAIMS | {"sub", "iat", "exp", "iss", "aud"}
    assert (claims["iss"], claims["aud"], claims["exp"] - claims["iat"]) == (url, url, 900)


def test_the_whole_cycle_of_tasks(stage: Stage) -> None:
    """SC-005: sign up, sign in, get the token, and do everything that there is to do."""
    stage.alice.sign_in()
    path = stage.alice.tasks
    with open_tasks(stage.taskflow.url, stage.alice.get_token()) as tasks:
        assert tasks.get(path).json() == []
        answer = tasks.post(path, json={"title": "Buy groceries", "description": "Milk, eggs, bread"})
        created = answer.json()
        assert (answer.status_code, created) == (
            201,
            {
                "id": ANY,
                "user_id": stage.alice.id,
                "title": "Buy groceries",
                "description": "Milk, eggs, bread",
                "is_completed": False,
                "created_at": ANY,
                "updated_at": created["created_at"],
            },
        )
        place = answer.headers["Location"]
        assert place == f"{path}/{created['id']}"
        assert tasks.get(place).json() == created
        patched = tasks.patch(place, json={"is_completed": True, "description": None}).json()
        assert patched == {**created, "is_completed": True, "description": None, "updated_at": ANY}
        assert patched["updated_at"] > created["updated_at"]
        assert tasks.get(path).json() == [patched]
        refused = tasks.patch(place, json={"title": ""})
        assert refused.json() == expect_problem(422, "title must not be empty.", title="must not be empty")
        with psycopg.connect(stage.database_url) as database:
            rows = database.execute(
                'SELECT "user".email, tasks.title FROM tasks JOIN "user" ON "user".id = tasks.user_id'
            ).fetchall()
        assert rows == [(stage.alice.email, "Buy groceries")]
        deleted = tasks.delete(place)
        assert (deleted.status_code, deleted.content) == (204, b"")
        assert tasks.get(place).json() == expect_problem(404, "There is no task with this task_id.")


def test_another_users_token_is_forbidden(stage: Stage) -> None:
    """On the path of somebody else, and for somebody else's task."""
    with (
        open_tasks(stage.taskflow.url, stage.alice.get_token()) as alices,
        open_tasks(stage.taskflow.url, stage.bob.get_token()) as bobs,
    ):
        task = alices.post(stage.alice.tasks, json={"title": "Buy groceries"}).json()
        for method, path in (("GET", stage.alice.tasks), ("DELETE", f"{stage.alice.tasks}/{task['id']}")):
            refused = bobs.request(method, path)
            assert refused.json() == expect_problem(403, "The user_id in the path is not the user of the token.")
        refused = bobs.get(f"{stage.bob.tasks}/{task['id']}")
        assert refused.json() == expect_problem(403, "The task belongs to another user.")
        assert alices.delete(f"{stage.alice.tasks}/{task['id']}").status_code == 204


def test_after_signing_out_there_is_no_token_any_more(stage: Stage) -> None:
    """The frontend gets none; the last one is good until it expires, since nobody but Better Auth knows of sessions."""
    carol = stage.better_auth.sign_up("carol")
    token = carol.get_token()
    carol.sign_out()
    assert carol.ask_for_token().status_code == 401
    with open_tasks(stage.taskflow.url, token) as tasks:
        assert tasks.get(carol.tasks).json() == []


def test_the_session_itself_is_no_token(stage: Stage) -> None:
    """Neither the opaque one in the answer to signing in, nor the cookie that is signed."""
    opaque, cookie = stage.bob.sign_in()["token"], stage.bob.find_cookie("session_token")
    assert cookie.startswith(f"{opaque}.")
    with httpx.Client(base_url=stage.taskflow.url) as client:
        for text in (opaque, cookie):
            expect_refusal(client.get(stage.bob.tasks, headers={"Authorization": f"Bearer {text}"}), "Invalid token")


def test_the_header_of_a_session_is_a_token(stage: Stage) -> None:
    """`set-auth-jwt`, as the plugin sends it with get-session; without the plugin there is none."""
    header = stage.alice.client.get("/api/auth/get-session").headers.get("set-auth-jwt")
    if stage.better_auth.mode == "bridge":
        assert header is None
        return
    assert header is not None
    with open_tasks(stage.taskflow.url, header) as tasks:
        assert tasks.get(stage.alice.tasks).json() == []
