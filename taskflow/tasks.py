"""The five operations. The contract is their documentation; each is named by its operationId."""

from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

from taskflow import statements
from taskflow.answers import Answer, StreamedAnswer
from taskflow.database import Database
from taskflow.errors import NotYourTask, Problem, TaskNotFound


async def list_tasks(database: Database, user_id: str) -> Answer | StreamedAnswer:
    page, last = await _read_page(database, user_id, after=0)
    if last is None:
        return Answer(b"[%b]" % page)
    return StreamedAnswer(_write_list(database, user_id, page, last))


async def create_task(database: Database, user_id: str, body: dict[str, Any]) -> Answer:
    task = {"user_id": user_id, "title": body["title"], "description": body.get("description")}
    ((task_id, created),) = await database.fetch_all(statements.INSERT_TASK, task)
    location = b"/api/%b/tasks/%b" % (quote(user_id, safe="").encode(), task_id or b"")
    return Answer(created, status=201, location=location)


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


async def _read_page(database: Database, user_id: str, *, after: int) -> tuple[bytes, int | None]:
    """Give a part of a list as JSON without its brackets, and the last id in it unless it is the end of the list."""
    ((count, last, page),) = await database.fetch_all(statements.LIST_TASKS, {"user_id": user_id, "after": after})
    if page is None or last is None:
        return b"", None
    # PostgreSQL counts bytes as it stores them, at most four a character; here they are UTF-8, one at least.
    is_full = count == b"%d" % statements.PAGE_ROWS or len(page) >= statements.PAGE_BYTES // 4
    return page, int(last) if is_full else None


async def _write_list(database: Database, user_id: str, page: bytes, last: int | None) -> AsyncGenerator[bytes]:
    # Between two pages no connection is held: a client that reads slowly costs one page of memory and nothing else.
    # Nor are pages joined with what stands between them, which would copy each once more.
    yield b"["
    yield page
    while last is not None:
        page, last = await _read_page(database, user_id, after=last)
        if page:
            yield b","
            yield page
    yield b"]"
