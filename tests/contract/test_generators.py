"""The contract as generators of clients, validators and mocks read it: rules that each have cost one of them something.

The generators themselves are tried in tests/frontend; the others of docs/frontend.md were run by hand.
"""

import keyword
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator

from tests.contract.test_document import walk
from tests.support.contract import CONTRACT, load_contract

DOCUMENT: dict[str, Any] = yaml.safe_load(CONTRACT.read_text())

HINTS = {"x-enum-varnames"}
"""The extensions that the document may hold. Each is a hint for generators, and demands nothing of a request."""

EXAMPLE_FIELDS = {"summary", "value", "externalValue"}
OPENAPI_KEYWORDS = {
    "nullable",
    "discriminator",
    "readOnly",
    "writeOnly",
    "xml",
    "externalDocs",
    "example",
    "deprecated",
}
KEYWORDS = {
    *Draft4Validator.META_SCHEMA["properties"],
    *OPENAPI_KEYWORDS,
    *EXAMPLE_FIELDS,
    "examples",
    "name",
    "schema",
}
"""What means something of its own in a schema or beside one."""

BOUNDS = {"int32": 2**31 - 1, "int64": 2**63 - 1}


def find_schemas(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every schema of a type, with its place."""
    for path, node in walk(DOCUMENT):
        if isinstance(node, dict) and node.get("type") == kind:
            yield "/".join(path), node


STRINGS, INTEGERS = dict(find_schemas("string")), dict(find_schemas("integer"))
ENUMS = {place: schema for place, schema in STRINGS.items() if "enum" in schema}
PATTERNS = {place: schema["pattern"] for place, schema in STRINGS.items() if "pattern" in schema}
EXAMPLES = {
    "/".join(path): list(node) for path, node in walk(DOCUMENT) if path[-1] == "examples" and isinstance(node, dict)
}


def test_there_is_something_to_look_at() -> None:
    """So that no rule below is kept because it looks nowhere."""
    assert {len(found) > 1 for found in (INTEGERS, ENUMS, PATTERNS, EXAMPLES)} == {True}


def test_the_document_names_who_to_ask() -> None:
    """Linters and documentation ask for it."""
    assert set(DOCUMENT["info"]["contact"]) <= {"name", "url", "email"}
    assert DOCUMENT["info"]["contact"]["name"]


def test_extensions_are_hints_that_are_known() -> None:
    """Any other could be a rule that only our server knows."""
    extensions = {path[-1] for path, _ in walk(DOCUMENT) if path[-1].lower().startswith("x-")}
    headers = set(DOCUMENT["components"]["headers"])
    assert extensions - headers == HINTS


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_a_pattern_has_no_escape_that_it_does_not_need(pattern: str) -> None:
    r"""Generators that write `/.../` escape a slash themselves: of `\/` openapi-zod-client made `\\/`.

    Escapes that Python, JavaScript and RE2 read alike are left: of characters that mean something, and by number.
    """
    assert re.findall(r"\\(?!t|x[0-9A-F]{2}|[.*+?^${}()|[\]\\])", pattern) == []


@pytest.mark.parametrize("names", EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_has_a_name_that_is_no_keyword(names: list[str]) -> None:
    """Where examples called `title` and `description` stood, datamodel-code-generator read a schema, and ended."""
    assert [name for name in names if name in KEYWORDS or keyword.iskeyword(name)] == []


@pytest.mark.parametrize("schema", INTEGERS.values(), ids=INTEGERS)
def test_an_integer_says_how_many_bits_it_has(schema: dict[str, Any]) -> None:
    """And its bounds fit. Without a format, each language takes another size."""
    assert schema.get("maximum", 0) <= BOUNDS[schema["format"]]
    assert schema.get("minimum", 0) >= -BOUNDS[schema["format"]] - 1


@pytest.mark.parametrize("schema", ENUMS.values(), ids=ENUMS)
def test_each_member_of_an_enumeration_can_be_named(schema: dict[str, Any]) -> None:
    """By its own text, or by x-enum-varnames: of `-id`, generators make `VALUE_1` and `Id2`."""
    names = schema.get("x-enum-varnames", schema["enum"])
    assert len(names) == len(schema["enum"])
    assert len({name.lower() for name in names}) == len(names)
    assert [name for name in names if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) or keyword.iskeyword(name)] == []


def find_first_examples(status: str) -> dict[str, Any]:
    """Give the first example of each operation's answers with a status: mocks answer with it."""
    return {
        operation["operationId"]: next(iter(media["examples"].values()))["value"]
        for item in load_contract()["paths"].values()
        for operation in item.values()
        for media in operation["responses"].get(status, {}).get("content", {}).values()
    }


def test_a_mock_answers_with_a_task() -> None:
    """And not with an empty list, which tells a page nothing of what it will have to show."""
    tasks = find_first_examples("200")["listTasks"]
    assert len(tasks) == 1
    assert tasks[0] == find_first_examples("200")["getTask"] == find_first_examples("201")["createTask"]


def test_a_mock_refuses_what_pages_get_wrong() -> None:
    """A wrong body with a sentence about a member of it, and nothing with one about the path's user."""
    pointers = {name: example["errors"][0]["pointer"] for name, example in find_first_examples("422").items()}
    assert pointers == {
        "listTasks": "limit",
        "createTask": "/title",
        "getTask": "task_id",
        "updateTask": "/title",
        "deleteTask": "task_id",
        "getLiveness": "page",
        "getReadiness": "page",
    }
