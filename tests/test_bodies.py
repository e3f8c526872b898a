"""Bodies as hostile as they come: each has a clear answer, and the server goes on working."""

import json
import re

import httpx
import psycopg
import pytest

from tests.support.cast import ALICE
from tests.support.operations import BODY_OPERATIONS, CREATE_TASK, Operation
from tests.support.refusals import check_refusal
from tests.support.tasks import create_task, expect_task

MISSING = "The request body is missing; send a JSON document."
REASON = re.compile(r"The request body is (nested too deeply|not valid JSON \(line \d+, column \d+\))\.")
TWICE = "The request body names a member of an object twice."

NOT_JSON = {
    "a word": b"hello",
    "a form": b"title=Buy+groceries",
    "cut off": b'{"title": "Buy groceries"',
    "a comma too many": b'{"title": "Buy groceries",}',
    "single quotes": b"{'title': 'Buy groceries'}",
    "a comment": b'{"title": "Buy groceries"} // now',
    "a second document": b'{"title": "Buy groceries"}{}',
    "a trailing word": b'{"title": "Buy groceries"} x',
    "a trailing NUL": b'{"title": "Buy groceries"}\x00',
    "a bare line feed in a string": b'{"title": "Buy\ngroceries"}',
    "a bare NUL in a string": b'{"title": "Buy\x00groceries"}',
    "an unknown escape": b'{"title": "\\x41"}',
    "white space that JSON does not know": '\u00a0{"title": "Buy groceries"}'.encode(),
    "NaN": b'{"title": "Buy groceries", "description": NaN}',
    "Infinity": b'{"title": Infinity}',
    "-Infinity": b'{"title": -Infinity}',
    "a number beyond a double": b'{"title": 1e999}',
    "an integer of 5000 digits": b'{"title": %s}' % (b"9" * 5000),
    "a leading zero": b'{"title": 007}',
    "a byte order mark": b'\xef\xbb\xbf{"title": "Buy groceries"}',
    "Latin-1": b'{"title": "caf\xe9"}',
    "UTF-16 with a mark": '{"title": "Buy groceries"}'.encode("utf-16"),
    "UTF-16": '{"title": "Buy groceries"}'.encode("utf-16-le"),
    "UTF-32": '{"title": "Buy groceries"}'.encode("utf-32-be"),
    "an overlong letter": b'{"title": "\xc1\x81"}',
    "a surrogate in UTF-8": b'{"title": "\xed\xa0\x80"}',
    "beyond Unicode": b'{"title": "\xf4\x90\x80\x80"}',
    "a cut character": b'{"title": "\xf0\x9f\x98"}',
    "half a surrogate pair": b'{"title": "\\ud83d"}',
    "the other half": b'{"title": "\\ude00"}',
    "a pair the wrong way round": b'{"title": "\\ude00\\ud83d"}',
    "half a surrogate pair in a name": b'{"title": "Buy groceries", "\\ud800": 1}',
    "half a surrogate pair, nested": b'{"title": "Buy groceries", "description": ["\\udfff"]}',
    "1100 arrays": b"[" * 1100 + b"]" * 1100,
    "100000 arrays": b"[" * 100_000 + b"]" * 100_000,
    "100000 arrays without an end": b"[" * 100_000,
    "1100 objects": b'{"title": ' * 1100 + b"1" + b"}" * 1100,
    "100000 objects without an end": b'{"a":' * 100_000,
    "1100 arrays in an unknown member": b'{"title": "x", "a": ' + b"[" * 1100 + b"]" * 1100 + b"}",
    "100000 objects in a known one": b'{"title": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
}

NAMED_TWICE = {
    "title": b'{"title": "Buy groceries", "title": "Buy vegetables"}',
    "with equal values": b'{"title": "Buy groceries", "title": "Buy groceries"}',
    "another spelling": b'{"title": "Buy groceries", "t\\u0069tle": "Buy vegetables"}',
    "an unknown member": b'{"title": "Buy groceries", "a": 1, "a": 2}',
    "nested": b'{"title": {"a": 1, "a": 2}}',
    "in an array": b'{"title": "Buy groceries", "description": [{"a": 1, "a": 2}]}',
    "beside as many colons": b'{"title": "a:b", "title": "c:d"}',
    "in an array at the top": b'[{"a": 1, "a": 2}]',
}

every_body_operation = pytest.mark.parametrize("operation", BODY_OPERATIONS, ids=lambda operation: operation.id)


@every_body_operation
@pytest.mark.parametrize(
    "content", [b"", b" ", b"\r\n\t \n", b" " * 100_000], ids=["empty", "a space", "lines", "long"]
)
def test_a_body_of_nothing_is_missing(alice: httpx.Client, operation: Operation, content: bytes) -> None:
    """White space is no document."""
    create_task(alice, ALICE)
    check_refusal(operation.call(alice, ALICE, content=content), 400, MISSING)


@every_body_operation
def test_no_body_at_all_is_missing(alice: httpx.Client, operation: Operation) -> None:
    """Neither Content-Length nor Content-Type."""
    create_task(alice, ALICE)
    request = alice.build_request(operation.method, operation.make_path(ALICE))
    request.headers.pop("Content-Length", None)
    check_refusal(alice.send(request), 400, MISSING)


@every_body_operation
@pytest.mark.parametrize("content", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_is_not_json_is_refused(alice: httpx.Client, operation: Operation, content: bytes) -> None:
    """Spec, edge cases. Nothing is stored, and the next request finds the server well."""
    task = create_task(alice, ALICE)
    response = operation.call(alice, ALICE, content=content)
    detail = response.json()["detail"]
    assert REASON.fullmatch(detail)
    check_refusal(response, 400, detail)
    assert alice.get(ALICE.tasks).json() == [task]


def test_the_place_of_the_mistake_is_told(alice: httpx.Client) -> None:
    """Line and column, as an editor counts them."""
    response = CREATE_TASK.call(alice, ALICE, content=b'{\n  "title": Buy groceries\n}')
    check_refusal(response, 400, "The request body is not valid JSON (line 2, column 12).")


@every_body_operation
@pytest.mark.parametrize("content", NAMED_TWICE.values(), ids=NAMED_TWICE.keys())
def test_a_member_that_is_named_twice_is_refused(alice: httpx.Client, operation: Operation, content: bytes) -> None:
    """RFC 8259, section 4: readers would disagree about which of the two counts."""
    task = create_task(alice, ALICE)
    check_refusal(operation.call(alice, ALICE, content=content), 400, TWICE)
    assert alice.get(ALICE.tasks).json() == [task]


@every_body_operation
def test_nesting_that_json_allows_is_no_more_than_a_wrong_member(alice: httpx.Client, operation: Operation) -> None:
    """Deep, but within bounds."""
    create_task(alice, ALICE)
    response = operation.call(alice, ALICE, content=b'{"title": ' + b"[" * 500 + b"]" * 500 + b"}")
    check_refusal(response, 422, "title must be a string.", title="must be a string")


@every_body_operation
@pytest.mark.parametrize(
    "content",
    [
        b' \r\n\t{ "title" : "Buy groceries" } \n',
        b'{"t\\u0069tle": "Buy groceries"}',
        b'{"title":"Buy\\u0020groceries"}',
    ],
    ids=["white space", "an escape in a name", "an escape in a value"],
)
def test_json_may_be_spelt_in_many_ways(alice: httpx.Client, operation: Operation, content: bytes) -> None:
    """Strict is not narrow."""
    create_task(alice, ALICE)
    response = operation.call(alice, ALICE, content=content)
    assert response.status_code == operation.success
    assert response.json() == expect_task(ALICE, id=response.json()["id"])


def test_members_in_any_number_are_not_mistaken_for_duplicates(
    alice: httpx.Client, database: psycopg.Connection
) -> None:
    """Colons in text and equal names in different objects are no duplicates."""
    body = {"title": "a:b::c", "description": "::::", "x": {"title": 1}, "y": [{"title": 1}, {"title": 2}]}
    response = alice.post(ALICE.tasks, content=json.dumps(body))
    wrong = "is not accepted here"
    check_refusal(response, 422, f"x {wrong}; y {wrong}.", x=wrong, y=wrong)
    assert database.execute("SELECT count(*) FROM tasks").fetchone() == (0,)
