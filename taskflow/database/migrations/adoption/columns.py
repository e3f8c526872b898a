"""The columns of a table: whether they keep every value that the contract admits."""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from taskflow.database.migrations.adoption.rows import TITLE_CHARACTERS, USER_ID_CHARACTERS

MICROSECOND_DIGITS = 6

_TEXT = frozenset({"text", "character varying"})

COLUMN_TYPES = {
    "id": frozenset({"integer", "bigint"}),
    "user_id": _TEXT,
    "title": _TEXT,
    "description": _TEXT,
    "is_completed": frozenset({"boolean"}),
    "created_at": frozenset({"timestamp with time zone"}),
    "updated_at": frozenset({"timestamp with time zone"}),
}
"""The columns of the specification, and the types that keep every value.

Any other type changes or refuses some: citext makes two users one, char(n) drops blanks, json refuses most titles, and
a domain may refuse anything.
"""

TEXTS = frozenset({"user_id", "title", "description"})
"""The columns whose texts a client chooses."""

CHANGING = frozenset({"title", "description", "is_completed", "updated_at"})
"""The columns that a change of a task writes."""


@dataclass(frozen=True)
class Column:
    """A column as the catalogs describe it.

    `type` comes without its length or precision, which `modifier` holds (-1: none). `collation` is the name of a
    nondeterministic one.
    """

    number: int
    name: str
    type: str
    modifier: int
    full_type: str
    is_required: bool
    is_generated: bool
    is_identity: bool
    default: str | None
    collation: str | None


def read_columns(connection: psycopg.Connection, table: int) -> list[Column]:
    cursor = connection.cursor(row_factory=class_row(Column))
    return cursor.execute(
        """
        SELECT a.attnum AS number, a.attname::text AS name, format_type(a.atttypid, NULL) AS type,
            a.atttypmod AS modifier, format_type(a.atttypid, a.atttypmod) AS full_type, a.attnotnull AS is_required,
            a.attgenerated <> '' AS is_generated, a.attidentity <> '' AS is_identity,
            coalesce(pg_get_expr(d.adbin, d.adrelid), t.typdefault) AS "default", c.collname::text AS collation
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
            LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            LEFT JOIN pg_collation c ON c.oid = a.attcollation AND NOT c.collisdeterministic
        WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
        """,
        [table],
    ).fetchall()


def judge_column(column: Column) -> Iterator[str]:
    name = column.name
    if column.is_generated:
        yield f"its {name} is generated: make it an ordinary column"
    elif column.type not in COLUMN_TYPES[name]:
        if name in {"created_at", "updated_at"}:
            yield f"its {name} is not a timestamp with time zone"
        elif name == "id" and column.type != "smallint":
            yield "its id is not a number that the database gives"
        else:
            yield _refuse_type(column)
    elif _is_too_short(column):
        yield _refuse_type(column)
    elif name == "description" and column.is_required:
        yield "its description is NOT NULL, but a task may have none: drop the NOT NULL"
    elif column.collation is not None:
        yield (
            f"its {name} has the nondeterministic collation {column.collation}, for which different texts can be equal:"
            " use a deterministic one"
        )


def _refuse_type(column: Column) -> str:
    wanted = {"id": "bigint", "is_completed": "boolean"}.get(column.name)
    wanted = wanted or ("timestamp with time zone" if column.name.endswith("_at") else "text")
    return (
        f"its {column.name} is of the type {column.full_type}, which cannot keep every value that the contract admits:"
        f" change it to {wanted}"
    )


def _is_too_short(column: Column) -> bool:
    """Whether the length of a varchar, or the precision of a time, loses what the contract admits."""
    if column.modifier == -1:
        return False
    if column.type == "character varying":
        # A modifier counts 4 more than the characters.
        least = {"user_id": USER_ID_CHARACTERS, "title": TITLE_CHARACTERS}.get(column.name)
        return least is None or column.modifier - 4 < least
    return column.type == "timestamp with time zone" and column.modifier < MICROSECOND_DIGITS


def judge_further_column(column: Column) -> Iterator[str]:
    is_filled = column.is_generated or column.is_identity or column.default is not None
    if column.is_required and not is_filled:
        yield f"its further column {column.name} is NOT NULL and has no default: give it one"
