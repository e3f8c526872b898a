"""FastAPI and SQLModel with AsyncSession and a pool of fixed size."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.benchmarks.contenders.sqlmodel_task import CreateTask, Task, TaskPublic, UpdateTask

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"), pool_size=10, max_overflow=0
)
app = FastAPI()


async def get_session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine, expire_on_commit=False) as session:
        yield session


async def check_owner(user_id: str, credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    try:
        claims = jwt.decode(credentials.credentials, os.environ["BETTER_AUTH_SECRET"], algorithms=["HS256"])
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "Invalid token") from error
    if claims["sub"] != user_id:
        raise HTTPException(403, "Not your tasks")
    return user_id


SessionDep = Annotated[AsyncSession, Depends(get_session)]
OwnerDep = Annotated[str, Depends(check_owner)]


async def find_task(session: AsyncSession, owner: str, task_id: int) -> Task:
    task = await session.get(Task, task_id)
    if task is None:
        raise HTTPException(404, "Task not found")
    if task.user_id != owner:
        raise HTTPException(403, "Not your task")
    return task


@app.get("/api/{user_id}/tasks", response_model=list[TaskPublic])
async def list_tasks(session: SessionDep, owner: OwnerDep) -> object:
    return (await session.exec(select(Task).where(Task.user_id == owner).order_by(Task.id))).all()  # type: ignore[arg-type]


@app.post("/api/{user_id}/tasks", response_model=TaskPublic, status_code=201)
async def create_task(session: SessionDep, owner: OwnerDep, body: CreateTask) -> object:
    task = Task.model_validate(body, update={"user_id": owner})
    session.add(task)
    await session.commit()
    return task


@app.get("/api/{user_id}/tasks/{task_id}", response_model=TaskPublic)
async def get_task(session: SessionDep, owner: OwnerDep, task_id: int) -> object:
    return await find_task(session, owner, task_id)


@app.patch("/api/{user_id}/tasks/{task_id}", response_model=TaskPublic)
async def update_task(session: SessionDep, owner: OwnerDep, task_id: int, body: UpdateTask) -> object:
    task = await find_task(session, owner, task_id)
    task.sqlmodel_update(body.model_dump(exclude_unset=True))
    task.updated_at = datetime.now(UTC)
    session.add(task)
    await session.commit()
    return task


@app.delete("/api/{user_id}/tasks/{task_id}", status_code=204)
async def delete_task(session: SessionDep, owner: OwnerDep, task_id: int) -> None:
    await session.delete(await find_task(session, owner, task_id))
    await session.commit()
