"""FastAPI and SQLModel as their tutorials show them: functions without async, a Session per request."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlmodel import Session, create_engine, select

from tests.benchmarks.contenders.sqlmodel_task import CreateTask, Task, TaskPublic, UpdateTask

engine = create_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"))
app = FastAPI()


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


def check_owner(user_id: str, credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    try:
        claims = jwt.decode(credentials.credentials, os.environ["BETTER_AUTH_SECRET"], algorithms=["HS256"])
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "Invalid token") from error
    if claims["sub"] != user_id:
        raise HTTPException(403, "Not your tasks")
    return user_id


SessionDep = Annotated[Session, Depends(get_session)]
OwnerDep = Annotated[str, Depends(check_owner)]


def find_task(session: Session, owner: str, task_id: int) -> Task:
    task = session.get(Task, task_id)
    if task is None:
        raise HTTPException(404, "Task not found")
    if task.user_id != owner:
        raise HTTPException(403, "Not your task")
    return task


@app.get("/api/{user_id}/tasks", response_model=list[TaskPublic])
def list_tasks(session: SessionDep, owner: OwnerDep) -> object:
    return session.exec(select(Task).where(Task.user_id == owner).order_by(Task.id)).all()  # type: ignore[arg-type]


@app.post("/api/{user_id}/tasks", response_model=TaskPublic, status_code=201)
def create_task(session: SessionDep, owner: OwnerDep, body: CreateTask) -> object:
    task = Task.model_validate(body, update={"user_id": owner})
    session.add(task)
    session.commit()
    session.refresh(task)
    return task


@app.get("/api/{user_id}/tasks/{task_id}", response_model=TaskPublic)
def get_task(session: SessionDep, owner: OwnerDep, task_id: int) -> object:
    return find_task(session, owner, task_id)


@app.patch("/api/{user_id}/tasks/{task_id}", response_model=TaskPublic)
def update_task(session: SessionDep, owner: OwnerDep, task_id: int, body: UpdateTask) -> object:
    task = find_task(session, owner, task_id)
    task.sqlmodel_update(body.model_dump(exclude_unset=True))
    task.updated_at = datetime.now(UTC)
    session.add(task)
    session.commit()
    session.refresh(task)
    return task


@app.delete("/api/{user_id}/tasks/{task_id}", status_code=204)
def delete_task(session: SessionDep, owner: OwnerDep, task_id: int) -> None:
    session.delete(find_task(session, owner, task_id))
    session.commit()
