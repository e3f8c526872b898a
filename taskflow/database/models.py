"""The one definition of the tables, for statements, migrations and tests."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Identity, Index, SmallInteger, String, Text, false, func
from sqlmodel import Field, SQLModel


class Task(SQLModel, table=True):
    """A to-do item of one user.

    The database fills in what it can (id, is_completed, both times), so that an INSERT names only what the user gave.
    """

    __tablename__ = "tasks"
    # Serves a user's list, in order, and every look-up by owner.
    __table_args__ = (Index("idx_tasks_user_id", "user_id", "id"),)

    id: int = Field(sa_column=Column(BigInteger, Identity(), primary_key=True))
    user_id: str = Field(sa_column=Column(String(255), nullable=False))
    title: str = Field(sa_column=Column(String(200), nullable=False))
    description: str | None = Field(sa_column=Column(Text))
    is_completed: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=false()))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()))


class ListVersion(SQLModel, table=True):
    """A part of the version of a user's list, which is the sum of them all.

    Each change of a task raises one part, chosen by the task's id: with a single one, all changes of a user would wait
    for each other. No two states of a list have the same sum, since a part only grows.
    """

    __tablename__ = "taskflow_list_versions"
    __table_args__ = {"postgresql_with": {"fillfactor": "50"}}

    user_id: str = Field(sa_column=Column(String(255), primary_key=True))
    slot: int = Field(sa_column=Column(SmallInteger, primary_key=True))
    version: int = Field(sa_column=Column(BigInteger, nullable=False))


class IdempotencyKey(SQLModel, table=True):
    """A key that a client has created a task with, and what it was answered: its retries are answered the same.

    `digest` is that of the task it asked for; `version` and `answer` are the task as it was created.
    """

    __tablename__ = "taskflow_idempotency_keys"
    # Those that are old enough to go are found by their age.
    __table_args__ = (Index("idx_taskflow_idempotency_keys_created_at", "created_at"),)

    user_id: str = Field(sa_column=Column(String(255), primary_key=True))
    key: str = Field(sa_column=Column(String(255), primary_key=True))
    digest: str = Field(sa_column=Column(String(64), nullable=False))
    task_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    version: str = Field(sa_column=Column(Text, nullable=False))
    answer: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()))


class ServerKey(SQLModel, table=True):
    """A secret that all servers on the database share, made with the schema."""

    __tablename__ = "taskflow_keys"

    name: str = Field(sa_column=Column(String(64), primary_key=True))
    value: str = Field(sa_column=Column(Text, nullable=False))
