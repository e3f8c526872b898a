"""From bytes to JSON: what Python's own parser reads is read alike, and what RFC 8259 leaves doubtful is refused."""

import json
import sys
from dataclasses import dataclass
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskflow.contract.body import parse_json
from taskflow.errors import BodyMissing, BodyNotJson

# No deadline: a machine that is busy is no defect.
thorough = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])

texts = st.text(max_size=12) | st.sampled_from(
    ["a:b", ':":', "\\", "\\u0061", "\x00\x1f\x7f", "\U0001f980", "x" * 5000]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4))
spaces = st.text(" \t\r\n", max_size=3)


@dataclass(frozen=True)
class Object:
    """An object as it is written, where a name can stand twice."""

    members: tuple[tuple[str, Any], ...]


# Few names, so that some come twice; among them what looks like the colon of a member.
names = st.sampled_from(["a", "b", "a:b", '":'])
trees = st.recursive(
    st.sampled_from([1, "", "a:b", ':"a":1,"a":']),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(names, inner), max_size=4).map(tuple).map(Object),
)


def write(tree: Any, escape: st.DataObject) -> str:  # noqa: ANN401  a tree of JSON
    """Write a tree as JSON, some characters of the names as escapes."""
    if isinstance(tree, Object):
        return "{" + ",".join(f"{_spell(name, escape)}:{write(value, escape)}" for name, value in tree.members) + "}"
    if isinstance(tree, list):
        return "[" + ",".join(write(value, escape) for value in tree) + "]"
    return json.dumps(tree)


def _spell(name: str, escape: st.DataObject) -> str:
    written = [f"\\u{ord(char):04x}" if escape.draw(st.booleans()) else json.dumps(char)[1:-1] for char in name]
    return '"' + "".join(written) + '"'


def names_a_member_twice(tree: Any) -> bool:  # noqa: ANN401  a tree of JSON
    """Tell from the tree, where nothing is hidden."""
    if isinstance(tree, Object):
        written = [name for name, _ in tree.members]
        return len(set(written)) < len(written) or any(names_a_member_twice(value) for _, value in tree.members)
    return isinstance(tree, list) and any(names_a_member_twice(value) for value in tree)


@thorough
@given(values, st.booleans(), st.sampled_from([None, 1]), spaces, spaces)
def test_json_is_read_as_python_reads_it(
    value: object,
    ascii_only: bool,
    indent: int | None,
    before: str,
    after: str,
) -> None:
    """Whatever its values, its escapes and the white space around it."""
    text = before + json.dumps(value, ensure_ascii=ascii_only, indent=indent) + after
    parsed = parse_json(text.encode())
    # repr tells 1 from 1.0 and from True.
    assert repr(parsed) == repr(json.loads(text))


@thorough
@given(trees, st.data())
def test_a_name_that_comes_twice_in_an_object_is_refused_wherever_it_hides(tree: object, escape: st.DataObject) -> None:
    """Nested, spelt with escapes or among colons inside strings; and nothing else is refused."""
    body = write(tree, escape).encode()
    if names_a_member_twice(tree):
        with pytest.raises(BodyNotJson) as refusal:
            parse_json(body)
        assert refusal.value.detail == "The request body names a member of an object twice."
    else:
        assert parse_json(body) == json.loads(body)


@pytest.mark.parametrize("body", [b"", b" ", b" \t\r\n"])
def test_nothing_but_white_space_is_no_body(body: bytes) -> None:
    """Spec, edge case "request body is not valid JSON"; a message of its own says what is missing."""
    with pytest.raises(BodyMissing):
        parse_json(body)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"NaN", id="NaN"),
        pytest.param(b'{"title": NaN}', id="NaN-inside"),
        pytest.param(b"Infinity", id="infinity"),
        pytest.param(b"-Infinity", id="negative-infinity"),
        pytest.param(b"1e999", id="beyond-a-double"),
        pytest.param(b"9" * 5000, id="beyond-a-double-in-digits"),
        pytest.param(b'{"id": ' + b"9" * 5000 + b', "a": {"b": 1}}', id="5000-digits-nested"),
        pytest.param(b"01", id="leading-zero"),
        pytest.param(b"+1", id="plus"),
        pytest.param(b"1.", id="bare-point"),
        pytest.param(b"0x10", id="hexadecimal"),
        pytest.param(b"None", id="a-word-of-Python"),
        pytest.param(b"{'title': 'x'}", id="single-quotes"),
        pytest.param(b'{"title": "x",}', id="trailing-comma"),
        pytest.param(b'{"title": "x"} // why', id="comment"),
        pytest.param(b'{"title": "x"}{}', id="two-documents"),
        pytest.param(b'{"title": "x"', id="cut-off"),
        pytest.param(b'{title: "x"}', id="bare-name"),
        pytest.param(b'"a\nb"', id="raw-control-character"),
        pytest.param(b'"\\x41"', id="unknown-escape"),
        pytest.param(b'"\\ud800"', id="half-a-surrogate-pair"),
        pytest.param(b'{"\\udc00": 1}', id="half-a-surrogate-pair-in-a-name"),
        pytest.param(b'"\xff"', id="not-UTF-8"),
        pytest.param(b'"\xed\xa0\x80"', id="a-surrogate-in-UTF-8"),
        pytest.param(b'"\xc0\xaf"', id="overlong-UTF-8"),
        pytest.param('{"title": "x"}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'\xef\xbb\xbf{"title": "x"}', id="byte-order-mark"),
        pytest.param(b"\x00", id="NUL"),
        pytest.param(b"[" * 1025 + b"]" * 1025, id="1025-levels"),
        pytest.param(b"[" * 100_000, id="100000-levels"),
    ],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    """Spec, edge case "request body is not valid JSON": 400, whatever is wrong with it."""
    with pytest.raises(BodyNotJson):
        parse_json(body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"title": }', "is not valid JSON (line 1, column 11)"),
        (b'{\n  "title": x\n}', "is not valid JSON (line 2, column 12)"),
        (b'{"a": 1, "\\u0061": 2}', "names a member of an object twice"),
    ],
    ids=["position", "line", "duplicate"],
)
def test_the_reason_says_what_and_where(body: bytes, reason: str) -> None:
    """A line and a column, counted from 1, where there is a place to point at; never the text itself."""
    with pytest.raises(BodyNotJson) as refusal:
        parse_json(body)
    assert refusal.value.detail == f"The request body {reason}."


@pytest.mark.parametrize("depth", [1025, 2000, 100_000])
@pytest.mark.parametrize(("start", "end"), [(b'{"a":', b"}"), (b'{"":', b"}"), (b"[", b"]"), (b'[{"a":', b"}]")])
def test_what_is_nested_too_deeply_is_refused(start: bytes, end: bytes, depth: int) -> None:
    """A 400 like all that is not JSON."""
    levels = depth if len(end) == 1 else depth // 2 + 1
    with pytest.raises(BodyNotJson):
        parse_json(start * levels + b"1" + end * levels)


@pytest.mark.parametrize("depth", [1, 100, 254, 255, 500, 1000])
def test_nesting_within_reason_is_read(depth: int) -> None:
    """The limit is far from what anybody sends."""
    body = b'{"a":' * depth + b"1" + b"}" * depth
    value = parse_json(body)
    for _ in range(depth):
        assert isinstance(value, dict)
        value = value["a"]
    assert value == 1


MUCH = 1 << 17


def repeat(part: bytes) -> bytes:
    """Write a long array of equal parts."""
    return b"[" + b",".join([part] * (MUCH // len(part))) + b"]"


HOSTILE = {
    "empty-names": repeat(b'{"":0}'),
    "empty-objects-in-objects": repeat(b'{"":{}}'),
    "empty-arrays-in-objects": repeat(b'{"":[]}'),
    "200-levels": repeat(b'{"":' * 200 + b"0" + b"}" * 200),
    "200-levels-of-arrays": b'{"":' + repeat(b"[" * 200 + b"]" * 200) + b"}",
    "empty-objects": b'{"":' + repeat(b"{}") + b"}",
    "many-names": b"{" + b",".join(b'"%x":{}' % number for number in range(10_000)) + b"}",
    "colons-in-names": repeat(b'{":":0}'),
    "colons-spelt-as-escapes": repeat(b'{"\\u003a\\"":":"}'),
    "numbers": b'{"":' + repeat(b"0") + b"}",
    "strings": b'{"":' + repeat(b'":"') + b"}",
    "one-long-string": b'{"":{"":"' + b":\\n" * (MUCH) + b'"}}',
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_json_is_read_without_calling_python_for_each_object(kind: str) -> None:
    """However it is made: a function that is called for each object makes a megabyte hold the worker for 0.4 s."""
    body = HOSTILE[kind]
    calls = 0

    def count(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code.co_filename == parse_json.__code__.co_filename

    sys.setprofile(count)
    try:
        value = parse_json(body)
    finally:
        sys.setprofile(None)
    assert isinstance(value, list | dict)
    assert calls <= 4


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_name_that_comes_twice_is_found_among_many_others(kind: str) -> None:
    """The last of many objects, or the first, is looked at like the only one."""
    for body in (b'[%b,{"a":1,"a":2}]', b'[{"a":1,"\\u0061":":"},%b]'):
        with pytest.raises(BodyNotJson) as refusal:
            parse_json(body % HOSTILE[kind])
        assert refusal.value.detail == "The request body names a member of an object twice."


@pytest.mark.parametrize("depth", [1, 100, 253, 254, 500])
def test_a_name_that_comes_twice_is_found_at_any_depth(depth: int) -> None:
    """Down to the last level that is read."""
    body = b'{"a":' * depth + b'{"b":%b,"c":2}' + b"}" * depth
    assert isinstance(parse_json(body % b"1"), dict)
    with pytest.raises(BodyNotJson) as refusal:
        parse_json(body % b'1,"b":1')
    assert refusal.value.detail == "The request body names a member of an object twice."
