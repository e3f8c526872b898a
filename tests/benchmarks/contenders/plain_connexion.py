"""Connexion's AsyncApp as its manual shows it, on the same contract, with SQLModel's AsyncSession."""

import os
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import jwt
import yaml
from connexion import AsyncApp
from connexion.exceptions import Forbidden, OAuthProblem
from connexion.resolver import Resolver
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import Response

from tests.benchmarks.contenders.sqlmodel_task import Task
from tests.support.contract import CONTRACT

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"), pool_size=10, max_overflow=0
)
Answer = tuple[Any, int]


def check_token(token: str) -> dict[str, Any]:
    with suppress(jwt.InvalidTokenError):
        claims: dict[str, Any] = jwt.decode(token, os.environ["BETTER_AUTH_SECRET"], algorithms=["HS256"])
        return claims
    raise OAuthProblem(detail="Invalid token")


def check_owner(user_id: str, user: str) -> None:
    if user_id != user:
        raise Forbidden


async def find_task(session: AsyncSession, owner: str, task_id: int) -> Task | None:
    task = await session.get(Task, task_id)
    if task is not None and task.user_id != owner:
        raise Forbidden
    return task


async def list_tasks(user_id: str, user: str) -> Answer:
    check_owner(user_id, user)
    async with AsyncSession(engine) as session:
        found = await session.exec(select(Task).where(Task.user_id == user_id).order_by(Task.id))  # type: ignore[arg-type]
        return [task.model_dump(mode="json") for task in found], 200


async def create_task(user_id: str, user: str, body: dict[str, Any]) -> Answer:
    check_owner(user_id, user)
    async with AsyncSession(engine, expire_on_commit=False) as session:
        task = Task(user_id=user_id, **body)
        session.add(task)
        await session.commit()
        return task.model_dump(mode="json"), 201


async def get_task(user_id: str, task_id: int, user: str) -> Answer:
    check_owner(user_id, user)
    async with AsyncSession(engine) as session:
        task = await find_task(session, user_id, task_id)
        return ({"detail": "Task not found"}, 404) if task is None else (task.model_dump(mode="json"), 200)


async def update_task(user_id: str, task_id: int, user: str, body: dict[str, Any]) -> Answer:
    check_owner(user_id, user)
    async with AsyncSession(engine, expire_on_commit=False) as session:
        task = await find_task(session, user_id, task_id)
        if task is None:
            return {"detail": "Task not found"}, 404
        task.sqlmodel_update(body)
        task.updated_at = datetime.now(UTC)
        session.add(task)
        await session.commit()
        return task.model_dump(mode="json"), 200


async def delete_task(user_id: str, task_id: int, user: str) -> Answer | Response:
    check_owner(user_id, user)
    async with AsyncSession(engine) as session:
        task = await find_task(session, user_id, task_id)
        if task is None:
            return {"detail": "Task not found"}, 404
        await session.delete(task)
        await session.commit()
        return Response(status_code=204)


HANDLERS = {
    "listTasks": list_tasks,
    "createTask": create_task,
    "getTask": get_task,
    "updateTask": update_task,
    "deleteTask": delete_task,
}


def read_contract() -> dict[str, Any]:
    """The operations on tasks, with the one change that Connexion asks of its users, and JSON as the one answer.

    Of several media types in one operation's answers it cannot choose by itself.
    """
    document: dict[str, Any] = deepcopy(yaml.safe_load(CONTRACT.read_text()))
    document["paths"] = {path: item for path, item in document["paths"].items() if path.startswith("/api/")}
    scheme = document["components"]["securitySchemes"]["bearerAuth"]
    scheme["x-bearerInfoFunc"] = f"{__name__}.check_token"
    for response in document["components"]["responses"].values():
        response["content"] = {"application/json": {}}
    return document


app = AsyncApp(__name__)
app.add_api(read_contract(), resolver=Resolver(HANDLERS.__getitem__))
