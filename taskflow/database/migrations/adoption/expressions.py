"""Expressions over what a client writes, in generated columns and indexes: whether they can fail for some texts.

Which texts those would be cannot be tried. So only what has a result for every text is admitted.
"""

import re
from collections.abc import Iterator
from typing import LiteralString

import psycopg

from taskflow.database.migrations.adoption.columns import TEXTS

# Functions that PostgreSQL itself does not bring are objects that something depends on; its own are not.
_EXPRESSIONS: LiteralString = """
    SELECT 'generated column', attname::text, pg_get_expr(adbin, adrelid), attnotnull OR atttypmod <> -1, EXISTS (
            SELECT FROM pg_depend
            WHERE refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass) AND (
                classid = 'pg_attrdef'::regclass AND objid = d.oid
                -- Before version 15 it is the column that depends on others.
                OR classid = 'pg_class'::regclass AND objid = adrelid AND objsubid = adnum
            )
        )
    FROM pg_attrdef AS d JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
    WHERE adrelid = %(table)s AND attgenerated <> ''
    UNION ALL
    SELECT 'index', relname::text,
        concat_ws(' AND ', pg_get_expr(indexprs, indrelid), pg_get_expr(indpred, indrelid)), false, EXISTS (
            SELECT FROM pg_depend
            WHERE classid = 'pg_class'::regclass AND objid = indexrelid
                AND refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass)
        )
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = %(table)s AND (indexprs IS NOT NULL OR indpred IS NOT NULL) AND relname <> %(index)s
    ORDER BY 1, 2
"""

# PostgreSQL writes keywords and some functions in capitals.
_FUNCTION = re.compile(
    "lower|upper|initcap|length|char_length|character_length|octet_length|bit_length|btrim|ltrim|rtrim|left|right|reverse"
    "|md5|ascii|starts_with|strpos|hashtext|hashtextextended|to_tsvector|setweight|coalesce|nullif|greatest|least|trim"
    "|position|extract",
    re.IGNORECASE,
)

_WORD = re.compile(
    "and|or|not|is|null|true|false|case|when|then|else|end|distinct|from|any|array|both|leading|trailing|in"
    "|year|month|day|hour",
    re.IGNORECASE,
)

_PARTS = re.compile(
    r"""
    !?~~?\*?\ '(?:[^'\\]|'')*'                        # a pattern; one that a client chose may be none
    | '(?:[^'\\]|'')*'(?:::"char")?                   # a constant; a backslash may be the end of a pattern
    | ::(?:text|character\ varying|regconfig|date|timestamp\ with(?:out)?\ time\ zone)(?:\[\])?(?![\w"])
    | \b(?:date_trunc|timezone)\('\w+'::text,
    | \bAT\ TIME\ ZONE\ '\w+'::text
    | is_completed\)?::integer
    | \(\d+\)::bigint
    | (?P<name>"(?:[^"]|"")*"|[A-Za-z_][A-Za-z0-9_$]*)
    | \d{1,9}(?!\d)
    | <>|[<>]=?|=|\|\||[-+,()\[\]\s]                  # nothing that divides; lengths do not overflow
    """,
    re.VERBOSE,
)


_CONSTANT = re.compile(r"'(?:[^']|'')*'")

_MAY_BE_NULL = re.compile(r"\b(?:nullif|case)\b", re.IGNORECASE)
"""What a column cannot have that is NOT NULL, or shorter than what it is made from: the trial knows too few texts."""


def judge_expressions(connection: psycopg.Connection, values: dict[str, object], columns: set[str]) -> Iterator[str]:
    texts = set(TEXTS)
    # Generated columns come first: what is made from a text is one, too.
    for kind, name, text, is_bounded, uses_more in connection.execute(_EXPRESSIONS, values).fetchall():
        if texts.isdisjoint(_list_names(text)):
            continue
        if kind == "generated column":
            texts.add(name)
        is_safe = _has_always_a_result(text, columns) and not (is_bounded and _MAY_BE_NULL.search(text))
        if uses_more or not is_safe:
            yield f"its {kind} {name} computes what can fail for some texts: drop it"


def _list_names(expression: str) -> set[str]:
    names = re.findall(r'"(?:[^"]|"")*"|[A-Za-z_][A-Za-z0-9_$]*', _CONSTANT.sub("", expression))
    return {name.strip('"').replace('""', '"') for name in names}


def _has_always_a_result(expression: str, columns: set[str]) -> bool:
    if "hashtext" in expression and re.search(r" [-+] ", expression):
        return False  # a hash may be any integer
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
