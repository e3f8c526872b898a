"""What is computed from a client's texts, in indexes and generated columns, must have a result for each of them."""

import pytest

from taskflow.database.migrations import NEWEST_VERSION, MigrationError, migrate
from tests.support.adoption import add, expect_refusal, run


def refuse(kind: str, name: str) -> str:
    return f"its {kind} {name} computes what can fail for some texts: drop it"


INDEXES = {
    "of a quotient": "(1 / (length(title) - 5))",
    "of a number": "(CASE WHEN title LIKE '9%' THEN title::int ELSE 0 END)",
    "of a JSON document": "(CASE WHEN description LIKE '{%' THEN description::jsonb END)",
    "of a character": "(CASE WHEN title LIKE '9%' THEN chr(length(title) - 100) END)",
    "of a truth": "(CASE WHEN title LIKE '9%' THEN title::boolean END)",
    "of a part": "(CASE WHEN title LIKE '9%' THEN substring(title FROM description) END)",
    "of a power": "(CASE WHEN length(title) = 77 THEN 2 ^ length(description) END)",
    "of a pattern": "(title LIKE 'abc\\')",
    "of a pattern out of a text": "(CASE WHEN user_id = 'b' THEN title ~ description END)",
    "of a product": "(CASE WHEN length(title) = 77 THEN length(description) * length(description) END)",
    "of a time zone": "(CASE WHEN title LIKE 'Europe/%' THEN created_at AT TIME ZONE title END)",
    "of a unit": "(CASE WHEN title LIKE 'q%' THEN date_trunc(title, created_at AT TIME ZONE 'UTC') END)",
    "of a great number": "(CASE WHEN length(title) = 77 THEN length(title) + 2147483647 END)",
    "of a hash": "(hashtext(user_id) - 1000000000)",
    "of a function of its own": "(shorten(title))",
    "where a function says so": "id) WHERE (shorten(title) = 'a'",
}

GENERATED = {
    "quotient": "int GENERATED ALWAYS AS (1 / (length(title) - 7)) STORED",
    "function": "text GENERATED ALWAYS AS (shorten(title)) STORED",
    "null": "text GENERATED ALWAYS AS (nullif(btrim(title), '')) STORED NOT NULL",
    "length": "varchar(10) GENERATED ALWAYS AS (CASE WHEN title LIKE '9%' THEN title END) STORED",
}

SHORTEN = "CREATE FUNCTION shorten(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT left($1, 3)'"

HARMLESS = {
    "texts": (
        "CREATE INDEX ON tasks (lower(title)); CREATE INDEX ON tasks ((user_id || title));"
        "CREATE INDEX ON tasks (md5(lower(description))); CREATE INDEX ON tasks ((left(description, 100)));"
        "CREATE INDEX ON tasks (coalesce(nullif(TRIM(title), ''), user_id));"
        "CREATE INDEX ON tasks ((CASE WHEN is_completed THEN upper(title) ELSE title END))"
    ),
    "conditions": (
        "CREATE INDEX ON tasks (user_id) WHERE description IS NOT NULL;"
        "CREATE INDEX ON tasks (user_id) WHERE title ILIKE '%milk%' AND NOT is_completed;"
        "CREATE INDEX ON tasks (created_at) WHERE user_id IN ('alice', 'bob') OR length(title) > 100"
    ),
    "times beside texts": (
        "CREATE INDEX ON tasks (date_trunc('day', created_at AT TIME ZONE 'UTC'), title);"
        "CREATE INDEX ON tasks ((1 / (extract(year FROM created_at AT TIME ZONE 'UTC') + 1)))"
    ),
    "generated columns": (
        'ALTER TABLE tasks ADD "Folded" text GENERATED ALWAYS AS (lower(title)) STORED,'
        " ADD words tsvector GENERATED ALWAYS AS (to_tsvector('simple', left(description, 9000))) STORED,"
        " ADD is_long boolean GENERATED ALWAYS AS (char_length(description) > 500) STORED;"
        'CREATE INDEX ON tasks USING gin (words); CREATE INDEX ON tasks (left("Folded", 3))'
    ),
    "what is no text": (
        "CREATE TYPE state AS ENUM ('open'); ALTER TABLE tasks ADD priority int, ADD status state, ADD metadata jsonb;"
        "ALTER TABLE tasks ADD weight int GENERATED ALWAYS AS (priority * 10) STORED;"
        "CREATE INDEX ON tasks (user_id) WHERE status = 'open';"
        "CREATE INDEX ON tasks (user_id) WHERE metadata ->> 'x' IS NOT NULL"
    ),
    "names and constants in quotes": (
        "ALTER ROLE CURRENT_USER SET quote_all_identifiers = on;"
        "ALTER TABLE tasks ADD CHECK (length(title) > 0), ALTER id SET DEFAULT nextval('tasks_id_seq')"
    ),
}


@pytest.mark.parametrize("case", INDEXES)
def test_an_index_that_can_fail_for_some_texts_is_refused(case: str, url: str) -> None:
    """Though it has a result for each text of the trial."""
    expect_refusal(
        url, add(f"{SHORTEN}; CREATE INDEX computed ON tasks ({INDEXES[case]})"), refuse("index", "computed")
    )


@pytest.mark.parametrize("case", GENERATED)
def test_a_generated_column_that_can_fail_for_some_texts_is_refused(case: str, url: str) -> None:
    """The same of columns."""
    schema = add(f"{SHORTEN}; ALTER TABLE tasks ADD computed {GENERATED[case]}")
    expect_refusal(url, schema, refuse("generated column", "computed"))


@pytest.mark.parametrize("case", HARMLESS)
def test_what_always_has_a_result_is_adopted(case: str, url: str) -> None:
    """Also where a role has everything in quotes."""
    try:
        run(url, add(HARMLESS[case]))
        assert migrate(url) == NEWEST_VERSION
    finally:
        run(url, "ALTER ROLE CURRENT_USER RESET quote_all_identifiers")


@pytest.mark.parametrize("column", ["left(description, 1000)", "left(title || description, 1000)"])
def test_an_index_too_small_for_the_longest_letters_is_refused(column: str, url: str) -> None:
    """A thousand letters of one byte would have room in it."""
    run(url, add(f"CREATE INDEX ON tasks (({column}))"))
    with pytest.raises(MigrationError, match=r"letters of 4 bytes could not be written to it .index row size"):
        migrate(url)
