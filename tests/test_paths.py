"""Paths and methods that the contract does not know: 404 and 405, whoever asks, and never a redirect."""

import httpx
import pytest

from tests.support.cast import ALICE
from tests.support.refusals import check_refusal
from tests.support.server import Server
from tests.support.tasks import create_task
from tests.support.wire import connect, write_head

NOTHING = "There is nothing at this path."
TRESPASS = "The user_id in the path is not the user of the token."
ALLOWED = {
    b"/api/alice/tasks": "GET, HEAD, POST",
    b"/api/alice/tasks/1": "DELETE, GET, HEAD, PATCH",
    b"/docs": "GET, HEAD",
    b"/openapi.yaml": "GET, HEAD",
}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "CONNECT", "PROPFIND"]


def ask(server: Server, method: str, target: bytes) -> httpx.Response:
    with connect(server) as wire:
        wire.send(write_head(method, target, user=ALICE))
        return wire.read_answer(to_head=method == "HEAD")


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"//",
        b"/api",
        b"/api/",
        b"/api/alice",
        b"/api/alice/",
        b"//api/alice/tasks",
        b"/api//alice/tasks",
        b"/api//tasks",
        b"/api/alice//tasks",
        b"/api/alice/tasks//",
        b"/api/alice/tasks//1",
        b"/api/alice/tasks/1//",
        b"/api/alice/tasks/1/x",
        b"/api/alice/task",
        b"/API/alice/tasks",
        b"/api/alice/Tasks",
        b"/api/alice/tasks%20",
        b"/api/alice/tasks%0A",
        b"/api/alice/tasks%00",
        b"/api/alice/tasks;x=1",
        b"/api/alice%2Ftasks",
        b"/api%2Falice/tasks",
        b"/api/alice/tasks%2F",
        b"/api/alice/tasks%2F1",
        b"/api/alice/t%2561sks",
        b"/api/alice/../alice/tasks",
        b"/api/./alice/tasks",
        b"/api/alice/%2e/tasks",
        b"/openapi",
        b"/docs/../openapi.json",
        b"/docs/%2e%2e/pyproject.toml",
        b"/docs/..%2f..%2f..%2fetc%2fpasswd",
        b"/.env",
        b"*",
        b"/%",
        b"/\\",
        b"/" + b"x" * 8000,
        b"/" * 1000,
    ],
    ids=lambda target: target.decode()[:30],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_there_is_nothing_at_an_unknown_path(server: Server, alice: httpx.Client, method: str, target: bytes) -> None:
    """A path is taken as it is written: nothing is joined, folded or guessed."""
    check_refusal(ask(server, method, target), 404, NOTHING)
    assert alice.get(ALICE.tasks).json() == []


@pytest.mark.parametrize(
    "segment",
    [
        b"a%2Fb",
        b"%2F",
        b"%FF",
        b"%C3%28",
        b"%00",
        b"%0A",
        b"%E2%80%A8",
        b"%25",
        b"%",
        b"al%ice",
        b"alice%2F",
        b".",
        b"..",
    ],
)
@pytest.mark.parametrize("end", [b"", b"/1"], ids=["list", "task"])
def test_any_other_segment_is_some_other_user(server: Server, segment: bytes, end: bytes) -> None:
    """Whatever is percent-encoded, it stays within its segment."""
    check_refusal(ask(server, "GET", b"/api/" + segment + b"/tasks" + end), 403, TRESPASS)


@pytest.mark.parametrize(
    "target",
    [
        b"/api/alice/tasks",
        b"/api/alice/tasks/",
        b"/api/%61lice/t%61sks",
        b"/api/alice/tasks?",
        b"/api/alice/tasks/?sort=id",
        b"http://elsewhere/api/alice/tasks",
    ],
)
def test_the_same_path_may_be_written_in_many_ways(server: Server, alice: httpx.Client, target: bytes) -> None:
    """A query is no part of it; a proxy's absolute form (RFC 9112, section 3.2.2) is as good."""
    task = create_task(alice, ALICE)
    answer = ask(server, "GET", target)
    assert (answer.status_code, answer.json()) == (200, [task])


@pytest.mark.parametrize(
    ("target", "allowed", "method"),
    [
        (target, allowed, method)
        for target, allowed in ALLOWED.items()
        for method in METHODS
        if method not in allowed.split(", ")
    ],
)
@pytest.mark.parametrize("slash", [b"", b"/"], ids=["", "with a slash"])
def test_a_method_that_a_path_does_not_take_is_told_which_it_does(
    server: Server, alice: httpx.Client, method: str, target: bytes, allowed: str, slash: bytes
) -> None:
    """RFC 9110, section 15.5.6: Allow is complete. OPTIONS without CORS is no exception."""
    task = create_task(alice, ALICE)
    answer = ask(server, method, target + slash)
    check_refusal(answer, 405, f"This path takes only {allowed}.")
    assert answer.headers["Allow"] == allowed
    assert alice.get(ALICE.tasks).json() == [task]


@pytest.mark.parametrize(("target", "allowed"), ALLOWED.items())
def test_the_methods_that_are_allowed_are_not_refused(
    server: Server, alice: httpx.Client, target: bytes, allowed: str
) -> None:
    """So that Allow is no more than true."""
    create_task(alice, ALICE)
    for method in sorted(allowed.split(", "), reverse=True):  # DELETE comes last
        assert ask(server, method, target).status_code not in {404, 405}, method


@pytest.mark.parametrize(
    "request_line",
    [
        b"BREW /api/alice/tasks HTTP/1.1",
        b"get /api/alice/tasks HTTP/1.1",
        b"G\xc3\x89T /api/alice/tasks HTTP/1.1",
        b"GET /api/\xc3\xa9/tasks HTTP/1.1",
        b"GET /api/alice/tasks HTTP/9.9",
        b"GET api/alice/tasks HTTP/1.1",
        b"GET  HTTP/1.1",
        b"GET",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 100,
    ],
)
def test_what_is_not_http_is_a_bad_request(server: Server, alice: httpx.Client, request_line: bytes) -> None:
    """It never reaches the application; the server process refuses it, and takes the next connection."""
    with connect(server) as wire:
        wire.send(request_line, b"\r\nHost: test\r\n\r\n")
        assert wire.read_answer().status_code in {400, 405, 501}
    assert alice.get(ALICE.tasks).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        [b"Content-Length: 3", b"Transfer-Encoding: chunked"],
        [b"Content-Length: 3", b"Content-Length: 4"],
        [b"Content-Length: -1"],
        [b"Content-Length: +3"],
        [b"Content-Length: 99999999999999999999999999"],
        [b"Transfer-Encoding: chunked, identity"],
        [b"No colon here"],
        [b"Bad\x00name: x"],
    ],
)
def test_a_head_that_could_be_read_in_two_ways_is_refused(
    server: Server, alice: httpx.Client, headers: list[bytes]
) -> None:
    """RFC 9112, section 11.2: what a proxy may read otherwise could smuggle a request."""
    with connect(server) as wire:
        wire.send(write_head("POST", b"/api/alice/tasks", *headers, user=ALICE), b"0\r\n\r\n")
        assert wire.read_answer().status_code in {400, 413, 501}
    assert alice.get(ALICE.tasks).json() == []
