"""Schemathesis over the running server: whatever is sent, the contract is kept.

A longer run, or another: FUZZ_EXAMPLES=400 FUZZ_SEED=7 pytest tests/fuzzing
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.cast import BOB, User
from tests.support.contract import CONTRACT
from tests.support.keys import SigningKey, claim_better_auths, run_key_server
from tests.support.server import Server, make_environment, run_server

EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "40")
SEED = os.environ.get("FUZZ_SEED", "20260105")

OWNER = User("user_abc123")
"""The user of the contract's examples; schemathesis.toml says why."""

TASKS = "/api/{user_id}/tasks"
TASK = f"{TASKS}/{{task_id}}"

# What a run must have come across, or it has proved little: no request of these kinds got through to where it is
# decided. Errors of the database are not to be had from requests.
ANSWERS = {
    f"GET {TASKS}": {200, 304, 401, 403, 422},
    f"POST {TASKS}": {201, 400, 401, 403, 415, 422},
    f"GET {TASK}": {200, 304, 401, 403, 404, 422},
    f"PATCH {TASK}": {200, 400, 401, 403, 404, 412, 415, 422},
    f"DELETE {TASK}": {204, 401, 403, 404, 412, 422},
    "GET /livez": {200},
    "GET /readyz": {200},
}

CHECKS = {
    "allow_header_conformance",
    "content_type_conformance",
    "ensure_resource_availability",
    "ignored_auth",
    "missing_required_header",
    "negative_data_rejection",
    "not_a_server_error",
    "object_level_authorization",
    "positive_data_acceptance",
    "response_headers_conformance",
    "response_schema_conformance",
    "status_code_conformance",
    "unsupported_method",
    "use_after_free",
}


@dataclass(frozen=True)
class Exchange:
    """A request that was sent, by whom, and what came back."""

    operation: str
    user: str | None
    status: int


@dataclass(frozen=True)
class Run:
    """A finished run: its exit code, its output, and its two reports."""

    code: int
    output: str
    summary: dict[str, Any]
    exchanges: list[Exchange]
    checks: set[str]


@dataclass(frozen=True)
class Identity:
    """A user, and the header that says so."""

    user: User
    authorization: str


@pytest.fixture(scope="module", params=["HS256", "EdDSA"])
def target(request: pytest.FixtureRequest, server: Server, database_url: str) -> Iterator[tuple[str, list[Identity]]]:
    """The URL of a server, and two identities with tokens of either kind; the owner's is the first."""
    users = (OWNER, BOB)
    if request.param == "HS256":
        yield server.url, [Identity(user, f"Bearer {user.token}") for user in users]
        return
    key = SigningKey("fuzzing")
    with run_key_server(key) as frontend:
        environment = make_environment(
            ENVIRONMENT="production",
            DATABASE_URL=database_url,
            BETTER_AUTH_URL=frontend.origin,
            CORS_ORIGINS="https://app.example.com",
        )
        tokens = {user: key.sign(claim_better_auths(frontend, sub=user.id, exp=2**33)) for user in users}
        with run_server(environment) as other:
            yield other.url, [Identity(user, f"Bearer {token}") for user, token in tokens.items()]


@pytest.fixture(scope="module")
def run(target: tuple[str, list[Identity]], database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run with each kind of token for all tests of this file."""
    url, identities = target
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE tasks, taskflow_idempotency_keys RESTART IDENTITY")
    folder = tmp_path_factory.mktemp("fuzzing")
    shutil.copy(Path(__file__).with_name("schemathesis.toml"), folder)
    shutil.copy(CONTRACT.with_name("schemathesis_hooks.py"), folder)
    (folder / "auth.json").write_text(json.dumps({"auth": [_describe(identity) for identity in identities]}))
    process = subprocess.run(  # noqa: S603  our own command
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", CONTRACT, "--url", url),
            *("--max-examples", EXAMPLES, "--seed", SEED),
            *("--report", "json,ndjson", "--report-json-path", "run.json", "--report-ndjson-path", "run.ndjson"),
        ],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (folder / "run.json").exists(), process.stdout
    records = list(_read_records(folder / "run.ndjson"))
    return Run(
        process.returncode,
        process.stdout,
        json.loads((folder / "run.json").read_text()),
        [exchange for record in records for exchange in _read_exchanges(record)],
        {check["name"] for record in records for checks in record.get("checks", {}).values() for check in checks},
    )


def _describe(identity: Identity) -> dict[str, Any]:
    header = {"name": "Authorization", "value": identity.authorization}
    return {"name": identity.user.id, "fixedHeaders": [header]}


def _read_records(report: Path) -> Iterator[dict[str, Any]]:
    for line in report.read_text().splitlines():
        for kind, event in json.loads(line).items():
            if kind == "ScenarioFinished":
                yield event["recorder"]


def _read_exchanges(record: dict[str, Any]) -> Iterator[Exchange]:
    for key, case in record.get("cases", {}).items():
        response = record["interactions"].get(key, {}).get("response")
        if response is not None:
            operation = f"{case['value']['method']} {case['value']['path']}"
            yield Exchange(operation, case["value"].get("auth_identity"), response["status_code"])


def test_the_contract_is_kept(run: Run) -> None:
    """No failure, no error and no warning, in any phase."""
    assert run.code == 0, run.output
    assert run.summary["failures"] == run.summary["errors"] == []
    assert {kind: found for kind, found in run.summary["warnings"].items() if found} == {}
    assert {phase: result["status"] for phase, result in run.summary["phases"].items()} == dict.fromkeys(
        ("examples", "coverage", "fuzzing", "stateful"), "success"
    )


def test_every_check_was_made(run: Run) -> None:
    """None was switched off, or lacked what it needs."""
    assert run.checks == CHECKS


@pytest.mark.parametrize("operation", ANSWERS)
def test_every_operation_was_really_exercised(run: Run, operation: str) -> None:
    """Success, and each refusal that a request can earn: a run of nothing but 401 would find no fault either."""
    seen = {exchange.status for exchange in run.exchanges if exchange.operation == operation}
    assert ANSWERS[operation] - seen == set()


def test_methods_that_are_not_in_the_contract_were_tried(run: Run) -> None:
    """And were all refused with 405."""
    answers = {exchange.status for exchange in run.exchanges if exchange.operation not in ANSWERS}
    assert answers == {405}


def test_bob_was_let_in_nowhere(run: Run) -> None:
    """The owner's tasks were asked for with Bob's token."""
    answers = {exchange.status for exchange in run.exchanges if exchange.user == BOB.id}
    assert answers == {403}
