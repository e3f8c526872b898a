"""The five operations. The contract is their documentation; each is named by its operationId."""

from typing import Any

from taskflow.database import Database, Value, statements
from taskflow.errors import CursorRefused, NotYourTask, PreconditionFailed, Problem, TaskNotFound
from taskflow.operations.cursors import Cursors, Position, Selection
from taskflow.operations.idempotency import insert_once
from taskflow.operations.task_list import TaskList, write_link, write_path
from taskflow.web.etags import find_known, list_strong_versions, write_tag
from taskflow.web.responses import Answer, StreamedAnswer


async def list_tasks(  # noqa: PLR0913  as many as the contract has
    database: Database,
    cursors: Cursors,
    root_path: str,
    user_id: str,
    *,
    sort: str | None = None,
    is_completed: bool | None = None,
    q: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
    if_none_match: str | None = None,
) -> Answer | StreamedAnswer:
    after: Position | None = None
    if cursor is None:
        selection = Selection(sort or "id", is_completed, q)
    else:
        selection, after = await cursors.open(cursor, user_id)
        if not selection.admits(sort, is_completed, q):
            raise CursorRefused
    tasks = TaskList(database, user_id, *selection)
    if if_none_match is not None:
        known = find_known(if_none_match, await tasks.read_tag())
        if known is not None:
            return Answer(None, status=304, etag=known)
    page = await tasks.read_page(after, limit)
    if page.is_last:
        return Answer(b"[%b]" % page.tasks, etag=write_tag(page.version))
    if limit is None or page.end is None:
        # What is read page by page may hold changes that were made meanwhile: its bytes are not promised.
        return StreamedAnswer(tasks.write(page), etag=write_tag(page.version, is_weak=True))
    link = write_link(root_path, user_id, limit, await cursors.seal(user_id, selection, page.end))
    return Answer(b"[%b]" % page.tasks, etag=write_tag(page.version), link=link)


async def create_task(
    database: Database, root_path: str, user_id: str, body: dict[str, Any], *, idempotency_key: str | None = None
) -> Answer:
    task = {"user_id": user_id, "title": body["title"], "description": body.get("description")}
    if idempotency_key is None:
        ((task_id, version, created),) = await database.fetch_all(statements.INSERT_TASK, task)
    else:
        task_id, version, created = await insert_once(database, task, idempotency_key)
    location = b"%b/%b" % (write_path(root_path, user_id), task_id or b"")
    return Answer(created, status=201, etag=write_tag(version), location=location)


async def get_task(database: Database, user_id: str, task_id: int, *, if_none_match: str | None = None) -> Answer:
    row = await database.fetch_one(statements.SELECT_TASK, {"user_id": user_id, "task_id": task_id})
    if row is None:
        raise await _explain_absence(database, user_id, task_id)
    version, task = row
    tag = write_tag(version)
    if if_none_match is not None:
        known = find_known(if_none_match, tag)
        if known is not None:
            return Answer(None, status=304, etag=known)
    return Answer(task, etag=tag)


async def update_task(
    database: Database, user_id: str, task_id: int, body: dict[str, Any], *, if_match: str | None = None
) -> Answer:
    condition = _read_condition(if_match)
    values: dict[str, Value] = {"user_id": user_id, "task_id": task_id, "versions": condition, **body}
    statement = statements.UPDATE_TASK[frozenset(body), condition is not None]
    row = await database.fetch_one(statement, values)
    if row is None:
        raise await _explain_absence(database, user_id, task_id, is_conditional=condition is not None)
    version, task = row
    return Answer(task, etag=write_tag(version))


async def delete_task(database: Database, user_id: str, task_id: int, *, if_match: str | None = None) -> Answer:
    condition = _read_condition(if_match)
    values: dict[str, Value] = {"user_id": user_id, "task_id": task_id, "versions": condition}
    row = await database.fetch_one(statements.DELETE_TASK[condition is not None], values)
    if row is None:
        raise await _explain_absence(database, user_id, task_id, is_conditional=condition is not None)
    return Answer(None, status=204)


def _read_condition(if_match: str | None) -> list[str] | None:
    """Give the versions of which a task must have one; None if any will do."""
    return None if if_match is None else list_strong_versions(if_match)


async def _explain_absence(database: Database, user_id: str, task_id: int, *, is_conditional: bool = False) -> Problem:
    """Tell why a statement has found no task of this user's: there is none, it is another's, or has another version."""
    row = await database.fetch_one(statements.FIND_OWNER, {"task_id": task_id})
    if row is None:
        return TaskNotFound()
    if row[0] != user_id.encode():
        return NotYourTask()
    # Without a condition it has been deleted and looked for at once.
    return PreconditionFailed() if is_conditional else TaskNotFound()
