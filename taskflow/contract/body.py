"""From the bytes of a request to checked JSON."""

from collections.abc import Mapping, Sequence

import orjson
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from taskflow.contract.schema import Check
from taskflow.errors import (
    BodyMissing,
    BodyNotJson,
    BodyTooLarge,
    EncodingUnsupported,
    FieldError,
    MediaTypeUnsupported,
    Unprocessable,
)
from taskflow.web.fields import list_elements

Headers = Sequence[tuple[bytes, bytes]]

DEFAULT_MEDIA_TYPE = "application/json"
"""What a body is taken for whose sender did not say (RFC 9110, section 8.3, leaves it to us)."""

_NO_MARKS = bytes(set(range(256)) - set(b'":'))


class BodyRule:
    """What an operation demands of its body: a limit in bytes, and a check for each media type."""

    def __init__(self, checks: Mapping[str, Check], *, limit: int) -> None:
        self._checks = checks
        self._limit = limit

    async def read(self, scope: Scope, receive: Receive) -> object:
        """Give the body as JSON that obeys the contract.

        Raises, in this order: BodyTooLarge, EncodingUnsupported, MediaTypeUnsupported, BodyMissing, BodyNotJson,
        Unprocessable; ClientDisconnect if the client has gone.
        """
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        body = await _read_bounded(headers, receive, self._limit)
        check = self._find_check(headers)
        value = parse_json(body)
        errors: list[FieldError] = []
        check(value, "", errors)
        if errors:
            raise Unprocessable(errors)
        return value

    def _find_check(self, headers: Headers) -> Check:
        if any(coding != b"identity" for coding in list_elements(headers, b"content-encoding")):
            raise EncodingUnsupported
        # A charset parameter has no meaning for JSON (RFC 8259, section 11): it is UTF-8.
        declared = [
            value.partition(b";")[0].strip(b" \t").lower().decode("latin-1")
            for name, value in headers
            if name == b"content-type" and value
        ]
        media_type, *others = declared or [DEFAULT_MEDIA_TYPE]
        check = self._checks.get(media_type)
        # The field is no list: of two, a proxy could believe the other one.
        if check is None or others:
            raise MediaTypeUnsupported(self._checks)
        return check


async def _read_bounded(headers: Headers, receive: Receive, limit: int) -> bytes:
    declared = next((value for name, value in headers if name == b"content-length"), b"")
    if declared.isdigit() and int(declared[:20]) > limit:
        raise BodyTooLarge(limit)
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


def parse_json(body: bytes) -> object:
    """Read JSON as strictly as RFC 8259 allows.

    Raises BodyMissing for nothing but white space; BodyNotJson for what is not UTF-8, not JSON, nested deeper than 1024
    levels, a number beyond a double's range, half of a surrogate pair, an object that names a member twice.
    """
    if not body.strip(b" \t\r\n"):
        raise BodyMissing
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BodyNotJson(f"is not valid JSON (line {error.lineno}, column {error.colno})") from None
    # Each member has one colon outside of strings, and of two members of one name only the last is in the value. Most
    # bodies are one object, with no colon in its strings.
    if body.count(b":") > (len(value) if isinstance(value, dict) else 0):
        _refuse_duplicates(body, value)
    return value


def _refuse_duplicates(body: bytes, value: object) -> None:
    try:
        members = _count_colons(orjson.dumps(value))
    except orjson.JSONEncodeError:  # it writes 254 levels
        members = _count_members(value)
    if _count_colons(body) > members:
        raise BodyNotJson("names a member of an object twice")


def _count_colons(text: bytes) -> int:
    """Count the colons outside of strings in valid JSON, in which a backslash stands in strings only."""
    marks = text.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, _NO_MARKS)
    # Two quotes side by side hold no colon between them; without them there are few strings left.
    return b"".join(marks.replace(b'""', b"").split(b'"')[::2]).count(b":")


def _count_members(value: object) -> int:
    count, parts = 0, [value]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            count += len(part)
            parts.extend(part.values())
        elif isinstance(part, list):
            parts.extend(part)
    return count
