"""Every statement finds its rows by an index, in a table that is not only its user's."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

from taskflow import statements
from taskflow.database import Statement
from taskflow.migrations import migrate
from tests.conftest import MakeDatabase

VALUES = {
    "user_id": "user_7",
    "task_id": 7,
    "after": 7,
    "title": "Buy groceries",
    "description": None,
    "is_completed": True,
}

STATEMENTS = [
    *(value for value in vars(statements).values() if isinstance(value, Statement)),
    *statements.UPDATE_TASK.values(),
]


@pytest.fixture(scope="module")
def database(make_database: MakeDatabase) -> Iterator[psycopg.Connection]:
    """A database with many tasks of many users, of whose size PostgreSQL knows."""
    url = make_database()
    migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO tasks (user_id, title) SELECT 'user_' || n % 500, n FROM generate_series(1, 50000) AS n"
        )
        connection.execute("VACUUM ANALYZE tasks")
        connection.execute("SET plan_cache_mode = force_generic_plan")
        yield connection


_READ_THROUGH_OTHERS = {"CTE Scan", "Subquery Scan", "Bitmap Heap Scan"}


def read_scans(database: psycopg.Connection, statement: Statement) -> list[str]:
    """Give what the plan reads: indexes, and tables where it reads them through none."""
    name = Identifier(statement.name.decode())
    database.execute(SQL("PREPARE {} AS ").format(name) + SQL(statement.text.decode()))
    values = SQL(", ").join(Literal(VALUES[parameter]) for parameter in statement.parameters)
    row = database.execute(SQL("EXPLAIN (FORMAT JSON) EXECUTE {} ({})").format(name, values)).fetchone()
    assert row is not None
    nodes: list[dict[str, Any]] = [row[0][0]["Plan"]]
    for node in nodes:
        nodes += node.get("Plans", [])
    scans = [node for node in nodes if "Scan" in node["Node Type"] and node["Node Type"] not in _READ_THROUGH_OTHERS]
    return [node.get("Index Name", node["Node Type"]) for node in scans]


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name.decode())
def test_a_statement_reads_by_an_index_alone(statement: Statement, database: psycopg.Connection) -> None:
    """A list by the owner's index, which gives the order too; one task by its id."""
    expected = {b"list_tasks": ["idx_tasks_user_id", "idx_tasks_user_id"], b"create_task": []}
    assert read_scans(database, statement) == expected.get(statement.name, ["tasks_pkey"])


def test_every_statement_has_a_name_of_its_own() -> None:
    """Two texts under one name would run each other's."""
    assert len({statement.name for statement in STATEMENTS}) == len(STATEMENTS) == 12
