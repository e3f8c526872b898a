"""The SQL of the five operations: SQLModel expressions, compiled once to the text that PostgreSQL takes.

A task leaves the database as the JSON that the client gets: its members are the columns of `_TASK`.

Every statement names the user, so that the table can be distributed by user_id. The one exception is FIND_OWNER, which
tells somebody else's task from none and is off the happy path.
"""

from collections.abc import Collection
from itertools import chain, combinations
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ClauseElement,
    ColumnElement,
    DateTime,
    Label,
    Subquery,
    Text,
    bindparam,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.dialects.postgresql.psycopg import PGCompiler_psycopg, PGDialect_psycopg
from sqlmodel import col, delete, insert, update

from taskflow.database import Statement
from taskflow.models import Task

PAGE_ROWS = 2_000
"""How many tasks one statement reads at the most."""

PAGE_BYTES = 1_048_576
"""How many bytes of descriptions end a page before that; the last one that is begun is read whole."""

_CHANGEABLE = ("title", "description", "is_completed")

_DIALECT = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # SQLAlchemy has not typed it

_IS_OWNERS = col(Task.user_id) == bindparam("user_id")
_IS_THE_TASK = col(Task.id) == bindparam("task_id")

# A clock that stands still or is set back must not hide a change.
_NEXT_UPDATED_AT = func.greatest(
    func.clock_timestamp(), col(Task.updated_at) + literal_column("interval '1 microsecond'")
)


def _write_time(column: ColumnElement[Any]) -> Label[str]:
    """Write a time as RFC 3339 does, in UTC whatever the session's time zone is."""
    utc = func.timezone(literal_column("'UTC'"), column)
    text: Label[str] = func.to_char(utc, literal_column("""'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'""")).label(column.key)
    return text


_TASK: list[ColumnElement[Any]] = [
    _write_time(column) if isinstance(column.type, DateTime) else column
    for column in Task.metadata.tables["tasks"].columns
]


def _compile(name: str, statement: ClauseElement) -> Statement:
    compiled = PGCompiler_psycopg(_DIALECT, statement)
    return Statement(name.encode(), compiled.string.encode(), tuple(compiled.positiontup or ()))


def _write_json(tasks: CTE | Subquery) -> ColumnElement[str]:
    written: ColumnElement[str] = func.row_to_json(tasks.table_valued()).cast(Text)
    return written


def _compile_page() -> Statement:
    """Read the tasks after an id: how many they are, the id of the last one, and their JSON with commas between."""
    comes_after = col(Task.id) > bindparam("after", type_=BigInteger)
    # Found by walking the index alone. A bare LIMIT would let PostgreSQL, which takes every user for an average one,
    # fetch and sort all that is left for each page of a long list.
    last = select(col(Task.id)).where(_IS_OWNERS, comes_after).order_by(col(Task.id))
    last = last.offset(literal_column(str(PAGE_ROWS - 1))).limit(literal_column("1"))
    is_in_page = col(Task.id) <= func.coalesce(last.correlate(None).scalar_subquery(), literal_column(str(2**63 - 1)))
    size = func.coalesce(func.octet_length(col(Task.description)), literal_column("0"))
    before = func.sum(size).over(order_by=col(Task.id), rows=(None, 0)) - size
    page = select(*_TASK, before.label("before")).where(_IS_OWNERS, comes_after, is_in_page).subquery("page")
    columns = [page.c[column.key] for column in _TASK if column.key]
    task = select(*columns).where(page.c.before < literal_column(str(PAGE_BYTES))).subquery("task")
    listed = func.string_agg(_write_json(task), aggregate_order_by(literal_column("','"), task.c.id))
    return _compile("list_tasks", select(func.count(), func.max(task.c.id), listed).select_from(task))


def _compile_update(columns: Collection[str]) -> Statement:
    values: dict[str, Any] = {column: bindparam(column) for column in columns}
    changed = update(Task).where(_IS_THE_TASK, _IS_OWNERS).values(updated_at=_NEXT_UPDATED_AT, **values)
    task = changed.returning(*_TASK).cte("task")
    return _compile(f"update_task {' '.join(sorted(columns))}", select(_write_json(task)))


LIST_TASKS = _compile_page()

_NEW: dict[str, Any] = {column: bindparam(column) for column in ("user_id", "title", "description")}
_INSERTED = insert(Task).values(_NEW).returning(*_TASK).cte("task")
INSERT_TASK = _compile("create_task", select(_INSERTED.c.id, _write_json(_INSERTED)))

_SELECTED = select(*_TASK).where(_IS_THE_TASK, _IS_OWNERS).subquery("task")
SELECT_TASK = _compile("get_task", select(_write_json(_SELECTED)))

UPDATE_TASK = {
    frozenset(columns): _compile_update(columns)
    for columns in chain.from_iterable(combinations(_CHANGEABLE, size) for size in (1, 2, 3))
}
"""One statement for each set of columns that a patch can name."""

DELETE_TASK = _compile("delete_task", delete(Task).where(_IS_THE_TASK, _IS_OWNERS).returning(col(Task.id)))

FIND_OWNER = _compile("find_owner", select(col(Task.user_id)).where(_IS_THE_TASK))
