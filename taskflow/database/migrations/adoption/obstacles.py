"""What can keep a table from holding every task, by PostgreSQL's catalogs: queries, and sentences for what they find.

A query takes `table` (its object id), `chosen` (the numbers of the columns whose values clients choose), `id` (the
number of that column) and `index` (the name of the index that is replaced). Each row that it returns is an obstacle.
"""

from typing import LiteralString

REPLACED_INDEX = "idx_tasks_user_id"
"""The specification's index, which the adoption replaces by one that has the id too."""

Obstacles = tuple[tuple[LiteralString, str], ...]

_KIND: LiteralString = """
    SELECT CASE
        WHEN relkind = 'v' THEN 'a view'
        WHEN relkind = 'm' THEN 'a materialized view'
        WHEN relkind = 'f' THEN 'a foreign table'
        WHEN relkind = 'p' THEN 'a partitioned table'
        WHEN relkind <> 'r' THEN 'another kind of object'
        WHEN relispartition THEN 'a partition of another table'
        WHEN relpersistence = 'u' THEN 'an unlogged table, which is empty after a crash'
        WHEN relpersistence = 't' THEN 'a temporary table'
        ELSE 'the parent of other tables'
    END
    FROM pg_class
    WHERE oid = %(table)s AND (
        relkind <> 'r' OR relispartition OR relpersistence <> 'p'
        OR EXISTS (SELECT FROM pg_inherits WHERE inhparent = %(table)s)
    )
"""

_RULES: LiteralString = """
    SELECT rulename FROM pg_rewrite WHERE ev_class = %(table)s AND ev_enabled IN ('O', 'A') ORDER BY 1
"""

_TRIGGERS: LiteralString = """
    SELECT tgname FROM pg_trigger WHERE tgrelid = %(table)s AND NOT tgisinternal AND tgenabled IN ('O', 'A') ORDER BY 1
"""

_ROW_SECURITY: LiteralString = "SELECT relname FROM pg_class WHERE oid = %(table)s AND relrowsecurity"

_UNIQUE_ID: LiteralString = """
    SELECT 1 WHERE NOT EXISTS (
        SELECT FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE indrelid = %(table)s AND indisunique AND indisvalid AND NOT indisexclusion
            AND indnkeyatts = 1 AND indkey[0] = %(id)s AND indpred IS NULL
            AND (relname <> %(index)s OR EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid))
    )
"""

# Version 18 has constraints that are not enforced. One on further columns alone is tried with their defaults.
_FOREIGN_KEYS: LiteralString = """
    SELECT conname, (
        SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = conrelid AND attnum = ANY (conkey)
    )
    FROM pg_constraint
    WHERE conrelid = %(table)s AND contype = 'f' AND conkey && %(chosen)s::int2[]
        AND coalesce(to_jsonb(pg_constraint) ->> 'conenforced', 'true') = 'true'
    ORDER BY conname
"""

# With the id among its columns it refuses nothing. One on further columns alone is tried with their defaults. The
# columns of expressions and predicates are those that the index depends on.
_UNIQUENESS: LiteralString = """
    WITH unique_index AS (
        SELECT indexrelid, indisexclusion, (indkey::int2[])[0:indnkeyatts - 1] AS keys
        FROM pg_index WHERE indrelid = %(table)s AND (indisunique OR indisexclusion)
    ), used AS (
        SELECT indexrelid, array_agg(attnum) AS columns, string_agg(attname, ', ' ORDER BY attnum) AS names
        FROM unique_index JOIN pg_attribute ON attrelid = %(table)s AND attnum > 0 AND (
            attnum = ANY (keys) OR EXISTS (
                SELECT FROM pg_depend
                WHERE classid = 'pg_class'::regclass AND objid = indexrelid
                    AND refclassid = 'pg_class'::regclass AND refobjid = %(table)s AND refobjsubid = attnum
            )
        )
        GROUP BY indexrelid
    )
    SELECT CASE
            WHEN indisexclusion THEN 'exclusion constraint'
            WHEN EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))
                THEN 'unique constraint'
            ELSE 'unique index'
        END, relname, names
    FROM unique_index JOIN used USING (indexrelid) JOIN pg_class ON pg_class.oid = indexrelid
    WHERE columns && %(chosen)s::int2[] AND (indisexclusion OR NOT %(id)s = ANY (keys))
    ORDER BY relname
"""

_INDEX_NAME: LiteralString = """
    SELECT %(index)s::text FROM pg_class AS found JOIN pg_class AS tasks USING (relnamespace)
    WHERE tasks.oid = %(table)s AND found.relname = %(index)s AND NOT EXISTS (
        SELECT FROM pg_index WHERE indexrelid = found.oid AND indrelid = %(table)s
            AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
    )
"""

_REPLICA_IDENTITY: LiteralString = """
    SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = %(table)s AND indisreplident AND relname = %(index)s
"""

# Beyond the numbers that a SERIAL has, as for ids. What comes from a sequence must also fit its column.
_ENDING_SEQUENCES: LiteralString = """
    WITH used AS (
        SELECT adnum AS number, refobjid AS sequence
        FROM pg_attrdef JOIN pg_depend ON classid = 'pg_attrdef'::regclass AND objid = pg_attrdef.oid
        WHERE adrelid = %(table)s AND refclassid = 'pg_class'::regclass
        UNION
        SELECT refobjsubid, objid FROM pg_depend
        WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND refobjid = %(table)s
            AND deptype = 'i'
    )
    SELECT attname, s.seqrelid::regclass, format_type(atttypid, atttypmod)
    FROM used JOIN pg_sequence AS s ON s.seqrelid = sequence
        JOIN pg_attribute ON attrelid = %(table)s AND attnum = number
    WHERE number <> %(id)s AND NOT (seqcycle AND seqmin >= -32768 AND seqmax <= 32767) AND (
        CASE WHEN seqincrement > 0 THEN seqmax < 2147483647 ELSE seqmin > -2147483647 END
        OR atttypid = 'smallint'::regtype
        OR atttypid = 'numeric'::regtype AND atttypmod <> -1 AND (atttypmod - 4) >> 16 < 10
        OR atttypid IN ('varchar'::regtype, 'bpchar'::regtype) AND atttypmod <> -1 AND atttypmod - 4 < 32
    )
    ORDER BY attname
"""

KINDS: Obstacles = ((_KIND, "it is {}: rename it, or use another database"),)
"""What is looked at first: of another kind of object, the rest says nothing."""

OBSTACLES: Obstacles = (
    (_UNIQUE_ID, "its id is not unique: make it the primary key"),
    (_ROW_SECURITY, "its row level security can hide or refuse a task: disable it"),
    (_RULES, "its rule {} can change or refuse a task: drop it"),
    (_TRIGGERS, "its trigger {} can change or refuse a task: drop it"),
    (_FOREIGN_KEYS, "its foreign key {} on {} can refuse a task: drop it"),
    (_UNIQUENESS, "its {} {} on {} can refuse a task: drop it"),
    (_REPLICA_IDENTITY, "its index {}, which is replaced, is its replica identity: choose another one"),
    (_ENDING_SEQUENCES, "its further column {} is of numbers that end soon ({} as {}): make both bigint"),
    (_INDEX_NAME, "the name {}, which its index is to have, belongs to something else: rename that"),
)
