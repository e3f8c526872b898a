"""Whether a table `tasks` that something else has made can keep every task that the contract admits.

PostgreSQL's catalogs say most of it. What they do not say (an index too small for a long description, a generated
column or a default that fails) is tried with rows that are rolled back.
"""

from collections.abc import Iterator

import psycopg

from taskflow.database.migrations import MigrationError
from taskflow.database.migrations.adoption.checks import judge_checks
from taskflow.database.migrations.adoption.columns import (
    CHANGING,
    COLUMN_TYPES,
    judge_column,
    judge_further_column,
    read_columns,
)
from taskflow.database.migrations.adoption.expressions import judge_expressions
from taskflow.database.migrations.adoption.ids import find_last_id, judge_id
from taskflow.database.migrations.adoption.obstacles import KINDS, OBSTACLES, REPLACED_INDEX, Obstacles
from taskflow.database.migrations.adoption.references import REFERENCES
from taskflow.database.migrations.adoption.rows import judge_rows, try_rows

__all__ = ["REPLACED_INDEX", "check_table", "find_schema", "find_table"]


def find_table(connection: psycopg.Connection) -> int | None:
    """Return the object id of the `tasks` that statements of this connection would use, if there is one."""
    row = connection.execute("SELECT to_regclass('tasks')::oid::bigint").fetchone()
    return row[0] if row else None


def find_schema(connection: psycopg.Connection, table: int) -> str:
    """Return the name of the schema that a table is in."""
    ((name,),) = connection.execute(
        "SELECT nspname::text FROM pg_namespace WHERE oid = (SELECT relnamespace FROM pg_class WHERE oid = %s)", [table]
    ).fetchall()
    return str(name)


def check_table(connection: psycopg.Connection, table: int) -> None:
    """Raise MigrationError if `tasks` cannot keep every task that the contract admits. Nothing is changed.

    Raises psycopg.Error where the role may not read it.
    """
    # Else the catalogs show names and constants in ways that are not read here.
    connection.execute("SET LOCAL quote_all_identifiers = off")
    connection.execute("SET LOCAL standard_conforming_strings = on")
    for obstacle in _find_obstacles(connection, table):
        raise MigrationError(f"The schema could not be migrated: there is a table tasks already, and {obstacle}.")


def _find_obstacles(connection: psycopg.Connection, table: int) -> Iterator[str]:
    columns = {column.name: column for column in read_columns(connection, table)}
    # What is in these columns is in those that are generated from them too.
    chosen, changing = (
        [column.number for column in columns.values() if column.name in names or column.is_generated]
        for names in (COLUMN_TYPES, CHANGING)
    )
    values = {"table": table, "chosen": chosen, "changing": changing, "index": REPLACED_INDEX, "id": 0}
    yield from _find_listed(connection, KINDS, values)
    missing = COLUMN_TYPES.keys() - columns.keys()
    if missing:
        yield f"it lacks {', '.join(sorted(missing))}"
        return
    values["id"] = columns["id"].number
    for column in columns.values():
        yield from judge_column(column) if column.name in COLUMN_TYPES else judge_further_column(column)
    yield from judge_id(connection, table, columns["id"])
    yield from _find_listed(connection, OBSTACLES + REFERENCES, values)
    yield from judge_checks(connection, values)
    yield from judge_rows(connection)
    yield from try_rows(connection, find_last_id(columns["id"]))
    yield from judge_expressions(connection, values, set(columns))


def _find_listed(connection: psycopg.Connection, obstacles: Obstacles, values: dict[str, object]) -> Iterator[str]:
    for query, sentence in obstacles:
        for row in connection.execute(query, values):
            yield sentence.format(*row)
