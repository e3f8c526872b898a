"""What a token claims: who (`sub`), until when (`exp`), from when (`nbf`), and, where configured, by and for whom.

The signature of every token here is right.
"""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.support.cast import ALICE, SECRET, User, sign
from tests.support.contract import check_response
from tests.support.logs import wait_for_request
from tests.support.server import Server, make_environment, run_server
from tests.support.tokens import EXPIRED, INVALID, expect_refusal, forge, make_claims, send

ISSUER = "https://app.example.com"


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"exp": time.time() + 3600.5},
        {"iat": int(time.time()) + 36_000},
        {"iat": "not a number"},
        {"iat": int(time.time()) * 1000},
        {"nbf": int(time.time()) - 60},
        {"iss": "https://app.example.com", "aud": "https://app.example.com"},
        {"iss": ["https://app.example.com"], "aud": ["a", "b"]},
        # As Better Auth's jwt plugin writes it.
        {"name": "Alice", "email": "alice@example.com", "emailVerified": True, "id": "somebody else", "iat": 1},
    ],
    ids=[
        "plain",
        "float",
        "iat-ahead",
        "iat-text",
        "iat-milliseconds",
        "nbf-past",
        "iss-aud",
        "iss-aud-lists",
        "better-auth",
    ],
)
def test_a_valid_token_is_accepted(claims: dict[str, Any], anybody: httpx.Client) -> None:
    """Spec, user story 1, scenario 1. Claims that nobody configured do not count."""
    response = send(anybody, forge(make_claims(**claims)))
    assert (response.status_code, response.json()) == (200, [])


def test_the_frontends_clock_may_be_ahead(anybody: httpx.Client) -> None:
    """By half a minute: a token must not be refused in the moment after the login."""
    ahead = int(time.time()) + 30
    assert send(anybody, sign(make_claims(iat=ahead, nbf=ahead))).status_code == 200


@pytest.mark.parametrize("age", [0, 1, 3600])
def test_an_expired_token_is_refused_to_the_second(age: int, anybody: httpx.Client) -> None:
    """Spec, user story 1, scenario 3. `exp` is the first moment at which the token no longer holds."""
    expect_refusal(send(anybody, sign(make_claims(exp=int(time.time()) - age))), EXPIRED)


@pytest.mark.parametrize(
    "subject", [None, "null", "1", "1.5", "true", '""', '["alice"]', '{"id": "alice"}', '"\\ud800"', '"alice\\udfff"']
)
def test_a_subject_that_is_no_text_is_refused(subject: str | None, anybody: httpx.Client) -> None:
    """Nobody is nobody's user, whatever path they ask for."""
    claims = json.dumps(make_claims(sub=None))
    token = forge(claims if subject is None else claims.replace("{", f'{{"sub": {subject}, '))
    for path in (ALICE.tasks, "/api/1/tasks", "/api/None/tasks", "/api/%ED%A0%80/tasks"):
        expect_refusal(send(anybody, token, path), INVALID)


@pytest.mark.parametrize(
    "claims",
    [
        {"session": {"userId": "alice"}, "user": {"id": "alice"}, "updatedAt": 1, "version": "1"},
        {"userId": "alice", "email": "alice@example.com"},
        {"id": "alice"},
        {"email": "alice"},
    ],
    ids=["session-cookie", "verification-link", "id", "email"],
)
def test_no_claim_stands_in_for_the_subject(claims: dict[str, Any], anybody: httpx.Client) -> None:
    """The frontend signs other things with the same secret, which must not log anybody in."""
    expect_refusal(send(anybody, forge(make_claims(sub=None, **claims))), INVALID)


@pytest.mark.parametrize(
    "expiry",
    [None, "null", "Infinity", "-Infinity", "NaN", "1e400", "9" * 5000, '"tomorrow"', '"9999999999"', "[]", "{}"],
    ids=lambda text: str(text)[:12],
)
def test_an_expiry_that_is_no_time_is_refused(expiry: str | None, anybody: httpx.Client) -> None:
    """A token that never expires could never be taken back."""
    claims = json.dumps(make_claims(exp=None))
    expect_refusal(
        send(anybody, forge(claims if expiry is None else claims.replace("}", f', "exp": {expiry}}}'))), INVALID
    )


YEAR_3000 = 32_503_680_000


@pytest.mark.parametrize("expiry", [YEAR_3000, YEAR_3000 - 1, YEAR_3000 - 0.5])
def test_an_expiry_before_the_year_3000_is_accepted(expiry: float, anybody: httpx.Client) -> None:
    """However far away it is."""
    assert send(anybody, forge(make_claims(exp=expiry))).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": int(time.time() + 900) * 1000},
        {"exp": (time.time() + 900) * 1000},
        {"exp": int(time.time() + 900) * 1_000_000},
        {"exp": YEAR_3000 + 1},
        {"exp": YEAR_3000 + 0.5},
        {"exp": 1e300},
        {"exp": 10**300},
        {"nbf": int(time.time()) * 1000},
    ],
    ids=[
        *("exp-milliseconds", "exp-float", "exp-microseconds", "exp-a-second", "exp-half-a-second", "exp-1e300"),
        *("exp-300-digits", "nbf-milliseconds"),
    ],
)
def test_a_time_in_milliseconds_is_refused_and_named_in_the_log(
    changes: dict[str, float], anybody: httpx.Client, server: Server
) -> None:
    """JavaScript's Date.now() counts them: as seconds, the token would not expire for 50,000 years."""
    (name,) = changes
    response = send(anybody, forge(make_claims(**changes)))
    expect_refusal(response, INVALID)
    reason = f"{name} is beyond the year 3000; it must count seconds, not milliseconds"
    assert wait_for_request(server, response)["reason"] == reason


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(str(int(time.time()) + 3600), id="in an hour"),
        "Infinity",
        "NaN",
        '"1"',
        "null",
        "true",
        "[]",
        "9" * 5000,
    ],
)
def test_a_token_whose_time_has_not_come_is_refused(start: str, anybody: httpx.Client) -> None:
    """An hour is no difference between clocks; and what is no time never comes."""
    claims = json.dumps(make_claims()).replace("}", f', "nbf": {start}}}')
    expect_refusal(send(anybody, forge(claims)), INVALID)


@pytest.mark.parametrize(
    ("subject", "path"),
    [
        ("a b/c", "/api/a%20b%2Fc/tasks"),
        ("100%", "/api/100%25/tasks"),
        ("é", "/api/%C3%A9/tasks"),
        ("..", "/api/%2E%2E/tasks"),
        ("mJ7vT0qYbWc2dXzK5nRp8sHgLfA3uEiO", "/api/mJ7vT0qYbWc2dXzK5nRp8sHgLfA3uEiO/tasks"),
    ],
)
def test_any_user_id_can_be_written_in_a_path(subject: str, path: str, anybody: httpx.Client) -> None:
    """Percent-encoded where it must be."""
    assert send(anybody, User(subject).token, path).status_code == 200


@pytest.mark.parametrize(
    ("subject", "path"),
    [
        ("alice", "/api/Alice/tasks"),
        ("alice", "/api/alice%20/tasks"),
        ("alice", "/api/alice%00/tasks"),
        ("é", "/api/e%CC%81/tasks"),
        ("1", "/api/01/tasks"),
        ("a/b", "/api/a%252Fb/tasks"),
        ("alice%20", "/api/alice%20/tasks"),
    ],
)
def test_user_ids_are_compared_character_by_character(subject: str, path: str, anybody: httpx.Client) -> None:
    """What looks alike, or is alike once normalised, is somebody else."""
    assert send(anybody, User(subject).token, path).status_code == 403


@pytest.mark.parametrize("control", ["\x00", "\t", "\n", "\r\n", "\x7f", "\x85"], ids=ascii)
def test_a_user_id_with_control_characters_breaks_its_schema(control: str, anybody: httpx.Client) -> None:
    """None is told so who holds no token; the user of that id is, and it is not for the router to fail to see it."""
    user = User(f"al{control}ice")
    assert anybody.get(quote(user.tasks)).status_code == 401
    assert send(anybody, ALICE.token, quote(user.tasks)).status_code == 403
    assert send(anybody, user.token, quote(user.tasks)).status_code == 422


@pytest.fixture(scope="module")
def strict(database_url: str) -> Iterator[httpx.Client]:
    """A client of a server that accepts tokens of two issuers for two audiences only."""
    environment = make_environment(
        DATABASE_URL=database_url,
        BETTER_AUTH_SECRET=SECRET,
        JWT_ISSUER="https://app.example.com, https://beta.example.com",
        JWT_AUDIENCE="taskflow,https://app.example.com",
    )
    with run_server(environment) as server, httpx.Client(base_url=server.url) as client:
        yield client


@pytest.mark.parametrize("issuer", [ISSUER, "https://beta.example.com"])
@pytest.mark.parametrize("audience", ["taskflow", ISSUER, ["taskflow"], ["other", ISSUER]], ids=str)
def test_configured_issuers_and_audiences_are_accepted(issuer: str, audience: object, strict: httpx.Client) -> None:
    """Any one of the lists; a token for several audiences is for each of them."""
    assert send(strict, sign(make_claims(iss=issuer, aud=audience))).status_code == 200


@pytest.mark.parametrize(
    ("issuer", "audience"),
    [
        (None, "taskflow"),
        ("https://app.example.co", "taskflow"),
        ("https://app.example.com/", "taskflow"),
        ("https://app.example.com.evil.example", "taskflow"),
        ("https://app.example.com, https://beta.example.com", "taskflow"),
        ("HTTPS://APP.EXAMPLE.COM", "taskflow"),
        ("", "taskflow"),
        ([ISSUER], "taskflow"),
        (1, "taskflow"),
        ({}, "taskflow"),
        (ISSUER, None),
        (ISSUER, "task"),
        (ISSUER, "taskflow2"),
        (ISSUER, "taskflow,https://app.example.com"),
        (ISSUER, ""),
        (ISSUER, []),
        (ISSUER, ["other"]),
        (ISSUER, ["taskflow", 1]),
        (ISSUER, {"taskflow": 1}),
        (ISSUER, 1),
    ],
)
def test_other_issuers_and_audiences_are_refused(issuer: object, audience: object, strict: httpx.Client) -> None:
    """No part of a name is the name, and no list of issuers is an issuer."""
    response = send(strict, forge(make_claims(iss=issuer, aud=audience)))
    check_response(response)
    expect_refusal(response, INVALID)
