"""The compiled checks: they say what jsonschema says of the same schema, and refuse what they cannot check."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from taskflow.contract.loading import ContractError
from taskflow.contract.schema import compile_schema
from taskflow.errors import FieldError
from tests.support.contract import load_contract
from tests.support.validator import find_pointers

Schema = dict[str, Any]

COMPONENTS = load_contract()["components"]
CREATE: Schema = COMPONENTS["schemas"]["CreateTaskDTO"]
UPDATE: Schema = COMPONENTS["schemas"]["UpdateTaskDTO"]
USER_ID: Schema = COMPONENTS["parameters"]["UserId"]["schema"]
TASK_ID: Schema = COMPONENTS["parameters"]["TaskId"]["schema"]

# No deadline: a machine that is busy is no defect.
thorough = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# What JSON can hold: text with control characters and beyond the basic plane, long and short; numbers of 64 bits.
texts = st.text(max_size=12) | st.sampled_from(["", "\x00", "a\n", "\U0001f980", "~/", "x" * 200, "x" * 201, "é" * 256])
names = st.sampled_from(["title", "description", "is_completed", "id", "a/b", "m~n", "", "~1"]) | st.text(max_size=5)
integers = st.integers(-(2**63), 2**63 - 1)
scalars = st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4))
tasks = st.fixed_dictionaries(
    {}, optional={"title": texts | values, "description": texts | values, "is_completed": st.booleans() | values}
)


def find_errors(schema: Schema, value: object, pointer: str = "") -> list[FieldError]:
    """Give what the compiled check of a schema says of a value."""
    errors: list[FieldError] = []
    compile_schema(schema)(value, pointer, errors)
    return errors


@st.composite
def schemas(draw: st.DrawFn, depth: int = 2) -> Schema:
    """Any schema of the keywords that are enforced."""
    kind = draw(st.sampled_from(["object", "string", "integer", "boolean"][0 if depth else 1 :]))
    keywords: dict[str, SearchStrategy[Any]] = {"nullable": st.booleans(), "description": st.just("What it is.")}
    if kind == "string":
        patterns = st.sampled_from([r"^[^\x00]*$", r"[0-9]", r"^[a-z~]", r"^[^\x00-\x1F]+$"])
        keywords |= {"minLength": st.integers(0, 3), "maxLength": st.integers(3, 12), "pattern": patterns}
        if draw(st.booleans()):
            del keywords["nullable"]
            keywords["enum"] = st.lists(st.sampled_from(["", "a\n", "~/", "x" * 200]), min_size=1, unique=True)
    if kind == "integer":
        formats = st.sampled_from(["int32", "int64"])
        keywords |= {"minimum": st.integers(-9, 9), "maximum": st.integers(9, 99), "format": formats}
    if kind == "object":
        members = st.dictionaries(names, schemas(depth - 1), max_size=3)
        required = st.lists(names, min_size=1, max_size=2, unique=True)
        keywords |= {"properties": members, "required": required, "additionalProperties": st.booleans()}
    return {"type": kind, **draw(st.fixed_dictionaries({}, optional=keywords))}


def values_near(schema: Schema) -> SearchStrategy[object]:
    """Values that come close to obeying a schema: random ones would nearly all fail at its first rule."""
    kinds: dict[str, SearchStrategy[Any]] = {
        "string": texts,
        "integer": st.integers(-12, 110) | integers,
        "boolean": st.booleans(),
        "object": st.fixed_dictionaries(
            {}, optional={name: values_near(member) for name, member in schema.get("properties", {}).items()}
        ).flatmap(lambda known: st.dictionaries(names, scalars, max_size=1).map(lambda other: {**other, **known})),
    }
    return kinds[schema["type"]] | values


@thorough
@given(st.sampled_from([CREATE, UPDATE, USER_ID, TASK_ID]), values | tasks | texts)
def test_the_contracts_own_schemas_are_judged_as_jsonschema_judges_them(schema: Schema, value: object) -> None:
    """For any value, the same members are found wrong."""
    assert {error.pointer for error in find_errors(schema, value)} == find_pointers(schema, value)


@thorough
@given(schemas().flatmap(lambda schema: st.tuples(st.just(schema), values_near(schema))))
def test_any_schema_is_judged_as_jsonschema_judges_it(case: tuple[Schema, object]) -> None:
    """The contract may change: every keyword that is accepted is enforced, whatever it is combined with."""
    schema, value = case
    assert {error.pointer for error in find_errors(schema, value)} == find_pointers(schema, value), json.dumps(schema)


@pytest.mark.parametrize(
    ("schema", "value", "detail"),
    [
        ({"type": "object"}, [], "must be an object"),
        ({"type": "string"}, 1, "must be a string"),
        ({"type": "integer"}, "1", "must be an integer"),
        ({"type": "integer"}, True, "must be an integer"),
        ({"type": "integer"}, 1.0, "must be an integer"),
        ({"type": "boolean"}, 0, "must be a boolean"),
        ({"type": "boolean"}, None, "must be a boolean"),
        ({"type": "string", "nullable": True}, 1, "must be a string or null"),
        ({"type": "object", "nullable": True}, 1, "must be an object or null"),
        ({"type": "string", "nullable": False}, None, "must be a string"),
        ({"type": "string", "minLength": 1}, "", "must not be empty"),
        ({"type": "string", "minLength": 2}, "a", "must have at least 2 characters"),
        ({"type": "string", "maxLength": 2}, "abc", "must have at most 2 characters"),
        ({"type": "string", "pattern": "^a"}, "b", "does not have the form it must have"),
        ({"type": "string", "pattern": "^[a-z]*$"}, "1", "contains a character that is not allowed"),
        ({"type": "string", "pattern": r"^[^\]\x00]+$"}, "]", "contains a character that is not allowed"),
        ({"type": "string", "enum": ["id", "-id"]}, "Id", "must be one of id, -id"),
        ({"type": "integer", "minimum": 1}, 0, "must be at least 1"),
        ({"type": "integer", "maximum": 1}, 2, "must be at most 1"),
    ],
)
def test_each_rule_has_its_message(schema: Schema, value: object, detail: str) -> None:
    """It names the rule, and never the value."""
    assert find_errors(schema, value, "/x") == [FieldError(detail, "/x")]


def test_a_nullable_member_that_is_wrong_in_itself_is_told_only_that() -> None:
    """`or null` goes with a wrong type alone."""
    schema = {"type": "object", "nullable": True, "required": ["a"]}
    assert find_errors(schema, {}) == [FieldError("is required", "/a")]


def test_a_long_title_is_counted_in_characters() -> None:
    """Not in bytes or UTF-16 units: a crab is one character."""
    assert find_errors(CREATE, {"title": "\U0001f980" * 200}) == []
    assert find_errors(CREATE, {"title": "\U0001f980" * 201}) == [
        FieldError("must have at most 200 characters", "/title")
    ]


def test_the_pointer_of_a_member_is_escaped() -> None:
    """RFC 6901, section 3: ~ is ~0 and / is ~1, wherever the name comes from."""
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["r/~"],
        "properties": {"a/~b": {"type": "object", "properties": {"~1": {"type": "boolean"}}}},
    }
    assert find_errors(schema, {"a/~b": {"~1": 0}, "~0/": 0}) == [
        FieldError("is required", "/r~1~0"),
        FieldError("must be a boolean", "/a~1~0b/~01"),
        FieldError("is not accepted here", "/~00~1"),
    ]


def test_a_long_name_is_not_repeated_in_full() -> None:
    """A sender's unknown member comes back as 64 characters at most."""
    assert find_errors(CREATE, {"title": "x", "y" * 1000: 0}) == [FieldError("is not accepted here", "/" + "y" * 64)]


@pytest.mark.parametrize("pattern", ["^a$", "^[^\\x00]$", "^(a|b)$"])
def test_a_dollar_matches_at_the_very_end_only(pattern: str) -> None:
    """ECMA 262, as the contract means it; Python's $ would take a newline after the end."""
    assert find_errors({"type": "string", "pattern": pattern}, "a") == []
    assert len(find_errors({"type": "string", "pattern": pattern}, "a\n")) == 1


def test_an_escaped_dollar_is_a_character() -> None:
    r"""`\$` stays what it is."""
    assert find_errors({"type": "string", "pattern": r"^\$a\$"}, "$a$") == []
    assert find_errors({"type": "string", "pattern": r"^\$a\$"}, "$a") != []


@pytest.mark.parametrize(
    ("schema", "least", "most"),
    [
        ({}, -(2**63), 2**63 - 1),
        ({"format": "int64"}, -(2**63), 2**63 - 1),
        ({"format": "int32"}, -(2**31), 2**31 - 1),
        ({"format": "int32", "minimum": 1}, 1, 2**31 - 1),
        ({"format": "int32", "maximum": 1000}, -(2**31), 1000),
        ({"format": "int32", "minimum": -(2**40), "maximum": 2**40}, -(2**31), 2**31 - 1),
        ({"minimum": -(2**70), "maximum": 2**70}, -(2**63), 2**63 - 1),
    ],
)
def test_an_integer_has_the_bounds_of_its_format(schema: Schema, least: int, most: int) -> None:
    """Without a format, those of int64: what the database cannot hold must not get there."""
    schema = {"type": "integer", **schema}
    assert find_errors(schema, least) == find_errors(schema, most) == []
    assert find_errors(schema, least - 1) == [FieldError(f"must be at least {least}", "")]
    assert find_errors(schema, most + 1) == [FieldError(f"must be at most {most}", "")]


def test_an_extension_demands_nothing() -> None:
    """It is a hint for generators; which ones the contract holds is for test_generators to say."""
    schema = {"type": "string", "enum": ["id", "-id"], "x-enum-varnames": ["ID", "ID_DESC"]}
    assert find_errors(schema, "-id") == []
    assert find_errors(schema, "ID_DESC") == [FieldError("must be one of id, -id", "")]


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({}, "must have one of the types"),
        ({"type": "number"}, "must have one of the types"),
        ({"type": "array", "items": {"type": "string"}}, "must have one of the types"),
        ({"type": ["string", "null"]}, "must have one of the types"),
        ({"anyOf": [{"type": "string"}]}, "must have one of the types"),
        (
            {"type": "string", "enum": ["a"], "nullable": True},
            "whether null is one of the enum of a schema is disputed",
        ),
        ({"type": "string", "format": "email"}, "nothing enforces format"),
        ({"type": "string", "maximum": 1}, "nothing enforces maximum"),
        ({"type": "string", "allOf": [], "not": {}}, "nothing enforces allOf, not"),
        ({"type": "string", "pattern": "a$b"}, r"a \$ within the pattern"),
        ({"type": "string", "pattern": "a$|b$"}, r"a \$ within the pattern"),
        ({"type": "string", "enum": ["a", 1]}, "the enum of a schema holds what is no string"),
        ({"type": "integer", "multipleOf": 2}, "nothing enforces multipleOf"),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, "nothing enforces exclusiveMinimum"),
        ({"type": "integer", "format": "int16"}, "nothing enforces the format int16"),
        ({"type": "boolean", "enum": [True]}, "nothing enforces enum"),
        ({"type": "object", "minProperties": 1}, "nothing enforces minProperties"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "additionalProperties must be"),
        ({"type": "object", "properties": {"a": {"type": "number"}}}, "must have one of the types"),
    ],
)
def test_a_rule_that_nothing_enforces_is_refused(schema: Schema, reason: str) -> None:
    """At start, not at the first request that breaks it: a rule that nobody checks must not stand in a contract."""
    with pytest.raises(ContractError, match=reason):
        compile_schema(schema)


def test_a_pattern_that_is_no_regular_expression_is_refused() -> None:
    """Its place is named."""
    with pytest.raises(ContractError, match=r"^the pattern of a schema is not a regular expression: "):
        compile_schema({"type": "string", "pattern": "("})
