"""Expressions over what a client writes, in generated columns and indexes: whether they can fail for some texts.

Which texts those would be cannot be tried. So only what has a result for every text is admitted.
"""

import re
from collections.abc import Iterator
from typing import LiteralString

import psycopg

# Functions that PostgreSQL itself does not bring are objects that something depends on; its own are not.
_EXPRESSIONS: LiteralString = """
    WITH expression AS (
        SELECT 'generated column' AS kind, attname::text AS name, pg_get_expr(adbin, adrelid) AS text,
            'pg_attrdef'::regclass AS class, d.oid AS object
        FROM pg_attrdef AS d JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
        WHERE adrelid = %(table)s AND attgenerated <> ''
        UNION ALL
        SELECT 'index', relname::text,
            concat_ws(' AND ', pg_get_expr(indexprs, indrelid), pg_get_expr(indpred, indrelid)),
            'pg_class'::regclass, indexrelid
        FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE indrelid = %(table)s AND (indexprs IS NOT NULL OR indpred IS NOT NULL) AND relname <> %(index)s
    )
    SELECT kind, name, text, EXISTS (
            SELECT FROM pg_depend WHERE classid = class AND objid = object
                AND refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass)
        )
    FROM expression
    WHERE EXISTS (
        SELECT FROM pg_depend
        WHERE classid = class AND objid = object AND refclassid = 'pg_class'::regclass AND refobjid = %(table)s
            AND refobjsubid = ANY (%(texts)s::int2[])
    )
    ORDER BY name
"""

# PostgreSQL writes keywords and some functions in capitals.
_FUNCTION = re.compile(
    "lower|upper|initcap|length|char_length|character_length|octet_length|bit_length|btrim|ltrim|rtrim|left|right|reverse"
    "|md5|ascii|starts_with|strpos|hashtext|hashtextextended|to_tsvector|setweight|coalesce|nullif|greatest|least|trim"
    "|position|date_trunc|timezone|extract",
    re.IGNORECASE,
)

_WORD = re.compile(
    "and|or|not|is|null|true|false|case|when|then|else|end|distinct|from|any|array|both|leading|trailing|in"
    "|at|time|zone|year|month|day|hour",
    re.IGNORECASE,
)

_PARTS = re.compile(
    r"""
    !?~~?\*?\ '(?:[^'\\]|'')*'                        # a pattern; one that a client chose may be none
    | '(?:[^'\\]|'')*'(?:::"char")?                   # a constant; a backslash may be the end of a pattern
    | ::(?:text|character\ varying|regconfig|date|timestamp\ with(?:out)?\ time\ zone)(?:\[\])?(?![\w"])
    | is_completed\)?::integer
    | \(\d+\)::bigint
    | (?P<name>"(?:[^"]|"")*"|[A-Za-z_][A-Za-z0-9_$]*)
    | \d+
    | <>|[<>]=?|=|\|\||[-+,()\[\]\s]                  # nothing that divides, and nothing that overflows
    """,
    re.VERBOSE,
)


def judge_expressions(connection: psycopg.Connection, values: dict[str, object], columns: set[str]) -> Iterator[str]:
    for kind, name, text, uses_more in connection.execute(_EXPRESSIONS, values).fetchall():
        if uses_more or not _has_always_a_result(text, columns):
            yield f"its {kind} {name} computes what can fail for some texts: drop it"


def _has_always_a_result(expression: str, columns: set[str]) -> bool:
    parts = list(_PARTS.finditer(expression))
    is_known_throughout = "".join(part[0] for part in parts) == expression
    return is_known_throughout and all(
        _is_known(part["name"], columns, is_called=expression.startswith("(", part.end()))
        for part in parts
        if part["name"] is not None
    )


def _is_known(name: str, columns: set[str], *, is_called: bool) -> bool:
    if is_called and _FUNCTION.fullmatch(name.strip('"')):
        return True
    return bool(_WORD.fullmatch(name)) or name.strip('"').replace('""', '"') in columns
