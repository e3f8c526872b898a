"""A page of the configured origins can call the API and read every answer, errors included; no other page can."""

from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from tests.conftest import MakeDatabase
from tests.support.cast import ALICE, BOB, SECRET
from tests.support.contract import check_response, load_contract
from tests.support.problems import expect_problem
from tests.support.server import Server, make_environment, run_server
from tests.support.tasks import create_task

ORIGIN = "https://app.example.com"

STRANGERS = [
    "https://evil.example",
    "https://app.example.com.evil.example",
    "https://app.example.co",
    "https://beta.app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com/",
    "http://app.example.com",
    "http://localhost:3001",
    "http://localhost",
    "null",
    "*",
    "https://app.example.com,http://localhost:3000",
]

PRODUCTION = {"ENVIRONMENT": "production", "BETTER_AUTH_SECRET": SECRET, "CORS_ORIGINS": ORIGIN}


def read_cors(response: httpx.Response) -> dict[str, str]:
    """Give the headers of an answer that a browser looks at."""
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


def expect_readable(response: httpx.Response, origin: str = ORIGIN) -> None:
    """A page of the origin may read the answer, the headers that matter to it included, and no cache mixes it up."""
    headers = read_cors(response)
    exposed = headers.pop("access-control-expose-headers").split(", ")
    assert sorted(exposed) == ["ETag", "Link", "Location", "Retry-After", "WWW-Authenticate", "X-Request-Id"]
    assert headers == {"access-control-allow-origin": origin, "access-control-allow-credentials": "true"}
    assert "Origin" in response.headers["Vary"].split(", ")


def authorise(**headers: str) -> dict[str, str]:
    """Give what a browser sends from Alice's page."""
    return {"Authorization": f"Bearer {ALICE.token}", "Origin": ORIGIN, **headers}


@pytest.mark.parametrize(
    ("status", "method", "path", "request_"),
    [
        (200, "GET", ALICE.tasks, {}),
        (201, "POST", ALICE.tasks, {"json": {"title": "Buy groceries"}}),
        (204, "DELETE", f"{ALICE.tasks}/1", {}),
        (400, "POST", ALICE.tasks, {"content": "{"}),
        (401, "GET", ALICE.tasks, {"headers": {"Authorization": "Bearer x"}}),
        (403, "GET", BOB.tasks, {}),
        (404, "GET", f"{ALICE.tasks}/999", {}),
        (404, "GET", "/nowhere", {}),
        (405, "PUT", ALICE.tasks, {}),
        (413, "POST", ALICE.tasks, {"content": b"x" * 1_048_577}),
        (415, "POST", ALICE.tasks, {"content": "x", "headers": {"Content-Type": "text/plain"}}),
        (422, "POST", ALICE.tasks, {"json": {}}),
        (200, "GET", "/openapi.json", {}),
    ],
)
@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:3000"])
def test_an_allowed_page_can_read_every_answer(
    status: int, method: str, path: str, request_: dict[str, Any], origin: str, alice: httpx.Client
) -> None:
    """Without the headers a frontend would see "network error" in place of the reason."""
    create_task(alice, ALICE)
    headers = {"Origin": origin, **request_.get("headers", {})}
    response = alice.request(method, path, **{**request_, "headers": headers})
    assert response.status_code == status
    expect_readable(response, origin)


def test_an_allowed_page_can_read_that_the_server_failed(make_database: MakeDatabase) -> None:
    """500, provoked by a column that somebody has dropped."""
    url = make_database()
    with (
        run_server(make_environment(**PRODUCTION, DATABASE_URL=url)) as server,
        psycopg.connect(url, autocommit=True) as database,
    ):
        database.execute("ALTER TABLE tasks DROP COLUMN description")
        response = httpx.get(server.url + ALICE.tasks, headers=authorise())
        assert (response.status_code, response.json()) == (
            500,
            expect_problem(500, "The server met an unexpected error."),
        )
        expect_readable(response)


def test_an_allowed_page_can_read_that_the_database_is_down() -> None:
    """503, and when to try again."""
    environment = make_environment(**PRODUCTION, DATABASE_URL="postgresql://owner@127.0.0.1:9/tasks")
    with run_server(environment) as server:
        response = httpx.get(server.url + ALICE.tasks, headers=authorise())
        check_response(response)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
        expect_readable(response)


@pytest.fixture(scope="module")
def browser(server: Server) -> Iterator[httpx.Client]:
    """Asks before it calls. It holds no token: a preflight never does."""
    with httpx.Client(base_url=server.url) as client:
        yield client


def ask(browser: httpx.Client, path: str, method: str, headers: str = "", origin: str = ORIGIN) -> httpx.Response:
    """Send a preflight."""
    wanted = {"Access-Control-Request-Headers": headers} if headers else {}
    return browser.options(path, headers={"Origin": origin, "Access-Control-Request-Method": method, **wanted})


OPERATIONS = [
    (path.format(user_id="alice", task_id=1), method.upper())
    for path, item in load_contract()["paths"].items()
    for method in item
]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
@pytest.mark.parametrize(
    "headers",
    ["", "authorization", "authorization,content-type", "Content-Type, Authorization", "if-match,if-none-match"],
)
def test_every_operation_may_be_called_with_a_token_and_json(
    path: str, method: str, headers: str, browser: httpx.Client
) -> None:
    """The preflight is answered without a token, and remembered for ten minutes."""
    response = ask(browser, path, method, headers)
    answered = read_cors(response)
    assert response.status_code == 200
    assert method in answered.pop("access-control-allow-methods").split(", ")
    assert {"Authorization", "Content-Type", "If-Match", "If-None-Match"} <= set(
        answered.pop("access-control-allow-headers").split(", ")
    )
    assert answered == {
        "access-control-allow-origin": ORIGIN,
        "access-control-allow-credentials": "true",
        "access-control-max-age": "600",
    }
    assert "Origin" in response.headers["Vary"].split(", ")
    assert "X-Request-Id" in response.headers


def test_a_page_may_ask_for_the_head_of_what_it_may_get(browser: httpx.Client) -> None:
    """`fetch` sends a preflight for HEAD with a token too."""
    response = ask(browser, ALICE.tasks, "HEAD", "authorization")
    assert response.status_code == 200
    assert "HEAD" in response.headers["Access-Control-Allow-Methods"].split(", ")


EVERY_HEADER = [
    "Accept",
    "Accept-Language",
    "Authorization",
    "Content-Language",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "X-Request-Id",
    "baggage",
    "sentry-trace",
    "traceparent",
    "tracestate",
]


@pytest.mark.parametrize(
    "headers",
    [
        "sentry-trace",
        "authorization,baggage,content-type,sentry-trace",
        "traceparent,tracestate",
        "Baggage, Sentry-Trace",
    ],
)
def test_what_monitoring_adds_may_be_sent(headers: str, browser: httpx.Client, alice: httpx.Client) -> None:
    """The preflight names everything that may be sent, and the call itself is answered as without."""
    response = ask(browser, ALICE.tasks, "GET", headers)
    assert response.status_code == 200
    assert sorted(response.headers["Access-Control-Allow-Headers"].split(", ")) == EVERY_HEADER
    sent = {name.strip(): "x" for name in headers.split(",") if name.strip() not in {"authorization", "content-type"}}
    assert alice.get(ALICE.tasks, headers={"Origin": ORIGIN, **sent}).status_code == 200


def test_applications_and_extensions_are_answered_like_pages() -> None:
    """Their origins are compared byte for byte; more headers may be sent where they are configured."""
    origins = [
        "tauri://localhost",
        "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
        "http://my_app.localhost:1420",
    ]
    environment = make_environment(
        **{**PRODUCTION, "CORS_ORIGINS": ",".join(origins), "CORS_HEADERS": "x-datadog-trace-id, X-B3"},
        DATABASE_URL="postgresql://owner@127.0.0.1:9/tasks",
    )
    with run_server(environment) as server, httpx.Client(base_url=server.url) as browser:
        for origin in origins:
            response = ask(browser, ALICE.tasks, "POST", "x-datadog-trace-id,x-b3,sentry-trace", origin)
            assert response.status_code == 200
            assert response.headers["Access-Control-Allow-Origin"] == origin
            allowed = sorted(response.headers["Access-Control-Allow-Headers"].split(", "))
            assert allowed == sorted([*EVERY_HEADER, "x-datadog-trace-id", "X-B3"])
            expect_readable(browser.get(ALICE.tasks, headers={"Origin": origin}), origin)
        assert ask(browser, ALICE.tasks, "POST", "x-other", origins[0]).status_code == 400
        for stranger in ("tauri://localhost:1420", "tauri://app.localhost", "TAURI://localhost", "ionic://localhost"):
            refusal = ask(browser, ALICE.tasks, "GET", origin=stranger)
            assert refusal.status_code == 400
            assert "Access-Control-Allow-Origin" not in refusal.headers


@pytest.mark.parametrize("origin", STRANGERS)
def test_a_stranger_is_told_nothing(origin: str, alice: httpx.Client, browser: httpx.Client) -> None:
    """The call is answered, and its page cannot read the answer; its preflight is a problem document."""
    response = alice.get(ALICE.tasks, headers={"Origin": origin})
    assert response.status_code == 200
    assert "Access-Control-Allow-Origin" not in response.headers
    refusal = ask(browser, ALICE.tasks, "GET", origin=origin)
    assert "Access-Control-Allow-Origin" not in refusal.headers
    assert refusal.headers["Content-Type"] == "application/problem+json"
    assert (refusal.status_code, refusal.json()) == (400, expect_problem(400, "Disallowed CORS origin."))


@pytest.mark.parametrize(
    ("method", "headers", "detail"),
    [
        ("PUT", "authorization", "Disallowed CORS method."),
        ("get", "", "Disallowed CORS method."),
        ("GET", "authorization,x-other", "Disallowed CORS headers."),
        ("TRACE", "x-other", "Disallowed CORS method, headers."),
    ],
)
def test_a_preflight_for_what_nobody_may_do_says_so(
    method: str, headers: str, detail: str, browser: httpx.Client
) -> None:
    """A problem document that the page may read."""
    refusal = ask(browser, ALICE.tasks, method, headers)
    assert (refusal.status_code, refusal.json()) == (400, expect_problem(400, detail))
    assert refusal.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert refusal.headers["Content-Length"] == str(len(refusal.content))


def test_what_is_no_preflight_is_an_ordinary_request(browser: httpx.Client) -> None:
    """OPTIONS without Access-Control-Request-Method, or without an Origin."""
    response = browser.options(ALICE.tasks, headers={"Origin": ORIGIN})
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD, POST")
    expect_readable(response)
    assert browser.options(ALICE.tasks, headers={"Access-Control-Request-Method": "GET"}).status_code == 405


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://evil.example"}], ids=["no-origin", "stranger"])
@pytest.mark.parametrize("path", [ALICE.tasks, "/openapi.json", "/nowhere"])
def test_a_cache_learns_that_the_origin_matters(path: str, headers: dict[str, str], alice: httpx.Client) -> None:
    """What was answered to somebody without an Origin must not be served to a page, which could not read it.

    Fetch standard, CORS protocol and HTTP caches.
    """
    response = alice.get(path, headers=headers)
    assert "Access-Control-Allow-Origin" not in response.headers
    assert "Origin" in response.headers.get("Vary", "").split(", ")
