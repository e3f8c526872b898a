"""Check constraints: one that admits whatever the contract admits, such as on the length of a title, does no harm."""

import re
from collections.abc import Iterator
from typing import LiteralString

import psycopg
from psycopg.sql import SQL

from taskflow.database.migrations.adoption.rows import MAX_ID, TITLE_CHARACTERS, USER_ID_CHARACTERS

_GREATEST = {"id": MAX_ID, "user_id": USER_ID_CHARACTERS, "title": TITLE_CHARACTERS}
"""The columns whose checks can be judged: by each id from 1 on, or each length."""

# Version 18 has constraints that are not enforced. A check whose columns are all further ones sees only their defaults,
# and is tried with them; the column 0 stands for the whole row.
_CHECKS: LiteralString = """
    SELECT conname, pg_get_expr(conbin, conrelid),
        (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
            WHERE attrelid = conrelid AND attnum = ANY (conkey))
    FROM pg_constraint
    WHERE conrelid = %(table)s AND contype = 'c'
        AND coalesce(to_jsonb(pg_constraint) ->> 'conenforced', 'true') = 'true'
        AND (conkey IS NULL OR conkey && (0::int2 || %(chosen)s::int2[]))
    ORDER BY conname
"""

_COMPARISONS = re.compile(r"(?:AND|OR|NOT|true|n|\d{1,16}|<>|[<>]=?|=|[()\s])+")


def judge_checks(connection: psycopg.Connection, values: dict[str, object]) -> Iterator[str]:
    for name, expression, columns in connection.execute(_CHECKS, values).fetchall():
        if columns is None or len(columns) > 1 or not _admits_all(connection, columns[0], expression):
            on = f" on {', '.join(columns)}" if columns else ""
            yield f"its check constraint {name}{on} can refuse a task: drop it"


def _admits_all(connection: psycopg.Connection, column: str, expression: str) -> bool:
    """Whether a check that compares nothing but an id, or the length of a text, with numbers is true of all of them."""
    greatest = _GREATEST.get(column)
    if greatest is None:
        return False
    text = rf"\(?{column}\)?(?:::text)?"
    compared = re.sub(rf"\b{column} IS NOT NULL", "true", expression)
    if column == "id":
        compared = re.sub(r"\bid\b", "n", compared)
    else:
        compared = re.sub(rf"\b(?:char_|character_)?length\({text}\)", "n", compared)
        compared = re.sub(rf"{text} <> ''::text", "n <> 0", compared)
    if not _COMPARISONS.fullmatch(compared):
        return False
    # Between two numbers that it names, its result does not change.
    named = {int(number) + step for number in re.findall(r"\d+", compared) for step in (-1, 0, 1)}
    tried = [number for number in {1, greatest, *named} if 1 <= number <= greatest]
    # Nothing but comparisons is left of it.
    query = SQL("SELECT bool_and({}) FROM unnest(%s::bigint[]) AS n").format(SQL(compared))
    row = connection.execute(query, [tried]).fetchone()
    return bool(row and row[0])
