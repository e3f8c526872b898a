"""The limit of a body, which holds however the body arrives, and what the connection is good for afterwards."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.support.cast import ALICE
from tests.support.operations import BODY_OPERATIONS, Operation
from tests.support.refusals import check_refusal
from tests.support.server import Server
from tests.support.tasks import create_task, expect_task
from tests.support.waiting import wait_for
from tests.support.wire import Wire, connect, write_head

LIMIT = 1_048_576
TOO_LARGE = "The request body is larger than 1048576 bytes."
Send = Callable[[bytes], bytes | Iterator[bytes]]
TASK = b'{"title": "Buy groceries"}'

every_body_operation = pytest.mark.parametrize("operation", BODY_OPERATIONS, ids=lambda operation: operation.id)


def pad(size: int) -> bytes:
    """Give a task of exactly `size` bytes."""
    return TASK.ljust(size)


def in_chunks(body: bytes, size: int = 65_536) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def write_chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def check_works(wire: Wire) -> None:
    """Raise AssertionError unless the connection takes another request."""
    wire.send(write_head("GET", b"/api/alice/tasks", user=ALICE))
    assert wire.read_answer().status_code == 200


@every_body_operation
@pytest.mark.parametrize("send", [bytes, in_chunks], ids=["declared", "chunked"])
def test_a_body_of_exactly_the_limit_is_taken(alice: httpx.Client, operation: Operation, send: Send) -> None:
    """The last byte counts."""
    create_task(alice, ALICE)
    response = operation.call(alice, ALICE, content=send(pad(LIMIT)))
    assert response.status_code == operation.success
    assert response.json() == expect_task(ALICE)


@every_body_operation
@pytest.mark.parametrize("send", [bytes, in_chunks], ids=["declared", "chunked"])
def test_one_byte_more_is_refused(alice: httpx.Client, operation: Operation, send: Send) -> None:
    """Nothing is stored, and the client goes on working."""
    task = create_task(alice, ALICE)
    check_refusal(operation.call(alice, ALICE, content=send(pad(LIMIT + 1))), 413, TOO_LARGE)
    assert alice.get(ALICE.tasks).json() == [task]


@every_body_operation
def test_chunks_are_taken_like_a_body_of_known_length(alice: httpx.Client, operation: Operation) -> None:
    """RFC 9112, section 7.1: streams and proxies send them, also cut in the middle of a character."""
    create_task(alice, ALICE)
    title = "\N{GRINNING FACE}" * 10
    response = operation.call(alice, ALICE, content=in_chunks(f'{{"title": "{title}"}}'.encode(), 3))
    assert response.status_code == operation.success
    assert response.json() == expect_task(ALICE, title=title)


@every_body_operation
def test_chunks_without_content_are_a_missing_body(alice: httpx.Client, operation: Operation) -> None:
    """No more than an empty body of known length is."""
    create_task(alice, ALICE)
    response = operation.call(alice, ALICE, content=in_chunks(b""))
    check_refusal(response, 400, "The request body is missing; send a JSON document.")


@pytest.mark.parametrize("length", [LIMIT + 1, 999_999_999_999, 2**62])
def test_a_declared_length_is_believed_at_once(server: Server, alice: httpx.Client, length: int) -> None:
    """Nobody has to send what is refused anyway, nor is anything kept ready for it."""
    with connect(server) as wire:
        wire.send(write_head("POST", b"/api/alice/tasks", b"Content-Length: %d" % length, user=ALICE), b'{"title"')
        check_refusal(wire.read_answer(), 413, TOO_LARGE)
    assert alice.get(ALICE.tasks).json() == []


def test_chunks_are_refused_as_soon_as_they_are_too_many(server: Server, alice: httpx.Client) -> None:
    """The answer comes while the client is still sending."""
    with connect(server) as wire:
        wire.send(write_head("POST", b"/api/alice/tasks", b"Transfer-Encoding: chunked", user=ALICE))
        for chunk in in_chunks(pad(LIMIT + 1)):
            wire.send(write_chunk(chunk))
        check_refusal(wire.read_answer(), 413, TOO_LARGE)
        wire.send(write_chunk(b""))
        check_works(wire)
    assert alice.get(ALICE.tasks).json() == []


def test_after_a_body_that_was_too_large_the_connection_takes_another_request(
    server: Server, alice: httpx.Client
) -> None:
    """What was not wanted of it is read past."""
    with connect(server) as wire:
        for _ in range(3):
            wire.send(write_head("POST", b"/api/alice/tasks", b"Content-Length: %d" % (LIMIT + 1), user=ALICE))
            check_refusal(wire.read_answer(), 413, TOO_LARGE)
            wire.send(pad(LIMIT + 1))
            check_works(wire)
    assert alice.get(ALICE.tasks).json() == []


def test_a_large_body_without_a_token_is_not_waited_for(server: Server, alice: httpx.Client) -> None:
    """Strangers cannot fill the server's memory."""
    with connect(server) as wire:
        wire.send(write_head("POST", b"/api/alice/tasks", b"Content-Length: 500000"))
        check_refusal(wire.read_answer(), 401, 'Not authenticated; send the header "Authorization: Bearer <token>".')
        wire.send(b" " * 500_000)
        check_works(wire)
    assert alice.get(ALICE.tasks).json() == []


def test_a_client_that_asks_first_is_told_to_continue(server: Server, alice: httpx.Client) -> None:
    """RFC 9110, section 10.1.1."""
    head = [b"Expect: 100-continue", b"Content-Type: application/json", b"Content-Length: %d" % len(TASK)]
    with connect(server) as wire:
        wire.send(write_head("POST", b"/api/alice/tasks", *head, user=ALICE))
        assert wire.read_answer().status_code == 100
        wire.send(TASK)
        answer = wire.read_answer()
        assert (answer.status_code, answer.json()) == (201, expect_task(ALICE, id=1))
        check_works(wire)
    assert len(alice.get(ALICE.tasks).json()) == 1


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        (b"/api/alice/tasks", [b"Content-Length: 1048577"], 413),
        (b"/api/bob/tasks", [b"Content-Length: 2"], 403),
        (b"/nowhere", [b"Content-Length: 2"], 404),
    ],
)
def test_a_client_that_asks_first_is_spared_a_body_that_is_refused(
    server: Server, alice: httpx.Client, target: bytes, headers: list[bytes], status: int
) -> None:
    """The refusal comes instead of the invitation."""
    assert alice.get(ALICE.tasks).json() == []
    with connect(server) as wire:
        wire.send(write_head("POST", target, b"Expect: 100-continue", *headers, user=ALICE))
        assert wire.read_answer().status_code == status


def test_a_client_that_goes_away_in_the_middle_leaves_nothing_behind(server: Server, alice: httpx.Client) -> None:
    """Half a body is no task and no error of the server's."""
    before = len(server.read_log())

    def read_end() -> str | None:
        log = server.read_log()[before:]
        return log if '"POST"' in log else None

    with connect(server) as wire:
        wire.send(write_head("POST", b"/api/alice/tasks", b"Content-Length: 100", user=ALICE), TASK)
    log = wait_for(read_end, 20)  # the request's own line is its last
    assert "Traceback" not in log
    assert '"error"' not in log
    assert alice.get(ALICE.tasks).json() == []


def test_requests_sent_without_waiting_are_answered_in_their_order(server: Server, alice: httpx.Client) -> None:
    """RFC 9112, section 9.3.2. A refused body does not shift the answers."""
    with connect(server) as wire:
        for content in (TASK, b"not JSON", b"{}", TASK):
            head = write_head("POST", b"/api/alice/tasks", b"Content-Length: %d" % len(content), user=ALICE)
            wire.send(head, content)
        assert [wire.read_answer().status_code for _ in range(4)] == [201, 400, 422, 201]
    assert len(alice.get(ALICE.tasks).json()) == 2
