"""A Python client that openapi-python-client generates from the contract: complete, typed, and right at run time."""

import json
import os
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.cast import ALICE, BOB
from tests.support.contract import CONTRACT, load_contract
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
from collections.abc import Iterator
from uuid import uuid4

import httpx
from taskflow_client import AuthenticatedClient
from taskflow_client.api.health import get_liveness, get_readiness
from taskflow_client.api.tasks import create_task, delete_task, get_task, list_tasks, update_task
from taskflow_client.models import CreateTaskDTO, ErrorResponse, HealthStatus, ListTasksSort, Task, UpdateTaskDTO
from taskflow_client.types import UNSET, Unset

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


def walk_pages(q: str) -> Iterator[list[str]]:
    """Give the titles of each page, one task long."""
    cursor: str | Unset = UNSET
    while True:
        answer = list_tasks.sync_detailed(
            user, client=client, is_completed=False, q=q, sort=ListTasksSort.TITLE_DESC, limit=1, cursor=cursor
        )
        assert isinstance(answer.parsed, list)
        yield [one.title for one in answer.parsed]
        links = httpx.Response(200, headers=answer.headers).links
        if "next" not in links:
            return
        cursor = httpx.URL(links["next"]["url"]).params["cursor"]


groceries, nothing, key = CreateTaskDTO(title="Buy groceries"), CreateTaskDTO(title="Buy nothing"), uuid4().hex
task = expect_task(create_task.sync(user, client=client, body=groceries, idempotency_key=key))
assert create_task.sync(user, client=client, body=groceries, idempotency_key=key) == task
reused = expect_error(create_task.sync(user, client=client, body=nothing, idempotency_key=key))
call = expect_task(create_task.sync(user, client=client, body=CreateTaskDTO(title="Call home")))
pages = list(walk_pages("O"))
found = get_task.sync_detailed(user, task.id, client=client)
assert found.parsed == task
# The header's own text: a datetime is not written as it was read.
tag = found.headers["ETag"]
same = get_task.sync_detailed(user, task.id, client=client, if_none_match=tag)
complete = UpdateTaskDTO(is_completed=True)
changed = expect_task(update_task.sync(user, task.id, client=client, body=complete, if_match=tag))
assert changed.updated_at > task.updated_at
too_late = expect_error(update_task.sync(user, task.id, client=client, body=complete, if_match=tag))
spared = expect_error(delete_task.sync(user, task.id, client=client, if_match=tag))
delete_task.sync(user, call.id, client=client)
refused = expect_error(update_task.sync(user, task.id, client=client, body=UpdateTaskDTO(title="")))
forbidden = expect_error(list_tasks.sync(os.environ["OTHER_ID"], client=client))


async def go_on() -> dict[str, object]:
    listed = await list_tasks.asyncio_detailed(user, client=client)
    tasks = listed.parsed
    assert isinstance(tasks, list)
    unchanged = await list_tasks.asyncio_detailed(user, client=client, if_none_match=listed.headers["ETag"])
    deleted = await delete_task.asyncio_detailed(user, task.id, client=client)
    missing = await get_task.asyncio(user, task.id, client=client)
    return {
        "tasks": [one.to_dict() for one in tasks],
        "unchanged": [unchanged.status_code, unchanged.parsed],
        "deleted": [deleted.status_code, deleted.parsed],
        "missing": expect_error(missing).detail,
    }


for ask in (get_liveness.sync, get_readiness.sync):
    health = ask(client=client)
    assert not isinstance(health, ErrorResponse | None)
    assert health.status == HealthStatus.OK
report = {
    "reused": reused.to_dict(),
    "pages": pages,
    "same": [same.status_code, same.parsed],
    "changed": changed.to_dict(),
    "too_late": too_late.to_dict(),
    "spared": spared.detail,
    "refused": refused.to_dict(),
    "forbidden": forbidden.detail,
}
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
    changed, examples = report["changed"], load_contract()["components"]["examples"]
    assert report == {
        "reused": examples["KeyReused"]["value"],
        "pages": [["Call home"], ["Buy groceries"]],
        "same": [304, None],
        "changed": expect_task(ALICE, is_completed=True),
        "too_late": examples["TaskChanged"]["value"],
        "spared": examples["TaskChanged"]["value"]["detail"],
        "refused": expect_problem(422, "title must not be empty.", title="must not be empty"),
        "forbidden": "The user_id in the path is not the user of the token.",
        "tasks": [changed],
        "unchanged": [304, None],
        "deleted": [204, None],
        "missing": "There is no task with this task_id.",
    }
    assert alice.get(ALICE.tasks).json() == []
