"""A contract that the server cannot keep stops it before it serves, with a sentence that says what is wrong."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from taskflow import app as wiring
from taskflow.app import create_app
from taskflow.contract.loading import ContractError
from tests.support.cast import SECRET
from tests.support.contract import CONTRACT
from tests.support.server import REPOSITORY, make_environment
from tests.support.settings import make_settings

Document = dict[str, Any]

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def create_with(monkeypatch: pytest.MonkeyPatch, contract: bytes) -> None:
    monkeypatch.setattr(wiring, "read_contract", lambda: contract)
    create_app(make_settings(NOWHERE))


def add_format(document: Document) -> None:
    document["components"]["schemas"]["CreateTaskDTO"]["properties"]["title"]["format"] = "email"


def add_parameter(document: Document, **parts: object) -> None:
    parameter = {"name": "page", "in": "query", "schema": {"type": "integer"}, **parts}
    document["paths"]["/api/{user_id}/tasks"]["get"]["parameters"].append(parameter)


def add_query_parameter(document: Document) -> None:
    add_parameter(document)


def add_cookie(document: Document) -> None:
    add_parameter(document, **{"in": "cookie"})


def add_style(document: Document) -> None:
    add_parameter(document, style="form", explode=False)


def add_wrong_default(document: Document) -> None:
    add_parameter(document, schema={"type": "integer", "minimum": 1, "default": 0})


def add_parameter_twice(document: Document) -> None:
    add_parameter(document, **{"name": "Limit", "in": "header"})


def demand_parameter(document: Document) -> None:
    document["components"]["parameters"]["Limit"]["required"] = True


def make_body_optional(document: Document) -> None:
    document["paths"]["/api/{user_id}/tasks"]["post"]["requestBody"]["required"] = False


def drop_body(document: Document) -> None:
    del document["paths"]["/api/{user_id}/tasks"]["post"]["requestBody"]


def add_operation(document: Document) -> None:
    item = document["paths"]["/api/{user_id}/tasks"]
    item["delete"] = {**item["get"], "operationId": "deleteAllTasks"}


def misspell_keyword(document: Document) -> None:
    document["components"]["schemas"]["CreateTaskDTO"]["properties"]["title"]["maxLenght"] = 5


def write_number_as_text(document: Document) -> None:
    document["components"]["schemas"]["CreateTaskDTO"]["properties"]["title"]["maxLength"] = "two hundred"


def refer_to_nothing(document: Document) -> None:
    document["components"]["links"]["GetTask"] = {"$ref": "#/components/links/Nothing"}


def refer_to_a_file(document: Document) -> None:
    document["components"]["links"]["GetTask"] = {"$ref": "links.yaml#/GetTask"}


def write_statuses_as_numbers(document: Document) -> None:
    operation = document["paths"]["/api/{user_id}/tasks"]["get"]
    operation["responses"] = {int(status): response for status, response in operation["responses"].items()}


def name_a_status_otherwise(document: Document) -> None:
    document["paths"]["/api/{user_id}/tasks"]["get"]["responses"]["fine"] = {"description": "Fine."}


def drop_operation_id(document: Document) -> None:
    del document["paths"]["/api/{user_id}/tasks"]["get"]["operationId"]


def empty_a_path(document: Document) -> None:
    document["paths"]["/api/{user_id}/tasks"] = None


def secure_with_nothing(document: Document) -> None:
    document["security"] = [{"unknownAuth": []}]


def write_version_as_number(document: Document) -> None:
    document["openapi"] = 3.0


def drop_paths(document: Document) -> None:
    del document["paths"]


def use_version_3_1(document: Document) -> None:
    document["openapi"] = "3.1.0"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (add_format, "nothing enforces format in the body of createTask/title of type string"),
        (add_query_parameter, "the contract and the handler of listTasks disagree about page"),
        (add_cookie, "nothing enforces the parameter page of listTasks, which is in cookie"),
        (add_style, "nothing enforces explode, style in the parameter page of listTasks"),
        (add_wrong_default, "paths//api/{user_id}/tasks/get/parameters/7/schema: 0 is less than the minimum of 1"),
        (add_parameter_twice, "two parameters of listTasks have one name"),
        (demand_parameter, "the contract and the handler of listTasks disagree about limit"),
        (make_body_optional, "nothing enforces the body of createTask, which is not required"),
        (drop_body, "the contract and the handler of createTask disagree about body"),
        (add_operation, "module 'taskflow.operations.tasks' has no attribute 'delete_all_tasks'"),
        (
            misspell_keyword,
            "components/schemas/CreateTaskDTO/properties/title: OpenAPI knows no maxLenght here",
        ),
        (
            write_number_as_text,
            "components/schemas/CreateTaskDTO/properties/title/maxLength: 'two hundred' is not of type 'integer'",
        ),
        (refer_to_nothing, "components/links/GetTask: the reference #/components/links/Nothing leads nowhere"),
        (refer_to_a_file, "components/links/GetTask: the reference links.yaml#/GetTask leads out of the contract"),
        (
            write_statuses_as_numbers,
            "the key 200 in paths//api/{user_id}/tasks/get/responses must be text, in quotes",
        ),
        (
            name_a_status_otherwise,
            "paths//api/{user_id}/tasks/get/responses: OpenAPI knows no fine here",
        ),
        (drop_operation_id, None),
        (empty_a_path, None),
        (secure_with_nothing, None),
        (write_version_as_number, None),
        (drop_paths, "the document: 'paths' is a required property"),
        (use_version_3_1, "openapi: '3.1.0' does not match '^3\\\\.0\\\\.\\\\d(-.+)?$'"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_cannot_be_kept_is_named(
    change: Callable[[Document], None], reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that nobody enforces and an operation that nobody handles are refused alike."""
    document = yaml.safe_load(CONTRACT.read_bytes())
    change(document)
    with pytest.raises(ContractError) as caught:
        create_with(monkeypatch, yaml.safe_dump(document).encode())
    # Where Connexion trips over it, the words are its own.
    assert str(caught.value) == reason or (
        reason is None and str(caught.value).startswith("Connexion cannot read it (")
    )


def test_a_file_that_is_not_yaml_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The place is named."""
    with pytest.raises(ContractError, match="line 2, column 1"):
        create_with(monkeypatch, b"openapi: [")


def test_a_file_that_is_no_document_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty one, for example."""
    with pytest.raises(ContractError, match="it is not an OpenAPI document"):
        create_with(monkeypatch, b"")


def test_the_authored_contract_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the refusals above would prove nothing."""
    create_with(monkeypatch, CONTRACT.read_bytes())


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_server_says_so_in_one_sentence(workers: str, tmp_path: Path) -> None:
    """Exit code 2 and no trace, and nothing has claimed to be up."""
    shutil.copytree(REPOSITORY / "taskflow", tmp_path / "taskflow")
    document = yaml.safe_load(CONTRACT.read_bytes())
    add_format(document)
    (tmp_path / "taskflow" / "openapi.yaml").write_text(yaml.safe_dump(document))
    result = subprocess.run(  # noqa: S603  our own command
        [sys.executable, "-m", "taskflow", "serve", "--port", "0", "--workers", workers],
        cwd=tmp_path,  # Python looks there first
        env=make_environment(DATABASE_URL=NOWHERE, BETTER_AUTH_SECRET=SECRET),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1] == (
        "taskflow: The contract cannot be kept: nothing enforces format in the body of createTask/title of type string."
    )
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
