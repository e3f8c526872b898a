"""The five operations. The contract is their documentation; each is named by its operationId."""

from typing import Any

from taskflow import statements
from taskflow.answers import Answer, StreamedAnswer
from taskflow.cursors import Cursors
from taskflow.database import Database
from taskflow.errors import NotYourTask, Problem, TaskNotFound
from taskflow.lists import TaskList, write_path


async def list_tasks(  # noqa: PLR0913  as many as the contract has
    database: Database,
    cursors: Cursors,
    user_id: str,
    sort: str,
    *,
    is_completed: bool | None = None,
    q: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Answer | StreamedAnswer:
    tasks = TaskList(database, user_id, sort, is_completed, q)
    after = None if cursor is None else await cursors.open(cursor, tasks.scope)
    page, last = await tasks.read_page(after, limit)
    if last is None:
        return Answer(b"[%b]" % page)
    if limit is None:
        return StreamedAnswer(tasks.write(page, last))
    return Answer(b"[%b]" % page, link=tasks.write_link(limit, await cursors.seal(last, tasks.scope)))


async def create_task(database: Database, user_id: str, body: dict[str, Any]) -> Answer:
    task = {"user_id": user_id, "title": body["title"], "description": body.get("description")}
    ((task_id, created),) = await database.fetch_all(statements.INSERT_TASK, task)
    return Answer(created, status=201, location=b"%b/%b" % (write_path(user_id), task_id or b""))


async def get_task(database: Database, user_id: str, task_id: int) -> Answer:
    row = await database.fetch_one(statements.SELECT_TASK, {"user_id": user_id, "task_id": task_id})
    if row is None:
        raise await _explain_absence(database, user_id, task_id)
    return Answer(row[0])


async def update_task(database: Database, user_id: str, task_id: int, body: dict[str, Any]) -> Answer:
    if not body:
        return await get_task(database, user_id, task_id)
    statement = statements.UPDATE_TASK[frozenset(body)]
    row = await database.fetch_one(statement, {"user_id": user_id, "task_id": task_id, **body})
    if row is None:
        raise await _explain_absence(database, user_id, task_id)
    return Answer(row[0])


async def delete_task(database: Database, user_id: str, task_id: int) -> Answer:
    row = await database.fetch_one(statements.DELETE_TASK, {"user_id": user_id, "task_id": task_id})
    if row is None:
        raise await _explain_absence(database, user_id, task_id)
    return Answer(None, status=204)


async def _explain_absence(database: Database, user_id: str, task_id: int) -> Problem:
    """Tell a task of somebody else from no task, once a statement has found none of this user's."""
    row = await database.fetch_one(statements.FIND_OWNER, {"task_id": task_id})
    return TaskNotFound() if row is None or row[0] == user_id.encode() else NotYourTask()
