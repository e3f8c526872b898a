"""The five operations. The contract is their documentation; each is named by its operationId."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson
from starlette.responses import Response

from taskflow import statements
from taskflow.database import Database, Row
from taskflow.errors import NotYourTask, Problem, TaskNotFound


async def list_tasks(database: Database, user_id: str) -> Response:
    rows = await database.fetch_all(statements.LIST_TASKS, {"user_id": user_id})
    return _answer([_represent_task(row) for row in rows])


async def create_task(database: Database, user_id: str, body: dict[str, Any]) -> Response:
    task = {"user_id": user_id, "title": body["title"], "description": body.get("description")}
    (row,) = await database.fetch_all(statements.INSERT_TASK, task)
    location = f"/api/{quote(user_id, safe='')}/tasks/{row['id']}"
    return _answer(_represent_task(row), status=201, headers={"Location": location})


async def get_task(database: Database, user_id: str, task_id: int) -> Response:
    row = await database.fetch_one(statements.SELECT_TASK, {"user_id": user_id, "task_id": task_id})
    if row is None:
        raise await _explain_absence(database, user_id, task_id)
    return _answer(_represent_task(row))


async def update_task(database: Database, user_id: str, task_id: int, body: dict[str, Any]) -> Response:
    if not body:
        return await get_task(database, user_id, task_id)
    statement = statements.UPDATE_TASK[frozenset(body)]
    row = await database.fetch_one(statement, {"user_id": user_id, "task_id": task_id, **body})
    if row is None:
        raise await _explain_absence(database, user_id, task_id)
    return _answer(_represent_task(row))


async def delete_task(database: Database, user_id: str, task_id: int) -> Response:
    row = await database.fetch_one(statements.DELETE_TASK, {"user_id": user_id, "task_id": task_id})
    if row is None:
        raise await _explain_absence(database, user_id, task_id)
    return Response(status_code=204)


async def _explain_absence(database: Database, user_id: str, task_id: int) -> Problem:
    """Tell a task of somebody else from no task, once a statement has found none of this user's."""
    row = await database.fetch_one(statements.FIND_OWNER, {"task_id": task_id})
    return TaskNotFound() if row is None or row["user_id"] == user_id else NotYourTask()


def _represent_task(row: Row) -> Row:
    row["created_at"] = _to_utc(row["created_at"])
    row["updated_at"] = _to_utc(row["updated_at"])
    return row


def _to_utc(moment: datetime) -> datetime:
    # psycopg gives times in the session's time zone, which a pooler or the role may have set to anything.
    return moment.astimezone(UTC)


def _answer(content: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = orjson.dumps(content, option=orjson.OPT_UTC_Z)
    return Response(body, status, headers, media_type="application/json")
