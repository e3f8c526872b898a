"""The contract as a document: valid, in the style of the house, and complete enough to generate clients from."""

import inspect
import json
import os
import re
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from inflection import underscore
from openapi_spec_validator import validate

from taskflow.operations import health, tasks
from tests.support.contract import CONTRACT, load_contract
from tests.support.node import install_packages
from tests.support.server import REPOSITORY
from tests.support.validator import make_validator

KEY_ORDER = ["operationId", "summary", "description", "tags", "security", "parameters", "requestBody", "responses"]
OPTIONAL_KEYS = {"security", "parameters", "requestBody"}

DOCUMENT: dict[str, Any] = yaml.safe_load(CONTRACT.read_text())
OPERATIONS: list[dict[str, Any]] = [
    operation for item in DOCUMENT["paths"].values() for operation in item.values() if isinstance(operation, dict)
]
RESPONSES = {
    f"{operation['operationId']}-{status}": (status, response)
    for operation in OPERATIONS
    for status, response in operation["responses"].items()
}

each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation["operationId"])


def walk(node: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401  a node can be anything
    """Give every node below a node, with the keys that lead to it."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield (*path, str(key)), child
        yield from walk(child, *path, str(key))


def test_the_document_is_valid_openapi() -> None:
    """openapi-spec-validator finds nothing."""
    validate(deepcopy(DOCUMENT))


def test_connexion_loads_the_document() -> None:
    """The enforcing library accepts what was written."""
    specification = import_module("connexion.spec").Specification.load(deepcopy(DOCUMENT))
    assert specification.version == (3, 0, 3)


@each_operation
def test_an_operation_is_written_in_the_order_of_the_house(operation: dict[str, Any]) -> None:
    """The same keys in the same order, so that operations can be read side by side."""
    assert list(operation) == [key for key in KEY_ORDER if key in operation]
    assert set(KEY_ORDER) - OPTIONAL_KEYS <= operation.keys()


def test_every_operation_is_a_handler_and_every_handler_an_operation() -> None:
    """An operationId is camelCase, as clients name methods, and names a function in operations.tasks or health."""
    names = [operation["operationId"] for operation in OPERATIONS]
    handlers = {
        name
        for module in (tasks, health)
        for name, member in inspect.getmembers(module, inspect.iscoroutinefunction)
        if not name.startswith("_") and member.__module__ == module.__name__
    }
    assert all(re.fullmatch("[a-z]+([A-Z][a-z]+)+", name) for name in names)
    assert sorted(underscore(name) for name in names) == sorted(handlers)


def test_the_document_knows_nothing_of_its_server() -> None:
    """No name of a Python module: the file belongs to the frontend team as much as to us."""
    modules = [value for _, value in walk(DOCUMENT) if re.search(r"\b(taskflow|connexion)\.\w", str(value))]
    assert modules == []


@pytest.mark.parametrize(
    ("status", "response"), [pytest.param(*found, id=name) for name, found in RESPONSES.items() if found[0] >= "4"]
)
def test_an_error_is_a_shared_problem_document_with_examples(status: str, response: dict[str, Any]) -> None:
    """Every error response is a reference, and each of its examples has the status it is documented for."""
    assert list(response) == ["$ref"]
    name = response["$ref"].removeprefix("#/components/responses/")
    shared = load_contract()["components"]["responses"][name]
    assert list(shared["content"]) == ["application/problem+json"]
    media = shared["content"]["application/problem+json"]
    assert DOCUMENT["components"]["responses"][name]["content"]["application/problem+json"]["schema"] == {
        "$ref": "#/components/schemas/ErrorResponse"
    }
    assert [example["value"]["status"] for example in media["examples"].values()] == [int(status)] * len(
        media["examples"]
    )
    assert media["examples"]


def test_every_operation_documents_the_answers_that_any_request_can_get() -> None:
    """Parameters and the two kinds of failure; token, owner and path; size, media type and JSON; a condition."""
    always = {"422", "500", "503"}
    with_token = {"401", "403", "404"}
    with_body = {"400", "413", "415"}
    condition = {"$ref": "#/components/parameters/If-Match"}
    assert {operation["operationId"]: {s for s in operation["responses"] if s >= "4"} for operation in OPERATIONS} == {
        operation["operationId"]: always
        | (with_token if operation.get("security") != [] else set())
        | (with_body if "requestBody" in operation else set())
        | ({"412"} if condition in operation.get("parameters", []) else set())
        for operation in OPERATIONS
    }


def test_every_component_is_used() -> None:
    """Nothing stands in the components that no reference leads to."""
    defined = {
        f"#/components/{kind}/{name}"
        for kind, members in DOCUMENT["components"].items()
        if kind != "securitySchemes"
        for name in members
    }
    assert defined == {value for path, value in walk(DOCUMENT) if path[-1] == "$ref"}
    assert DOCUMENT["components"]["securitySchemes"].keys() == {name for rule in DOCUMENT["security"] for name in rule}


@pytest.mark.parametrize(
    ("status", "header"), [("401", "WWW-Authenticate"), ("503", "Retry-After"), ("201", "Location")]
)
def test_an_answer_promises_the_header_that_its_status_calls_for(status: str, header: str) -> None:
    """In every operation that gives the answer, and as one that is always there."""
    answers = [
        operation["responses"][status]
        for item in load_contract()["paths"].values()
        for operation in item.values()
        if status in operation["responses"]
    ]
    assert [answer["headers"][header]["required"] for answer in answers] == [True] * len(answers)
    assert answers


def test_a_created_task_links_to_what_can_be_done_with_it() -> None:
    """The 201 of createTask leads to get, update and delete, with the user and the id of the new task."""
    links = load_contract()["paths"]["/api/{user_id}/tasks"]["post"]["responses"]["201"]["links"]
    parameters = {"user_id": "$request.path.user_id", "task_id": "$response.body#/id"}
    assert {name: (link["operationId"], link["parameters"]) for name, link in links.items()} == {
        name: (name, parameters) for name in ("getTask", "updateTask", "deleteTask")
    }


def _collect_examples() -> Iterator[tuple[str, dict[str, Any], object]]:
    for path, node in walk(load_contract()):
        if isinstance(node, dict) and isinstance(node.get("schema"), dict):
            place = "/".join(path)
            if "example" in node:
                yield place, node["schema"], node["example"]
            for name, example in node.get("examples", {}).items():
                yield f"{place}/{name}", node["schema"], example["value"]


@pytest.mark.parametrize(
    ("schema", "example"), [pytest.param(schema, example, id=place) for place, schema, example in _collect_examples()]
)
def test_an_example_obeys_its_schema(schema: dict[str, Any], example: object) -> None:
    """Examples of parameters, headers, bodies and answers are what they illustrate."""
    make_validator(schema).validate(example)


def test_every_body_and_every_required_parameter_has_an_example() -> None:
    """So that the test above looks at all of them. What may be left out has none: /docs would fill it in."""
    media = [node for path, node in walk(load_contract()) if len(path) > 1 and path[-2] == "content"]
    parameters = load_contract()["components"]["parameters"].values()
    assert [node for node in media if not node.get("examples")] == []
    assert [node for node in parameters if node.get("required") and "example" not in node] == []


def test_the_schemas_have_the_names_of_the_specification() -> None:
    """Spec, "Data Transfer Objects" and FR-014: the four shapes, and `detail` in every error."""
    schemas = DOCUMENT["components"]["schemas"]
    assert {"Task", "CreateTaskDTO", "UpdateTaskDTO", "ErrorResponse"} <= schemas.keys()
    assert "detail" in schemas["ErrorResponse"]["required"]
    assert schemas["ErrorResponse"]["properties"]["detail"]["type"] == "string"
    assert schemas["Task"]["required"] == list(schemas["Task"]["properties"])


@pytest.fixture(scope="session")
def redocly() -> Path:
    """The linter's command."""
    return install_packages(Path(__file__).parent) / "redocly"


def test_redocly_has_nothing_to_say(redocly: Path) -> None:
    """Neither an error nor a warning of its recommended rules."""
    lint = subprocess.run(  # noqa: S603  our own command
        [redocly, "lint", "--extends=recommended", "--format=json", CONTRACT],
        env={**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"},
        cwd=redocly.parent,  # no configuration of anybody's is read
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(lint.stdout)
    assert report["problems"] == []
    assert report["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}
    assert lint.returncode == 0


@pytest.mark.parametrize("folder", ["contract", "frontend", "benchmarks/contenders/fastify"])
def test_packages_are_locked_without_naming_a_registry(folder: str) -> None:
    """The lock file holds versions and digests; where packages come from is for each machine to say."""
    lock = json.loads((REPOSITORY / "tests" / folder / "package-lock.json").read_text())
    packages = [package for name, package in lock["packages"].items() if name]
    assert all("integrity" in package and "resolved" not in package for package in packages)
    assert packages
