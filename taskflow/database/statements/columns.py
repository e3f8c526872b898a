"""A task as it leaves the database: the JSON that the client gets, whose members are the columns of `TASK`."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    CTE,
    ClauseElement,
    ColumnElement,
    DateTime,
    Label,
    Subquery,
    Text,
    bindparam,
    func,
    literal_column,
)
from sqlalchemy.dialects.postgresql.psycopg import PGCompiler_psycopg, PGDialect_psycopg
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.sql.elements import KeyedColumnElement
from sqlalchemy.sql.selectable import LateralFromClause
from sqlmodel import col

from taskflow.database import Statement
from taskflow.database.models import Task

_DIALECT = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # SQLAlchemy has not typed it

Columns = ReadOnlyColumnCollection[str, KeyedColumnElement[Any]]
"""Those of the table, or of a selection from it, by name."""

IS_OWNERS = col(Task.user_id) == bindparam("user_id")


def write_time(column: ColumnElement[Any]) -> Label[str]:
    """Write a time as RFC 3339 does, in UTC whatever the session's time zone is."""
    utc = func.timezone(literal_column("'UTC'"), column)
    text: Label[str] = func.to_char(utc, literal_column("""'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'""")).label(column.key)
    return text


def write_columns(columns: Iterable[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    return [write_time(column) if isinstance(column.type, DateTime) else column for column in columns]


COLUMNS = Task.metadata.tables["tasks"].columns
TASK = write_columns(COLUMNS)


def compile_statement(
    name: str, statement: ClauseElement, *, is_prepared: bool = True, is_search: bool = False
) -> Statement:
    compiled = PGCompiler_psycopg(_DIALECT, statement)
    parameters = tuple(compiled.positiontup or ())
    text = compiled.string.encode()
    return Statement(name.encode(), text, parameters, is_prepared=is_prepared, is_search=is_search)


def write_json(tasks: CTE | Subquery | LateralFromClause) -> ColumnElement[str]:
    written: ColumnElement[str] = func.row_to_json(tasks.table_valued()).cast(Text)
    return written
