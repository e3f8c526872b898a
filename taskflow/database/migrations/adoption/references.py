"""Other tables that refer to tasks: whether what is done there lets a task be changed and deleted.

The queries are those of obstacles.py, with `changing` besides: the numbers of the columns that a change of a task
writes, and of those that are generated from them.
"""

from typing import LiteralString

from taskflow.database.migrations.adoption.obstacles import Obstacles

# Through cascades to further tables, whose rows would be removed with a task. Version 15 has SET NULL of some columns,
# and unique indexes for which nulls are equal; version 18 has constraints that are not enforced.
_FIND_REFERENCES: LiteralString = """
    WITH RECURSIVE enforced AS (
        SELECT oid, conname, conrelid, confrelid, confkey, confdeltype, CASE
                WHEN jsonb_typeof(to_jsonb(pg_constraint) -> 'confdelsetcols') = 'array' THEN ARRAY(
                    SELECT number::int2
                    FROM jsonb_array_elements_text(to_jsonb(pg_constraint) -> 'confdelsetcols') AS number
                )
                ELSE conkey
            END AS emptied
        FROM pg_constraint
        WHERE contype = 'f' AND coalesce(to_jsonb(pg_constraint) ->> 'conenforced', 'true') = 'true'
    ), reference AS (
        SELECT * FROM enforced WHERE confrelid = %(table)s
        UNION
        SELECT further.*
        FROM enforced AS further JOIN reference ON further.confrelid = reference.conrelid
        WHERE reference.confdeltype = 'c'
    )
"""

_REFERENCES_TO_CHANGES: LiteralString = """
    SELECT conname, conrelid::regclass FROM reference
    WHERE confrelid = %(table)s AND confkey && %(changing)s::int2[]
    ORDER BY conname
"""

# A column that is emptied must take it, and so must whatever else looks at that column.
_REFUSING_REFERENCES: LiteralString = """
    SELECT conname, conrelid::regclass FROM reference
    WHERE confdeltype <> 'c' AND NOT (
        confdeltype = 'n'
        AND NOT EXISTS (
            SELECT FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
            WHERE a.attrelid = reference.conrelid AND a.attnum = ANY (emptied) AND (a.attnotnull OR t.typtype = 'd')
        )
        AND NOT EXISTS (
            SELECT FROM pg_constraint AS other
            WHERE coalesce(to_jsonb(other) ->> 'conenforced', 'true') = 'true' AND (
                other.contype = 'c' AND other.conrelid = reference.conrelid
                    AND (other.conkey IS NULL OR other.conkey && (0::int2 || emptied))
                OR other.contype = 'f' AND other.conrelid = reference.conrelid AND other.conkey && emptied
                    AND other.confmatchtype = 'f' AND cardinality(other.conkey) > 1
                OR other.contype = 'f' AND other.confrelid = reference.conrelid AND other.confkey && emptied
            )
        )
        AND NOT EXISTS (
            SELECT FROM pg_index
            WHERE indrelid = reference.conrelid AND (indisunique OR indisexclusion) AND (
                indkey::int2[] && emptied AND to_jsonb(pg_index) ->> 'indnullsnotdistinct' = 'true'
                OR EXISTS (
                    SELECT FROM pg_depend
                    WHERE classid = 'pg_class'::regclass AND objid = indexrelid AND refclassid = 'pg_class'::regclass
                        AND refobjid = indrelid AND refobjsubid = ANY (emptied)
                ) AND (indexprs IS NOT NULL OR indpred IS NOT NULL)
            )
        )
        AND NOT EXISTS (
            SELECT FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
                JOIN pg_depend ON classid = 'pg_attrdef'::regclass AND objid = pg_attrdef.oid
                    -- Before version 15 it is the column that depends on others.
                    OR classid = 'pg_class'::regclass AND objid = adrelid AND objsubid = adnum
            WHERE adrelid = reference.conrelid AND attgenerated <> '' AND refclassid = 'pg_class'::regclass
                AND refobjid = adrelid AND refobjsubid = ANY (emptied)
        )
    )
    ORDER BY conname
"""

# Bits of tgtype: 8 is DELETE, 16 is UPDATE.
_TRIGGERS: LiteralString = """
    SELECT tgname, conrelid::regclass FROM reference JOIN pg_trigger ON tgrelid = conrelid
    WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') AND CASE confdeltype
            WHEN 'c' THEN tgtype & 8 > 0
            ELSE tgtype & 16 > 0 AND (cardinality(tgattr::int2[]) = 0 OR tgattr::int2[] && emptied)
        END
    ORDER BY tgname
"""

_RULES: LiteralString = """
    SELECT rulename, conrelid::regclass FROM reference JOIN pg_rewrite ON ev_class = conrelid
    WHERE ev_enabled IN ('O', 'A') AND ev_type = CASE confdeltype WHEN 'c' THEN '4'::"char" ELSE '2'::"char" END
    ORDER BY rulename
"""

# What a publication sends of a change or a removal names the row by its replica identity.
_PUBLISHED: LiteralString = """
    SELECT DISTINCT conrelid::regclass::text, p.pubname
    FROM reference JOIN pg_class AS c ON c.oid = conrelid
        JOIN pg_namespace AS n ON n.oid = relnamespace
        JOIN pg_publication_tables AS t ON t.schemaname = nspname AND t.tablename = relname
        JOIN pg_publication AS p USING (pubname)
    WHERE CASE confdeltype WHEN 'c' THEN pubdelete ELSE pubupdate END AND CASE relreplident
            WHEN 'n' THEN true
            WHEN 'd' THEN NOT EXISTS (SELECT FROM pg_index WHERE indrelid = conrelid AND indisprimary)
            WHEN 'i' THEN NOT EXISTS (SELECT FROM pg_index WHERE indrelid = conrelid AND indisreplident)
            ELSE false
        END
    ORDER BY 1, 2
"""

_OBSTACLES: Obstacles = (
    (
        _REFERENCES_TO_CHANGES,
        "the foreign key {} of {} refers to what a change of a task writes: let it refer to the id",
    ),
    (
        _REFUSING_REFERENCES,
        "the foreign key {} of {} can refuse that a task is deleted: make it ON DELETE CASCADE, or drop it",
    ),
    (_TRIGGERS, "the trigger {} of {}, which refers to tasks, can refuse that a task is deleted: drop it"),
    (_RULES, "the rule {} of {}, which refers to tasks, can refuse that a task is deleted: drop it"),
    (_PUBLISHED, "{}, which refers to tasks, has no replica identity for its publication {}: give it a primary key"),
)

REFERENCES: Obstacles = tuple((_FIND_REFERENCES + query, sentence) for query, sentence in _OBSTACLES)
