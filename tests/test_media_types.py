"""Content-Type and Content-Encoding: JSON however it is spelt, and nothing else."""

import gzip

import httpx
import pytest

from tests.support.cast import ALICE
from tests.support.operations import BODILESS_OPERATIONS, BODY_OPERATIONS, CREATE_TASK, UPDATE_TASK, Operation
from tests.support.refusals import check_refusal
from tests.support.tasks import create_task, expect_task

ACCEPTED = {
    CREATE_TASK.id: "The Content-Type must be application/json.",
    UPDATE_TASK.id: "The Content-Type must be application/json or application/merge-patch+json.",
}

every_body_operation = pytest.mark.parametrize("operation", BODY_OPERATIONS, ids=lambda operation: operation.id)
every_bodiless_operation = pytest.mark.parametrize("operation", BODILESS_OPERATIONS, ids=lambda operation: operation.id)


@every_body_operation
@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        "application/json ; charset=utf-8",
        'application/json; charset="UTF-8"',
        "application/json; charset=bogus",
        "application/json; charset=rot13",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/json;",
        "application/json;=;;",
        b"application/json; charset=\xff",
        "",
        None,
    ],
)
def test_json_is_utf_8_however_it_is_declared(
    alice: httpx.Client, operation: Operation, media_type: str | bytes | None
) -> None:
    """RFC 8259, section 11: a charset has no meaning. What is not declared at all is taken for JSON."""
    create_task(alice, ALICE)
    title = "\N{LATIN SMALL LETTER E WITH ACUTE}"
    headers = {} if media_type is None else {"Content-Type": media_type}
    response = operation.call(alice, ALICE, content=f'{{"title": "{title}"}}'.encode(), headers=headers)
    assert response.status_code == operation.success
    assert response.json() == expect_task(ALICE, title=title)


@every_body_operation
@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/json, text/plain",
        "application/json/x",
        "application/ json",
        "application/vnd.api+json",
        "application/json-patch+json",
        "application/*",
        "*/*",
        "json",
        b"\xff",
        b"application/json\xa0",
        "x" * 5000,
    ],
)
def test_another_media_type_is_refused(alice: httpx.Client, operation: Operation, media_type: str | bytes) -> None:
    """Also where the body would have been JSON: its sender says that it is something else."""
    task = create_task(alice, ALICE)
    response = operation.call(alice, ALICE, headers={"Content-Type": media_type})
    check_refusal(response, 415, ACCEPTED[operation.id])
    assert alice.get(ALICE.tasks).json() == [task]


def test_a_merge_patch_creates_nothing(alice: httpx.Client) -> None:
    """There is nothing yet that it could patch."""
    response = CREATE_TASK.call(alice, ALICE, headers={"Content-Type": "application/merge-patch+json"})
    check_refusal(response, 415, ACCEPTED[CREATE_TASK.id])
    assert alice.get(ALICE.tasks).json() == []


@every_body_operation
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "gzip, gzip", "identity, gzip", "bogus"])
def test_a_compressed_body_is_refused(alice: httpx.Client, operation: Operation, encoding: str) -> None:
    """A few bytes could grow to gigabytes."""
    task = create_task(alice, ALICE)
    response = operation.call(
        alice, ALICE, content=gzip.compress(b'{"title": "x"}'), headers={"Content-Encoding": encoding}
    )
    check_refusal(response, 415, "The request body must be sent without a Content-Encoding.")
    assert alice.get(ALICE.tasks).json() == [task]


@every_body_operation
@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_an_encoding_that_changes_nothing_is_accepted(alice: httpx.Client, operation: Operation, encoding: str) -> None:
    """RFC 9110, section 12.5.3, has a name for it."""
    create_task(alice, ALICE)
    response = operation.call(alice, ALICE, headers={"Content-Encoding": encoding})
    assert response.status_code == operation.success


@every_bodiless_operation
@pytest.mark.parametrize(
    "media_type",
    ["application/json", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded", b"\xff\xfe", ";"],
)
@pytest.mark.parametrize(
    "content",
    [b"", b"{not json", b"\xff", b'{"title": "x"}', b"x" * 2_000_000],
    ids=["no body", "not JSON", "not UTF-8", "JSON", "large"],
)
def test_where_no_body_is_asked_for_none_is_read(
    alice: httpx.Client, operation: Operation, media_type: str | bytes, content: bytes
) -> None:
    """Frontends send a Content-Type with everything; it must not matter."""
    create_task(alice, ALICE)
    response = operation.call(
        alice, ALICE, content=content, headers={"Content-Type": media_type, "Content-Encoding": "bogus"}
    )
    assert response.status_code == operation.success
