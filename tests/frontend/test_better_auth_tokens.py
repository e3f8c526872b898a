"""What else Better Auth signs, and how its keys and tokens come and go: seen with the real one."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import MakeDatabase
from tests.support.better_auth import Account, BetterAuth, open_tasks, read_claims, read_header, run_better_auth
from tests.support.cast import SECRET
from tests.support.problems import expect_problem
from tests.support.server import Server, make_environment, run_server
from tests.support.tokens import expect_refusal
from tests.support.waiting import wait_for

PATIENCE_SECONDS = 20

UNAVAILABLE = expect_problem(503, "The keys that tokens are checked with are temporarily unavailable, please retry.")


@contextmanager
def run_taskflow(database_url: str, **variables: str) -> Iterator[Server]:
    """Run TaskFlow in production, with what it is told of Better Auth."""
    environment = make_environment(
        ENVIRONMENT="production", DATABASE_URL=database_url, CORS_ORIGINS="https://app.example.com", **variables
    )
    with run_server(environment) as server:
        yield server


def ask(server: Server, account: Account, token: str) -> httpx.Response:
    """Ask for an account's tasks, once."""
    with open_tasks(server.url, token) as tasks:
        return tasks.get(account.tasks)


@pytest.fixture(scope="module")
def database_url(make_database: MakeDatabase) -> str:
    """A database for all of these."""
    return make_database()


@pytest.mark.parametrize(
    ("mode", "cookie"),
    [("eddsa", "signed-with-keys"), ("eddsa", "signed-with-secret"), ("hs256", "signed-with-secret")],
)
def test_a_session_cookie_is_no_token(mode: str, cookie: str, better_auth: Path, database_url: str) -> None:
    """Not even the one that is signed with the published keys and has a `sub`; TaskFlow knows both kinds of key."""
    with run_better_auth(better_auth, database_url, mode, COOKIE=cookie) as running:
        alice = running.sign_up(f"{mode}-{cookie}")
        text = alice.find_cookie("session_data")
        assert read_header(text).get("typ") == ("better-auth.session-cache+jwt" if cookie.endswith("keys") else None)
        assert read_claims(text).get("sub") == (alice.id if cookie.endswith("keys") else None)
        variables = {"BETTER_AUTH_SECRET": SECRET}
        if mode == "eddsa":
            variables["BETTER_AUTH_URL"] = running.url
        with run_taskflow(database_url, **variables) as server:
            assert ask(server, alice, alice.get_token()).json() == []
            expect_refusal(ask(server, alice, text), "Invalid token")


def test_the_link_that_verifies_an_address_is_no_token(better_auth: Path, database_url: str) -> None:
    """It is signed with the secret and names the user, but not as its subject."""
    with run_better_auth(better_auth, database_url, "hs256", VERIFY_EMAIL="yes") as running:
        alice = running.sign_up("link")
        found = wait_for(lambda: re.search(r"verification token: (\S+)", running.log.read_text()), PATIENCE_SECONDS)
        assert read_claims(found[1])["email"] == alice.email
        with run_taskflow(database_url, BETTER_AUTH_SECRET=SECRET) as server:
            expect_refusal(ask(server, alice, found[1]), "Invalid token")


@pytest.mark.parametrize(
    ("mode", "variables", "message"),
    [
        (
            "eddsa",
            {"BETTER_AUTH_SECRET": SECRET},
            "refused a token that is signed with EdDSA: to accept it, set BETTER_AUTH_URL",
        ),
        (
            "bridge",
            {"JWKS_URL": "http://127.0.0.1:9/jwks"},
            "refused a token that is signed with HS256: to accept it, set BETTER_AUTH_SECRET",
        ),
    ],
)
def test_the_log_says_what_to_set_for_a_token_of_the_other_kind(
    mode: str, variables: dict[str, str], message: str, better_auth: Path, database_url: str
) -> None:
    """The commonest mistake of all: the client hears that the token is invalid, the operator how to accept it."""
    with (
        run_better_auth(better_auth, database_url, mode) as running,
        run_taskflow(database_url, **variables) as server,
    ):
        alice = running.sign_up(f"other-{mode}")
        expect_refusal(ask(server, alice, alice.get_token()), "Invalid token")
        lines = [json.loads(line) for line in server.read_log().splitlines()]
        assert [line for line in lines if line["level"] == "warning" and line["message"].startswith(message)]


def test_a_token_expires(better_auth: Path, database_url: str) -> None:
    """Told to live for two seconds, it does; the next one is as good as the first."""
    with (
        run_better_auth(better_auth, database_url, "eddsa", TOKEN_LIFE="2s") as running,
        run_taskflow(database_url, BETTER_AUTH_URL=running.url) as server,
    ):
        alice = running.sign_up("expiry")
        token = alice.get_token()
        assert ask(server, alice, token).json() == []
        wait_for(lambda: ask(server, alice, token).status_code == 401, PATIENCE_SECONDS)
        expect_refusal(ask(server, alice, token), "Token expired")
        assert ask(server, alice, alice.get_token()).json() == []


def test_better_auth_rotates_its_keys(better_auth: Path, make_database: MakeDatabase) -> None:
    """A new key is good from its first token on; the old one as long as it is published, and no longer; no restart."""
    # In a database of its own: where there is a key that does not expire, Better Auth goes on signing with that.
    database_url = make_database()
    with (
        run_better_auth(better_auth, database_url, "es256", ROTATION_SECONDS="2", GRACE_SECONDS="3") as running,
        run_taskflow(database_url, BETTER_AUTH_URL=running.url, JWKS_COOLDOWN="0.1", JWKS_MAX_AGE="1") as server,
    ):
        alice = running.sign_up("rotation")
        old = alice.get_token()
        assert ask(server, alice, old).json() == []

        def find_new_token() -> str | None:
            token = alice.get_token()
            return token if read_header(token)["kid"] != read_header(old)["kid"] else None

        new = wait_for(find_new_token, PATIENCE_SECONDS)
        assert ask(server, alice, new).json() == []
        assert ask(server, alice, old).json() == []
        wait_for(lambda: ask(server, alice, old).status_code == 401, PATIENCE_SECONDS)
        expect_refusal(ask(server, alice, old), "Invalid token")
        assert _is_gone(running, read_header(old)["kid"])


def _is_gone(running: BetterAuth, kid: str) -> bool:
    keys = httpx.get(f"{running.url}/api/auth/jwks").json()["keys"]
    return kid not in {key["kid"] for key in keys}


def test_users_stay_signed_in_while_better_auth_is_away(better_auth: Path, database_url: str) -> None:
    """A TaskFlow that starts without it says 503 and not 401, works once it is there, and goes on when it is gone."""
    with run_better_auth(better_auth, database_url, "eddsa") as running:
        alice = running.sign_up("outage")
        token = alice.get_token()
    variables = {"BETTER_AUTH_URL": running.url, "JWKS_COOLDOWN": "0.2", "TOKEN_CACHE_SIZE": "0"}
    with run_taskflow(database_url, **variables) as server:
        refused = ask(server, alice, token)
        assert (refused.json(), refused.headers["Retry-After"]) == (UNAVAILABLE, "5")
        with run_better_auth(better_auth, database_url, "eddsa", port=int(running.url.rpartition(":")[2])):
            wait_for(lambda: ask(server, alice, token).status_code == 200, PATIENCE_SECONDS)
        assert ask(server, alice, token).json() == []
