"""The contract keeps the promises of its last release, or says by its version that it does not.

Each change below is made to the contract as it is, and must be taken for what it is to whoever has generated a client.
"""

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from packaging.version import Version

from tests.contract.compatibility import find_breaks, strip_texts
from tests.support.contract import CONTRACT

Document = dict[str, Any]
Change = Callable[[Document], object]

TASKS = "/api/{user_id}/tasks"
TASK = "/api/{user_id}/tasks/{task_id}"


def load_document() -> Document:
    """Give the contract as it is written, references and all."""
    document: Document = yaml.safe_load(CONTRACT.read_text())
    return document


def schema(document: Document, name: str) -> Document:
    found: Document = document["components"]["schemas"][name]
    return found


def member(document: Document, name: str, member: str) -> Document:
    found: Document = schema(document, name)["properties"][member]
    return found


def operation(document: Document, path: str, method: str) -> Document:
    found: Document = document["paths"][path][method]
    return found


def parameter(document: Document, name: str) -> Document:
    found: Document = document["components"]["parameters"][name]
    return found


RELEASES = CONTRACT.parent / "released"
"""The contracts that clients have been made for, each under its version."""

QUERY = {"name": "q", "in": "query", "schema": {"type": "string"}}

BREAKING: dict[str, Change] = {
    "path removed": lambda d: d["paths"].pop(TASK),
    "path renamed": lambda d: d["paths"].update({"/api/{user_id}/todos": d["paths"].pop(TASKS)}),
    "operation removed": lambda d: d["paths"][TASKS].pop("post"),
    "operationId renamed": lambda d: operation(d, TASKS, "get").update(operationId="fetchTasks"),
    "tag renamed": lambda d: operation(d, TASKS, "get").update(tags=["Todos"]),
    "success status changed": lambda d: operation(d, TASK, "delete")["responses"].update(
        {"200": operation(d, TASK, "delete")["responses"].pop("204")}
    ),
    "error status removed": lambda d: operation(d, TASKS, "get")["responses"].pop("503"),
    "media type of an answer changed": lambda d: operation(d, TASKS, "get")["responses"]["200"].update(
        content={"text/json": operation(d, TASKS, "get")["responses"]["200"]["content"]["application/json"]}
    ),
    "media type of an error changed": lambda d: d["components"]["responses"]["Unauthorized"].update(
        content={
            "application/json": d["components"]["responses"]["Unauthorized"]["content"]["application/problem+json"]
        }
    ),
    "body of an answer removed": lambda d: operation(d, TASK, "get")["responses"]["200"].pop("content"),
    "header of an answer removed": lambda d: operation(d, TASKS, "post")["responses"]["201"]["headers"].pop("Location"),
    "header of an answer optional": lambda d: d["components"]["headers"]["Location"].update(required=False),
    "type of a header changed": lambda d: d["components"]["headers"]["Retry-After"].update(schema={"type": "string"}),
    "member of an answer removed": lambda d: (
        schema(d, "Task")["properties"].pop("description"),
        schema(d, "Task")["required"].remove("description"),
    ),
    "member of an answer renamed": lambda d: (
        schema(d, "Task")["properties"].update(completed=schema(d, "Task")["properties"].pop("is_completed")),
        schema(d, "Task").update(
            required=[n.replace("is_completed", "completed") for n in schema(d, "Task")["required"]]
        ),
    ),
    "member of an answer optional": lambda d: schema(d, "Task")["required"].remove("title"),
    "member of an answer nullable": lambda d: member(d, "Task", "title").update(nullable=True),
    "type of an answer's member changed": lambda d: member(d, "Task", "id").update(type="string"),
    "format of an answer's member changed": lambda d: member(d, "Task", "created_at").update(format="date"),
    "format of an answer's integer narrower": lambda d: member(d, "Task", "id").update(format="int32"),
    "format of an answer's integer wider": lambda d: member(d, "ErrorResponse", "status").update(format="int64"),
    "format of an answer's integer removed": lambda d: member(d, "ErrorResponse", "status").pop("format"),
    "names of an enumeration changed": lambda d: parameter(d, "Sort")["schema"].update({"x-enum-varnames": ["A"] * 8}),
    "format of an answer's member removed": lambda d: member(d, "Task", "created_at").pop("format"),
    "answer's member longer": lambda d: member(d, "Task", "title").update(maxLength=300),
    "answer's member unbounded": lambda d: member(d, "Task", "title").pop("maxLength"),
    "answer's member shorter than before": lambda d: member(d, "Task", "title").update(minLength=0),
    "answer's number larger": lambda d: member(d, "Task", "id").update(maximum=2**63 - 1),
    "list became an object": lambda d: operation(d, TASKS, "get")["responses"]["200"]["content"][
        "application/json"
    ].update(
        schema={
            "type": "object",
            "properties": {"items": {"type": "array", "items": {"$ref": "#/components/schemas/Task"}}},
        }
    ),
    "member of an error removed": lambda d: (
        schema(d, "ErrorResponse")["properties"].pop("detail"),
        schema(d, "ErrorResponse")["required"].remove("detail"),
    ),
    "member of an error optional": lambda d: schema(d, "ErrorResponse")["required"].remove("detail"),
    "media type of a body removed": lambda d: operation(d, TASK, "patch")["requestBody"]["content"].pop(
        "application/merge-patch+json"
    ),
    "member of a body removed": lambda d: schema(d, "CreateTaskDTO")["properties"].pop("description"),
    "member of a body required": lambda d: schema(d, "CreateTaskDTO")["required"].append("description"),
    "new member of a body required": lambda d: (
        schema(d, "CreateTaskDTO")["properties"].update(due={"type": "string"}),
        schema(d, "CreateTaskDTO")["required"].append("due"),
    ),
    "body demanded": lambda d: operation(d, TASKS, "get").update(
        requestBody={"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    ),
    "body's member shorter": lambda d: member(d, "CreateTaskDTO", "title").update(maxLength=100),
    "body's member bounded": lambda d: member(d, "CreateTaskDTO", "description").update(maxLength=1000),
    "body's member longer at least": lambda d: member(d, "CreateTaskDTO", "title").update(minLength=2),
    "body's member no longer nullable": lambda d: member(d, "UpdateTaskDTO", "description").pop("nullable"),
    "pattern of a body's member added": lambda d: member(d, "CreateTaskDTO", "title").update(pattern="^[a-z]*$"),
    "type of a body's member changed": lambda d: member(d, "UpdateTaskDTO", "is_completed").update(type="string"),
    "body's member an enumeration": lambda d: member(d, "CreateTaskDTO", "title").update(enum=["a", "b"]),
    "members of a body at least": lambda d: schema(d, "UpdateTaskDTO").update(minProperties=1),
    "type renamed": lambda d: (
        d["components"]["schemas"].update(NewTask=d["components"]["schemas"].pop("CreateTaskDTO")),
        operation(d, TASKS, "post")["requestBody"]["content"]["application/json"].update(
            schema={"$ref": "#/components/schemas/NewTask"}
        ),
    ),
    "parameter renamed": lambda d: (
        d["paths"].update({"/api/{user_id}/tasks/{id}": d["paths"].pop(TASK)}),
        parameter(d, "TaskId").update(name="id"),
    ),
    "type of a parameter changed": lambda d: parameter(d, "TaskId").update(schema={"type": "string", "format": "uuid"}),
    "parameter shorter": lambda d: parameter(d, "UserId")["schema"].update(maxLength=32),
    "pattern of a parameter changed": lambda d: parameter(d, "UserId")["schema"].update(pattern="^[0-9]*$"),
    "parameter's minimum higher": lambda d: parameter(d, "TaskId")["schema"].update(minimum=1000),
    "parameter's maximum lower": lambda d: parameter(d, "TaskId")["schema"].update(maximum=2**31 - 1),
    "required parameter added": lambda d: operation(d, TASKS, "get")["parameters"].append({**QUERY, "required": True}),
    "security scheme changed": lambda d: d["components"]["securitySchemes"]["bearerAuth"].update(scheme="basic"),
    "security by a key": lambda d: d["components"]["securitySchemes"].update(
        bearerAuth={"type": "apiKey", "in": "header", "name": "X-Key"}
    ),
    "new member of a body with a default": lambda d: schema(d, "CreateTaskDTO")["properties"].update(
        priority={"type": "integer", "default": 0}
    ),
    "required parameter added to a path": lambda d: d["paths"][TASKS].update(parameters=[{**QUERY, "required": True}]),
    "server of a path": lambda d: d["paths"][TASKS].update(servers=[{"url": "/v2"}]),
    "success status added": lambda d: operation(d, TASKS, "post")["responses"].update(
        {"202": {"description": "Later."}}
    ),
    "body where there was none": lambda d: operation(d, TASK, "delete")["responses"]["204"].update(
        content={"application/json": {"schema": {"type": "object"}}}
    ),
    "exclusive bound": lambda d: parameter(d, "TaskId")["schema"].update(exclusiveMinimum=True),
    "read-only member": lambda d: member(d, "UpdateTaskDTO", "title").update(readOnly=True),
    "items removed": lambda d: operation(d, TASKS, "get")["responses"]["200"]["content"]["application/json"][
        "schema"
    ].pop("items"),
    "style of a parameter": lambda d: parameter(d, "UserId").update(style="matrix"),
    "body of another type, both there": lambda d: (
        d["components"]["schemas"].update(NewTask=dict(schema(d, "CreateTaskDTO"))),
        operation(d, TASKS, "post")["requestBody"]["content"]["application/json"].update(
            schema={"$ref": "#/components/schemas/NewTask"}
        ),
    ),
    "server moved": lambda d: d.update(servers=[{"url": "/v2"}]),
}

HARMLESS: dict[str, Change] = {
    "nothing": lambda _: None,
    "path added": lambda d: d["paths"].update(
        {"/health": {"get": {"operationId": "getHealth", "responses": {"200": {"description": ""}}}}}
    ),
    "operation added": lambda d: d["paths"][TASK].update(
        put={**operation(d, TASK, "patch"), "operationId": "replaceTask"}
    ),
    "optional parameter added": lambda d: operation(d, TASKS, "get")["parameters"].append(QUERY),
    "error added": lambda d: operation(d, TASKS, "get")["responses"].update(
        {"429": {"$ref": "#/components/responses/Unauthorized"}}
    ),
    "member of an answer added": lambda d: schema(d, "Task")["properties"].update(due={"type": "string"}),
    "required member of an answer added": lambda d: (
        schema(d, "Task")["properties"].update(due={"type": "string"}),
        schema(d, "Task")["required"].append("due"),
    ),
    "optional member of a body added": lambda d: schema(d, "CreateTaskDTO")["properties"].update(
        due={"type": "string"}
    ),
    "header of an answer added": lambda d: operation(d, TASKS, "get")["responses"]["200"]["headers"].update(
        {"X-Count": {"schema": {"type": "string"}}}
    ),
    "body's member longer": lambda d: member(d, "CreateTaskDTO", "title").update(maxLength=400),
    "body's member unbounded": lambda d: member(d, "CreateTaskDTO", "title").pop("maxLength"),
    "body's member nullable": lambda d: member(d, "UpdateTaskDTO", "is_completed").update(nullable=True),
    "pattern of a body's member removed": lambda d: member(d, "CreateTaskDTO", "title").pop("pattern"),
    "body's member no longer required": lambda d: schema(d, "CreateTaskDTO").pop("required"),
    "answer's member shorter": lambda d: member(d, "Task", "title").update(maxLength=100),
    "member of an error required": lambda d: schema(d, "ErrorResponse")["required"].append("errors"),
    "media type of a body added": lambda d: operation(d, TASKS, "post")["requestBody"]["content"].update(
        {"application/vnd.task+json": {"schema": {"$ref": "#/components/schemas/CreateTaskDTO"}}}
    ),
    "type added": lambda d: d["components"]["schemas"].update(Label={"type": "string"}),
    "description changed": lambda d: operation(d, TASKS, "get").update(description="Another."),
    "example changed": lambda d: d["components"]["examples"]["Unexpected"].update(summary="Another"),
    "parameter longer": lambda d: parameter(d, "UserId")["schema"].update(maxLength=300),
    "link removed": lambda d: operation(d, TASKS, "post")["responses"]["201"].pop("links"),
    "parameter moved to the path": lambda d: (
        [one["parameters"].pop(0) for one in list(d["paths"][TASK].values())],
        d["paths"][TASK].update(parameters=[{"$ref": "#/components/parameters/UserId"}]),
    ),
    "format of the token reworded": lambda d: d["components"]["securitySchemes"]["bearerAuth"].update(
        bearerFormat="JSON Web Token"
    ),
    "deprecated": lambda d: operation(d, TASKS, "get").update(deprecated=True),
    "reference written out": lambda d: operation(d, TASKS, "get")["parameters"].__setitem__(0, parameter(d, "UserId")),
}


def make(change: Change) -> Document:
    """Give the contract with a change made to it."""
    document = load_document()
    change(document)
    return document


@pytest.mark.parametrize("change", BREAKING.values(), ids=BREAKING)
def test_a_breaking_change_is_found(change: Change) -> None:
    """And its place is named: each sentence says where."""
    breaks = find_breaks(load_document(), make(change))
    assert breaks != []
    assert all(": " in sentence for sentence in breaks)


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_a_harmless_change_is_none(change: Change) -> None:
    """Whoever has a client need not know of it."""
    assert find_breaks(load_document(), make(change)) == []


def test_a_break_is_named_with_its_place_and_its_reason() -> None:
    """As the reader of a failed run sees it."""
    document = load_document()
    member(document, "CreateTaskDTO", "title").update(maxLength=100)
    member(document, "Task", "description").pop("nullable")
    member(document, "Task", "title").update(maxLength=300, type="integer")
    operation(document, TASK, "delete")["responses"].pop("404")
    found = find_breaks(load_document(), document)
    task = ("title: has another type", "title: maxLength allows what was never sent")
    assert found == [
        *(f"GET {TASKS}, 200, items, {reason}" for reason in task),
        f"POST {TASKS}, body, title: maxLength refuses what was taken",
        *(f"POST {TASKS}, 201, {reason}" for reason in task),
        *(f"GET {TASK}, 200, {reason}" for reason in task),
        *(f"PATCH {TASK}, 200, {reason}" for reason in task),
        f"DELETE {TASK}: no longer answers 404",
    ]


RELEASED = {Version(path.stem): yaml.safe_load(path.read_text()) for path in sorted(RELEASES.glob("*.yaml"))}


def test_a_release_is_kept_under_its_version() -> None:
    """The file's name is the contract's own version."""
    assert RELEASED
    assert {str(version): released["info"]["version"] for version, released in RELEASED.items()} == {
        str(version): str(version) for version in RELEASED
    }


def test_the_contract_keeps_the_promises_of_its_last_release() -> None:
    """A change that breaks clients raises the major part of the version, any other change of meaning the minor part."""
    objection = find_objection(RELEASED[max(RELEASED)], load_document())
    assert objection is None, f"The contract {objection}"


def find_objection(released: Document, contract: Document) -> str | None:
    """Say what the version of a contract hides from those who have the released one."""
    before, now = Version(released["info"]["version"]), Version(contract["info"]["version"])
    breaks = find_breaks(released, contract)
    if breaks and now.major <= before.major:
        return f"breaks clients of {before}, so the version must be {before.major + 1}.0.0:\n" + "\n".join(breaks)
    if strip_texts(released) != strip_texts(contract) and (now.major, now.minor) <= (before.major, before.minor):
        return (
            f"means something else than {before}, so the version must be {before.major}.{before.minor + 1}.0 at least"
        )
    return f"is older than the released {before}" if now < before else None


@pytest.mark.parametrize(
    ("version", "change", "objection"),
    [
        ("1.0.0", "nothing", None),
        ("1.0.0", "description changed", None),
        ("1.0.1", "description changed", None),
        ("0.9.9", "description changed", "is older than the released 1.0.0"),
        ("1.0.0", "optional parameter added", "so the version must be 1.1.0 at least"),
        ("1.0.1", "optional parameter added", "so the version must be 1.1.0 at least"),
        ("1.1.0", "optional parameter added", None),
        ("2.0.0", "optional parameter added", None),
        ("1.0.0", "member of an answer removed", "so the version must be 2.0.0"),
        ("1.9.0", "member of an answer removed", "so the version must be 2.0.0"),
        ("2.0.0", "member of an answer removed", None),
    ],
)
def test_the_version_tells_what_has_changed(version: str, change: str, objection: str | None) -> None:
    """Semantic versioning, of what is promised: texts need no new one."""
    released, contract = load_document(), make({**BREAKING, **HARMLESS}[change])
    released["info"]["version"], contract["info"]["version"] = "1.0.0", version
    found = find_objection(released, contract)
    assert (found is None) if objection is None else (objection in str(found))
