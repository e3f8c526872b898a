"""Every statement finds its rows by an index, in a table that is not only its user's."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

from taskflow.database import Statement, statements
from taskflow.database.migrations import migrate
from tests.conftest import MakeDatabase

VALUES = {
    "user_id": "user_7",
    "task_id": 7,
    "after": 7,
    "title": "Buy groceries",
    "description": None,
    "is_completed": True,
    "q": "%milk%",
    "limit": 10,
    "after_id": 7,
    "name": "cursors",
    "key": "8e03978e",
    "digest": "",
    "seconds": 86_400,
    "versions": ["2026-01-05T10:30:00.000000Z"],
}
AFTER_KEYS = {"title": "Buy groceries", "created_at": "2026-01-05T10:30:00Z", "updated_at": "2026-01-05T10:30:00Z"}

STATEMENTS = [
    *(value for value in vars(statements).values() if isinstance(value, Statement)),
    *(statement for key, statement in statements.UPDATE_TASK.items() if key != (frozenset(), False)),
    *statements.DELETE_TASK.values(),
]
VERSIONS = "taskflow_list_versions_pkey"


@pytest.fixture(scope="module")
def database(make_database: MakeDatabase) -> Iterator[psycopg.Connection]:
    """A database with many tasks of many users, of whose size PostgreSQL knows."""
    url = make_database()
    migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO tasks (user_id, title) SELECT 'user_' || n % 500, n FROM generate_series(1, 50000) AS n"
        )
        connection.execute("INSERT INTO tasks (user_id, title) SELECT 'large', n FROM generate_series(1, 5000) AS n")
        connection.execute(
            "INSERT INTO taskflow_list_versions"
            " SELECT 'user_' || n, slot, 0 FROM generate_series(1, 500) AS n, generate_series(0, 7) AS slot"
        )
        connection.execute(
            "INSERT INTO taskflow_idempotency_keys"
            " SELECT 'user_' || n % 500, n, '', n, '', '', now() - '1 s'::interval * n"
            " FROM generate_series(1, 50000) AS n"
        )
        connection.execute("VACUUM ANALYZE")
        yield connection


_READ_THROUGH_OTHERS = {"CTE Scan", "Subquery Scan", "Bitmap Heap Scan"}


def read_plan(database: psycopg.Connection, statement: Statement, **others: object) -> list[dict[str, Any]]:
    """Give the nodes of the plan."""
    name = Identifier(statement.name.decode())
    database.execute(SQL("PREPARE {} AS ").format(name) + SQL(statement.text.decode()))
    values = SQL(", ").join(Literal({**VALUES, **others}[parameter]) for parameter in statement.parameters)
    row = database.execute(SQL("EXPLAIN (FORMAT JSON) EXECUTE {} ({})").format(name, values)).fetchone()
    assert row is not None
    nodes: list[dict[str, Any]] = [row[0][0]["Plan"]]
    for node in nodes:
        nodes += node.get("Plans", [])
    return nodes


def find_scans(nodes: list[dict[str, Any]]) -> list[str]:
    """Give what a plan reads: indexes, and tables where it reads them through none."""
    scans = [node for node in nodes if "Scan" in node["Node Type"] and node["Node Type"] not in _READ_THROUGH_OTHERS]
    return [node.get("Index Name", node["Node Type"]) for node in scans]


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.name.decode())
def test_a_statement_reads_by_an_index_alone(statement: Statement, database: psycopg.Connection) -> None:
    """As it is planned for any values. A list by the owner's index, which gives the order too; one task by its id."""
    database.execute("SET plan_cache_mode = force_generic_plan")
    expected = {
        b"list_tasks": [VERSIONS, "idx_tasks_user_id", "idx_tasks_user_id"],
        b"list_version": [VERSIONS],
        b"create_task": [],
        b"create_task once": ["taskflow_idempotency_keys_pkey"],
        b"delete_aged_keys": ["idx_taskflow_idempotency_keys_created_at", "taskflow_idempotency_keys_pkey"],
        b"find_key": ["Seq Scan"],  # of a table with one row
    }
    assert find_scans(read_plan(database, statement)) == expected.get(statement.name, ["tasks_pkey"])


@pytest.mark.parametrize("is_continued", [False, True])
@pytest.mark.parametrize("filters", [(), ("is_completed",), ("q",), ("is_completed", "q")])
@pytest.mark.parametrize("column", ["id", *AFTER_KEYS])
@pytest.mark.parametrize("direction", ["", "-"])
def test_a_list_query_reads_no_tasks_but_its_users(
    database: psycopg.Connection, column: str, direction: str, filters: tuple[str, ...], *, is_continued: bool
) -> None:
    """By the owner's index. In order of id that gives the order too; for another, the user's tasks are sorted."""
    statement = statements.compile_query(direction + column, filters=frozenset(filters), is_continued=is_continued)
    database.execute("SET plan_cache_mode = force_custom_plan")
    nodes = read_plan(database, statement, user_id="large", after_key=AFTER_KEYS.get(column))
    assert find_scans(nodes) == [VERSIONS, "idx_tasks_user_id"]
    sorts = [node["Sort Key"][0] for node in nodes if "Sort" in node["Node Type"]]
    assert any(f"tasks.{column}" in key for key in sorts) == (column != "id")


@pytest.mark.parametrize("filters", [(), ("is_completed",)])
@pytest.mark.parametrize(("sort", "after"), [("id", 54_900), ("-id", 50_100)])
def test_a_page_far_into_a_list_passes_over_none_before_it(
    database: psycopg.Connection, sort: str, after: int, filters: tuple[str, ...]
) -> None:
    """Or a whole list would cost the square of its length. Nearly all of the 5,000 tasks come before these pages."""
    statement = statements.compile_query(sort, filters=frozenset(filters), is_continued=True)
    first = statements.compile_query(sort, filters=frozenset(filters), is_continued=False)
    values = {"user_id": "large", "is_completed": False, "limit": 50, "after_id": after, "after_key": str(after)}
    assert count_pages(database, statement, values) <= count_pages(database, first, values) + 2


def count_pages(database: psycopg.Connection, statement: Statement, values: dict[str, object]) -> int:
    """Run a statement, and return how many pages of the database it has looked at."""
    with psycopg.RawCursor(database) as cursor:
        given = [values[name] for name in statement.parameters]
        rows = cursor.execute(b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement.text, given).fetchone()
    assert rows is not None
    plan: dict[str, int] = rows[0][0]["Plan"]
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


@pytest.mark.parametrize("is_continued", [False, True])
@pytest.mark.parametrize("filters", [(), ("is_completed",), ("q",), ("is_completed", "q")])
@pytest.mark.parametrize("column", AFTER_KEYS)
def test_an_order_reads_no_tasks_but_its_users(
    database: psycopg.Connection, column: str, filters: tuple[str, ...], *, is_continued: bool
) -> None:
    """By the owner's index; then the first of them, and the last, by their ids. None is compared with all ids."""
    statement = statements.compile_order(column, filters=frozenset(filters), is_continued=is_continued)
    assert statement.is_prepared == (not filters and not is_continued)
    # What is prepared may be planned for any user.
    mode = "force_generic_plan" if statement.is_prepared else "force_custom_plan"
    database.execute(f"SET plan_cache_mode = {mode}".encode())
    nodes = read_plan(database, statement, user_id="large", after_key=AFTER_KEYS[column])
    tables = sorted(scan for scan in find_scans(nodes) if scan != "Function Scan")
    assert tables == ["idx_tasks_user_id", VERSIONS, "tasks_pkey", "tasks_pkey"]
    joined = [node["Join Filter"] for node in nodes if "Join Filter" in node]
    assert all("cardinality" in condition for condition in joined)


@pytest.mark.parametrize("filters", [(), ("is_completed",), ("q",), ("is_completed", "q")])
def test_the_tasks_of_an_order_are_found_by_their_ids(database: psycopg.Connection, filters: tuple[str, ...]) -> None:
    """In one walk along the index; no task is compared with all ids of the page."""
    statement = statements.compile_places(filters=frozenset(filters))
    assert not statement.is_prepared
    database.execute("SET plan_cache_mode = force_custom_plan")
    nodes = read_plan(database, statement, user_id="large", ids=list(range(50_001, 52_001)), after=0)
    assert set(find_scans(nodes)) <= {"Function Scan", "idx_tasks_user_id", "tasks_pkey"}
    assert [node["Filter"] for node in nodes if "ANY" in node.get("Filter", "")] == []
    joined = [node for node in nodes if node["Node Type"] == "Nested Loop" and "Join Filter" in node]
    assert joined == []


def test_every_statement_has_a_name_of_its_own() -> None:
    """Two texts under one name would run each other's."""
    assert len({statement.name for statement in STATEMENTS}) == len(STATEMENTS) == 25
