"""Clients generated from the contract: their types hold in TypeScript, and what they say is what the server does."""

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.frontend.conftest import FRONTEND
from tests.support.cast import ALICE, sign
from tests.support.contract import load_contract
from tests.support.node import find_node, run_to_end
from tests.support.problems import expect_problem
from tests.support.server import Server, make_environment
from tests.support.tasks import expect_task

PROGRAMS = ("openapi-fetch", "hey-api")

TOO_LATE = load_contract()["components"]["examples"]["TaskChanged"]["value"]
REUSED = load_contract()["components"]["examples"]["KeyReused"]["value"]

SOURCES = [
    path
    for name in ("auth", "clients", "app")
    for path in sorted((FRONTEND / name).rglob("*.ts*"))
    if path.suffix in {".ts", ".tsx"} and not path.name.endswith(".d.ts") and ".next" not in path.parts
]
"""What is written by hand, the application's included."""


def run_program(clients: Path, name: str, server: Server) -> dict[str, Any]:
    """Run a client program as Alice, whose first token has expired; give what it saw."""
    expired = sign({"sub": ALICE.id, "exp": int(time.time()) - 1})
    environment = make_environment(TASKFLOW_URL=server.url, USER_ID=ALICE.id, TOKENS=f"{expired} {ALICE.token}")
    command = (find_node(), "--import", "tsx", clients / f"{name}.ts")
    report: dict[str, Any] = json.loads(run_to_end(*command, folder=clients, environment=environment))
    return report


def test_the_clients_compile(clients: Path, commands: Path) -> None:
    """`tsc --strict`, and more than that. misuse.ts holds what must not: an error that is missing there is one too."""
    assert "@ts-expect-error" in (clients / "misuse.ts").read_text()
    assert run_to_end(commands / "tsc", "--project", FRONTEND, folder=FRONTEND, environment=make_environment()) == ""


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(FRONTEND)))
def test_nothing_is_asserted_that_the_compiler_does_not_know(source: Path) -> None:
    """No cast, no `any`, no `!`: types that only hold where somebody says so would prove nothing of the contract."""
    assert find_assertions(source.read_text()) == []


@pytest.mark.parametrize(
    "code",
    ["x as Task;", "let x: any;", "x!.id", "x[0]!.id", "f(x!)", "// @ts-ignore\n", "<any>x", "x as unknown as Task;"],
)
def test_an_assertion_would_be_found(code: str) -> None:
    """And what only looks like one is none."""
    assert find_assertions(code) != []
    assert find_assertions('x as const; a != b; // any\nimport { GET as get } from "./any.js"; "as Task"') == []


def find_assertions(code: str) -> list[str]:
    """Give the places at which TypeScript is told to believe something."""
    silenced = re.findall(r"@ts-(?:ignore|nocheck)", code)
    code = re.sub(r"/\*.*?\*/|//[^\n]*|\bimport\b[^;]*;|\"[^\"]*\"", "", code, flags=re.DOTALL)
    return silenced + re.findall(r"\bany\b|\bas\s+(?!const\b)\w+|[\w\])]!(?=[.,;)\[])", code)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_operation_does_what_its_types_say(name: str, clients: Path, server: Server, alice: httpx.Client) -> None:
    """The whole of what a program saw, errors and the empty 204 included; its expired token was renewed on the way."""
    assert alice.get(ALICE.tasks).json() == []
    report = run_program(clients, name, server)
    created = report["created"]
    assert created == expect_task(ALICE)
    assert report == {
        "before": [],
        "created": created,
        "again": created,
        "reused": REUSED,
        "pages": [["Call home"], ["Buy groceries"]],
        "same": 304,
        "found": created,
        "changed": {**created, "is_completed": True, "updated_at": report["changed"]["updated_at"]},
        "tooLate": TOO_LATE,
        "spared": TOO_LATE["detail"],
        "refused": expect_problem(422, "title must not be empty.", title="must not be empty"),
        "deleted": {"status": 204, "hasBody": False, "failed": False},
        "missing": "There is no task with this task_id.",
        "forbidden": "The user_id in the path is not the user of the token.",
        "health": [{"status": "ok"}, {"status": "ok"}],
        "signedOut": {
            "status": 401,
            "detail": 'Not authenticated; send the header "Authorization: Bearer <token>".',
        },
    }
    assert [task["title"] for task in alice.get(ALICE.tasks).json()] == ["Call home", "Water the plants"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_operation_is_used(name: str, clients: Path) -> None:
    """An operation that is added to the contract must be added to the programs, and so must a parameter."""
    source = (clients / f"{name}.ts").read_text()
    parameters = {
        parameter["name"]
        for item in load_contract()["paths"].values()
        for operation in item.values()
        for parameter in operation.get("parameters", [])
    }
    imported = re.findall(r'from "(\.\./app/[^"]+)\.js"', source)
    sources = source + "".join((clients / f"{path}.ts").read_text() for path in imported if "schema" not in path)
    assert {parameter for parameter in parameters if not re.search(rf"\b{parameter}\b", sources)} == set()
    for path, item in load_contract()["paths"].items():
        for method, operation in item.items():
            call = f'api.{method.upper()}("{path}"' if name == "openapi-fetch" else f"await {operation['operationId']}("
            assert call in source


def test_generated_names_are_those_of_the_contract(clients: Path) -> None:
    """Functions are called like operationIds, types like schemas, whatever the generator."""
    document = load_contract()
    functions = {operation["operationId"] for item in document["paths"].values() for operation in item.values()}
    types = set(document["components"]["schemas"])
    generated = clients.parent / "generated"
    sdk = (generated / "hey-api" / "sdk.gen.ts").read_text()
    assert set(re.findall(r"^export const (\w+)", sdk, re.MULTILINE)) == functions
    exported = set(
        re.findall(r"^export type (\w+)", (generated / "hey-api" / "types.gen.ts").read_text(), re.MULTILINE)
    )
    assert {name.replace("DTO", "Dto") for name in types} <= exported
    schema = (FRONTEND / "app" / "lib" / "schema.d.ts").read_text()
    assert (
        set(re.findall(r"^ {8}(\w+): \{$", schema.partition("schemas: {")[2].partition("\n    };")[0], re.MULTILINE))
        == types
    )
    assert set(re.findall(r"^ {4}(\w+): \{$", schema.partition("interface operations {")[2], re.MULTILINE)) == functions
