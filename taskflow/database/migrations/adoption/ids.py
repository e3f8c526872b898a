"""The ids of new tasks: the database must give each task one of its own, which the contract admits."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row
from psycopg.sql import SQL, Identifier

from taskflow.database.migrations.adoption.columns import Column
from taskflow.database.migrations.adoption.rows import MAX_ID

MAX_INTEGER = 2_147_483_647
"""Where SERIAL ends, which the specification's own SQL uses."""

_NEXT_VALUE = re.compile(r"nextval\('(?:[^']|'')+'::regclass\)")


@dataclass(frozen=True)
class _Sequence:
    name: str
    schema: str
    increment: int
    maximum: int
    cycles: bool


def find_last_id(column: Column) -> int:
    """Return the greatest id that the column holds and the contract admits."""
    return MAX_ID if column.type == "bigint" else MAX_INTEGER


def judge_id(connection: psycopg.Connection, table: int, column: Column) -> Iterator[str]:
    """Yield what keeps the database from giving each new task an id of its own that the contract admits."""
    sequence = _find_sequence(connection, table, column)
    if sequence is None:
        yield "its id is not a number that the database gives"
        return
    greatest = min(sequence.maximum, find_last_id(column))
    if sequence.increment < 1 or sequence.cycles or sequence.maximum < MAX_INTEGER:
        yield (
            f"its id comes from the sequence {sequence.name}, which does not count up to {MAX_INTEGER} at least, or"
            " begins anew: alter it with INCREMENT 1 NO MAXVALUE NO CYCLE"
        )
    counter = SQL("SELECT last_value, is_called FROM {}").format(Identifier(sequence.schema, sequence.name))
    ((last, is_called),) = connection.execute(counter).fetchall()
    following = last + sequence.increment if is_called else last
    ((newest,),) = connection.execute("SELECT max(id) FROM tasks").fetchall()
    if not 1 <= following <= greatest:
        yield (
            f"the next id of its sequence {sequence.name} would be {following}, not a number from 1 to {greatest}:"
            " set the sequence"
        )
    if newest is not None and newest >= following:
        yield (
            f"the next id of its sequence {sequence.name} would be {following}, but there is a task {newest}:"
            " set the sequence beyond it"
        )


def _find_sequence(connection: psycopg.Connection, table: int, column: Column) -> _Sequence | None:
    """Return the sequence of an identity column, or of a default that is its next value and nothing else."""
    if not column.is_identity and not _NEXT_VALUE.fullmatch(column.default or ""):
        return None
    cursor = connection.cursor(row_factory=class_row(_Sequence))
    return cursor.execute(
        """
        SELECT c.relname::text AS name, n.nspname::text AS schema, s.seqincrement AS increment, s.seqmax AS maximum,
            s.seqcycle AS cycles
        FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE s.seqrelid IN (
            SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass
                AND refobjid = %(table)s AND refobjsubid = %(column)s AND deptype = 'i'
            UNION ALL
            SELECT refobjid FROM pg_depend WHERE classid = 'pg_attrdef'::regclass AND refclassid = 'pg_class'::regclass
                AND objid = (SELECT oid FROM pg_attrdef WHERE adrelid = %(table)s AND adnum = %(column)s)
        )
        """,
        {"table": table, "column": column.number},
    ).fetchone()
