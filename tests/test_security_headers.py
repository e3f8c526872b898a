"""Every answer, whoever has written it, tells browsers and caches to keep their distance."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest

from tests.conftest import MakeDatabase
from tests.support.cast import ALICE, BOB
from tests.support.faults import open_client, run_impatient_server
from tests.support.operations import OPERATIONS, Operation
from tests.support.server import Server
from tests.support.tasks import create_task
from tests.support.wire import connect

ORIGIN = "https://app.example.com"

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000",
}
DATA = {
    **EVERYWHERE,
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
ABOUT_SECURITY = [*DATA, "server", "x-powered-by"]


def read_security(response: httpx.Response) -> dict[str, str]:
    """Give the headers that matter here, and those that should not be there; each must be sent once."""
    names = [name.decode().lower() for name, _ in response.headers.raw]
    assert not [name for name in ABOUT_SECURITY if names.count(name) > 1]
    return {name: value for name, value in response.headers.items() if name in ABOUT_SECURITY}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_every_operation_has_them(operation: Operation, alice: httpx.Client) -> None:
    """Tasks are kept in no cache, and shown in no frame."""
    create_task(alice, ALICE)
    response = operation.call(alice, ALICE)
    assert response.status_code == operation.success
    assert read_security(response) == DATA


def test_every_refusal_has_them(anybody: httpx.Client) -> None:
    """Whichever part of the server refuses."""
    preflight = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
    answers = {
        200: anybody.options(ALICE.tasks, headers=preflight),
        400: anybody.post(ALICE.tasks, headers=ALICE.headers),
        401: anybody.get(ALICE.tasks),
        403: anybody.get(BOB.tasks, headers=ALICE.headers),
        404: anybody.get("/nowhere"),
        405: anybody.put(ALICE.tasks),
        413: anybody.post(ALICE.tasks, headers=ALICE.headers, content=b" " * 1_048_577),
        414: anybody.get("/" + "x" * 8192),
        415: anybody.post(ALICE.tasks, headers={**ALICE.headers, "Content-Type": "text/plain"}, content=b"{}"),
        422: anybody.get(f"{ALICE.tasks}/x", headers=ALICE.headers),
        431: anybody.get("/docs", headers={"X": "x" * 32_768}),
    }
    for status, answer in answers.items():
        assert (answer.status_code, read_security(answer)) == (status, DATA)


def test_a_failure_has_them(alice: httpx.Client, database: psycopg.Connection) -> None:
    """A defect, too."""
    database.execute("ALTER TABLE tasks RENAME TO hidden")
    try:
        response = alice.get(ALICE.tasks)
    finally:
        database.execute("ALTER TABLE hidden RENAME TO tasks")
    assert (response.status_code, read_security(response)) == (500, DATA)


def test_what_is_not_http_is_answered_with_them(server: Server) -> None:
    """By the server itself, before any part of the application hears of it."""
    with connect(server) as wire:
        wire.send(b"Hello?\r\n\r\n")
        assert read_security(wire.read_answer()) == DATA


@pytest.mark.parametrize(
    ("path", "policy"),
    [
        ("/docs", PAGE_POLICY),
        ("/docs/swagger-ui-bundle.js", DATA["content-security-policy"]),
        ("/openapi.json", DATA["content-security-policy"]),
        ("/openapi.yaml", DATA["content-security-policy"]),
    ],
)
def test_the_page_may_do_what_it_must_and_nothing_else(path: str, policy: str, anybody: httpx.Client) -> None:
    """It takes scripts and styles from its own server, and calls nobody else. Copies of documents may be kept."""
    expected = {**EVERYWHERE, "cache-control": "no-cache", "content-security-policy": policy}
    response = anybody.get(path)
    assert (response.status_code, read_security(response)) == (200, expected)
    again = anybody.get(path, headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, read_security(again)) == (304, expected)


@pytest.fixture(scope="module")
def development_server(make_database: MakeDatabase) -> Iterator[Server]:
    with run_impatient_server(make_database()) as running:
        yield running


def test_a_browser_is_not_bound_to_tls_while_developing(development_server: Server) -> None:
    """It would refuse http://localhost for a year, for every other project too."""
    expected = {name: value for name, value in DATA.items() if name != "strict-transport-security"}
    with open_client(development_server) as client:
        assert read_security(client.get(ALICE.tasks)) == expected
