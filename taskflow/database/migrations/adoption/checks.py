"""Check constraints: one that admits whatever the contract admits, such as on the length of a title, does no harm."""

import re
from collections.abc import Iterator
from math import prod
from typing import LiteralString

import psycopg
from psycopg.sql import SQL, Identifier

from taskflow.database.migrations.adoption.columns import COLUMN_TYPES
from taskflow.database.migrations.adoption.rows import MAX_ID, TITLE_CHARACTERS, USER_ID_CHARACTERS

# Version 18 has constraints that are not enforced. A check whose columns are all further ones sees only their defaults,
# and is tried with them; the column 0 stands for the whole row.
_CHECKS: LiteralString = """
    SELECT conname, pg_get_expr(conbin, conrelid), convalidated,
        (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
            WHERE attrelid = conrelid AND attnum = ANY (conkey))
    FROM pg_constraint
    WHERE conrelid = %(table)s AND contype = 'c'
        AND coalesce(to_jsonb(pg_constraint) ->> 'conenforced', 'true') = 'true'
        AND (conkey IS NULL OR conkey && (0::int2 || %(chosen)s::int2[]))
    ORDER BY conname
"""

MAX_TRIED = 100_000
"""How many combinations of values are tried; a check that needs more is not judged."""

_UTF8_BYTES = 4

_REQUIRED = "|".join(COLUMN_TYPES.keys() - {"description"})

_TRUE_OF_ALL = re.compile(rf"\b(?:{_REQUIRED}) IS NOT NULL")

# A change never sets the clock back. A row that was there before a check that is not validated may be against it.
_IN_ORDER = re.compile(r"\b(?:updated_at >= created_at|created_at <= updated_at)")

_LITERAL = re.compile(r"'(-?\d+)'::(?:smallint|integer|bigint)")

_COMPARISONS = re.compile(
    r"(?:AND|OR|NOT|ANY|ALL|ARRAY|true|false|[a-z]+_measured|-?\d{1,16}|<>|[<>]=?|=|[(),\[\]\s])+"
)


def judge_checks(connection: psycopg.Connection, values: dict[str, object]) -> Iterator[str]:
    for name, expression, is_validated, columns in connection.execute(_CHECKS, values).fetchall():
        if not _admits_all(connection, expression, is_validated=is_validated):
            on = f" on {', '.join(columns)}" if columns else ""
            yield f"its check constraint {name}{on} can refuse a task: drop it"


def _admits_all(connection: psycopg.Connection, expression: str, *, is_validated: bool) -> bool:
    """Whether a check is true of every task, if it only compares ids, lengths of texts and is_completed."""
    compared = _LITERAL.sub(r"\1", _TRUE_OF_ALL.sub("true", expression))
    if is_validated:
        compared = _IN_ORDER.sub("true", compared)
    compared, greatest = _name_measures(compared)
    if not _COMPARISONS.fullmatch(compared):
        return False
    # Between two numbers that the check names, its result does not change.
    named = {int(number) + step for number in re.findall(r"-?\d+", compared) for step in (-1, 0, 1)}
    tried = {
        measure: [number for number in {1, most, *named} if 1 <= number <= most] for measure, most in greatest.items()
    }
    if prod(map(len, tried.values())) > MAX_TRIED:
        return False
    # Nothing but comparisons is left of it.
    sources = [SQL("unnest({}::bigint[]) AS {}").format(numbers, Identifier(name)) for name, numbers in tried.items()]
    sources.append(SQL("unnest({}::boolean[]) AS done_measured").format([True, False]))
    query = SQL("SELECT bool_and({}) FROM {}").format(SQL(compared), SQL(", ").join(sources))
    row = connection.execute(query).fetchone()
    return bool(row and row[0])


def _name_measures(expression: str) -> tuple[str, dict[str, int]]:
    """Put names in the place of what is measured of a task; return the greatest number that each can have, too."""
    greatest = {"id_measured": MAX_ID}
    for column, characters in (("title", TITLE_CHARACTERS), ("user_id", USER_ID_CHARACTERS)):
        text, name = rf"(?:\({column}\)::text|\b{column}\b)", column.removesuffix("_id")
        expression = re.sub(rf"{text} <> ''::text", f"{name}length_measured <> 0", expression)
        expression = re.sub(rf"\b(?:char_|character_)?length\({text}\)", f"{name}length_measured", expression)
        expression = re.sub(rf"\boctet_length\({text}\)", f"{name}bytes_measured", expression)
        greatest |= {f"{name}length_measured": characters, f"{name}bytes_measured": characters * _UTF8_BYTES}
    expression = re.sub(r"\(id\)::(?:bigint|numeric)\b|\bid\b", "id_measured", expression)
    expression = re.sub(r"\bis_completed\b", "done_measured", expression)
    return expression, {name: most for name, most in greatest.items() if name in expression}
