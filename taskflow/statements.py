"""The SQL of the five operations: SQLModel expressions, compiled once to the text that psycopg runs.

Every statement names the user, so that the table can be distributed by user_id. The one exception is FIND_OWNER, which
tells somebody else's task from none and is off the happy path.
"""

from collections.abc import Collection
from itertools import chain, combinations
from typing import Any, LiteralString

from sqlalchemy import ClauseElement, bindparam, func, literal_column
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlmodel import col, delete, insert, select, update

from taskflow.models import Task

_CHANGEABLE = ("title", "description", "is_completed")

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]  # SQLAlchemy has not typed it

_OWNER = col(Task.user_id) == bindparam("user_id")
_TASK = col(Task.id) == bindparam("task_id")

# A clock that stands still or is set back must not hide a change.
_NEXT_UPDATED_AT = func.greatest(
    func.clock_timestamp(), col(Task.updated_at) + literal_column("interval '1 microsecond'")
)


def _compile(statement: ClauseElement) -> LiteralString:
    # As good as a literal: made of expressions when the module loads, with a placeholder for every user's text.
    return statement.compile(dialect=_DIALECT).string


def _compile_update(columns: Collection[str]) -> LiteralString:
    values: dict[str, Any] = {column: bindparam(column) for column in columns}
    statement = update(Task).where(_TASK, _OWNER).values(updated_at=_NEXT_UPDATED_AT, **values)
    return _compile(statement.returning(Task))


LIST_TASKS = _compile(select(Task).where(_OWNER).order_by(col(Task.id)))

INSERT_TASK = _compile(
    insert(Task).values({column: bindparam(column) for column in ("user_id", "title", "description")}).returning(Task)
)

SELECT_TASK = _compile(select(Task).where(_TASK, _OWNER))

UPDATE_TASK = {
    frozenset(columns): _compile_update(columns)
    for columns in chain.from_iterable(combinations(_CHANGEABLE, size) for size in (1, 2, 3))
}
"""One statement for each set of columns that a patch can name."""

DELETE_TASK = _compile(delete(Task).where(_TASK, _OWNER).returning(col(Task.id)))

FIND_OWNER = _compile(select(col(Task.user_id)).where(_TASK))
