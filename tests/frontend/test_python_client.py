"""A Python client that openapi-python-client generates from the contract: complete, typed, and right at run time."""

import json
import os
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.cast import ALICE, BOB
from tests.support.contract import CONTRACT
from tests.support.node import run_to_end
from tests.support.problems import expect_problem
from tests.support.server import Server, make_environment
from tests.support.tasks import expect_task

COMMANDS = Path(sys.executable).parent

PROGRAM = '''
"""Every operation, by the generated client; prints what it saw as JSON."""

import asyncio
import json
import os

from taskflow_client import AuthenticatedClient
from taskflow_client.api.tasks import create_task, delete_task, get_task, list_tasks, update_task
from taskflow_client.models import CreateTaskDTO, ErrorResponse, Task, UpdateTaskDTO

client = AuthenticatedClient(base_url=os.environ["TASKFLOW_URL"], token=os.environ["TOKEN"])
user = os.environ["USER_ID"]


def expect_task(answer: Task | ErrorResponse | None) -> Task:
    """Give a task, or raise with the sentence of the error."""
    if isinstance(answer, ErrorResponse):
        raise RuntimeError(answer.detail)
    assert answer is not None
    return answer


def expect_error(answer: object) -> ErrorResponse:
    assert isinstance(answer, ErrorResponse)
    return answer


task = expect_task(create_task.sync(user, client=client, body=CreateTaskDTO(title="Buy groceries")))
found = expect_task(get_task.sync(user, task.id, client=client))
assert found == task
changed = expect_task(update_task.sync(user, task.id, client=client, body=UpdateTaskDTO(is_completed=True)))
assert changed.updated_at > task.updated_at
refused = expect_error(update_task.sync(user, task.id, client=client, body=UpdateTaskDTO(title="")))
forbidden = expect_error(list_tasks.sync(os.environ["OTHER_ID"], client=client))


async def go_on() -> dict[str, object]:
    tasks = await list_tasks.asyncio(user, client=client)
    assert isinstance(tasks, list)
    deleted = await delete_task.asyncio_detailed(user, task.id, client=client)
    missing = await get_task.asyncio(user, task.id, client=client)
    return {
        "tasks": [one.to_dict() for one in tasks],
        "deleted": [deleted.status_code, deleted.parsed],
        "missing": expect_error(missing).detail,
    }


report = {"changed": changed.to_dict(), "refused": refused.to_dict(), "forbidden": forbidden.detail}
print(json.dumps(report | asyncio.run(go_on())))
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the generated package and the program. The generator has nothing to say about the contract."""
    folder = tmp_path_factory.mktemp("python-client")
    environment = make_environment()
    environment["PATH"] = f"{COMMANDS}{os.pathsep}{environment['PATH']}"  # it formats by ruff
    run_to_end(
        *(COMMANDS / "openapi-python-client", "generate", "--path", CONTRACT),
        *("--meta", "none", "--output-path", folder / "taskflow_client", "--fail-on-warning"),
        folder=folder,
        environment=environment,
    )
    (folder / "program.py").write_text(PROGRAM)
    return folder


def test_its_types_hold(folder: Path) -> None:
    """Of what uses it, by `mypy --strict`."""
    # What is generated counts as what is installed: its types hold, its own code is not ours to check.
    options = ("--strict", "--follow-imports", "silent", "--cache-dir", os.devnull)
    said = run_to_end(
        sys.executable, "-m", "mypy", *options, "program.py", folder=folder, environment=make_environment()
    )
    assert said == "Success: no issues found in 1 source file\n"


def test_every_operation_does_what_its_types_say(folder: Path, server: Server, alice: httpx.Client) -> None:
    """In both manners, with and without waiting; errors are problem documents, 204 is nothing."""
    environment = make_environment(TASKFLOW_URL=server.url, USER_ID=ALICE.id, OTHER_ID=BOB.id, TOKEN=ALICE.token)
    report = json.loads(run_to_end(sys.executable, "program.py", folder=folder, environment=environment))
    changed = report["changed"]
    assert report == {
        "changed": expect_task(ALICE, is_completed=True),
        "refused": expect_problem(422, "title must not be empty.", title="must not be empty"),
        "forbidden": "The user_id in the path is not the user of the token.",
        "tasks": [changed],
        "deleted": [204, None],
        "missing": "There is no task with this task_id.",
    }
    assert alice.get(ALICE.tasks).json() == []
